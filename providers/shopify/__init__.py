"""Shopify's Admin API and its webhooks, as this house speaks them. No business rules."""
