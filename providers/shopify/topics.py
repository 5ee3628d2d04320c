"""Which webhooks the house asks a shop for. Imports nothing, so that asking costs nobody a client."""

from typing import Final

WANTED_TOPICS: Final = (
    "ORDERS_CREATE",
    "ORDERS_PAID",
    "ORDERS_UPDATED",
    "ORDERS_CANCELLED",
    "REFUNDS_CREATE",
    "CHECKOUTS_CREATE",
    "CHECKOUTS_UPDATE",
    "CHECKOUTS_DELETE",
    "CUSTOMERS_UPDATE",
    "CUSTOMERS_MERGE",
    "CUSTOMERS_DELETE",
    "CUSTOMERS_WHATS_APP_MARKETING_CONSENT_UPDATE",
    "CUSTOMERS_MARKETING_CONSENT_UPDATE",
    "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
    "APP_UNINSTALLED",
)
"""Members of `WebhookSubscriptionTopic` to subscribe to through the Admin API."""

COMPLIANCE_TOPICS: Final = ("customers/data_request", "customers/redact", "shop/redact")
"""Topics that no API subscribes to: they stand in the app's own configuration (`compliance_topics` in
`shopify.app.toml`, or the app's page in the dashboard), with the same address. A shop cannot be asked whether they
do."""
