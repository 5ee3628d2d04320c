"""How the outside speaks: WhatsApp, Shopify and language models. No business rules."""
