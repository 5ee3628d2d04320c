"""What everything is called in a stack."""

TOKEN, SECRET = "sandbox-token", "sandbox-secret"
PHONE_NUMBER_ID = "900000000000001"
WABA = "800000000000001"
SHOP = "example.myshopify.com"
ZONE = "Europe/London"
SALT = "5a" * 32
"""A store's salt, the same in every run: whom the holdout draws must not depend on the run."""
