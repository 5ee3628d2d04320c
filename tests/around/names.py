"""What everything is called in a stack."""

TOKEN, SECRET = "sandbox-token", "sandbox-secret"
PHONE_NUMBER_ID = "900000000000001"
WABA = "800000000000001"
SHOP = "example.myshopify.com"
ZONE = "Europe/London"
