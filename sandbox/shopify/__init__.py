"""A local stand-in for Shopify's Admin API: shops, customers, orders and codes in memory, on whatever clock it gets."""
