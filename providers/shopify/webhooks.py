"""Webhooks from Shopify: is it really from there, which delivery is it, and what does it say.

The other rooms import everything about webhooks from here; the modules beside it (`order_webhooks` and so on) hold one
subject each.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from providers.shopify.checkout_webhooks import (
    CheckoutDeleted,
    CheckoutItem,
    CheckoutUpdate,
    parse_checkout,
    parse_checkout_deleted,
)
from providers.shopify.customer_webhooks import (
    ConsentUpdate,
    CustomerDeleted,
    CustomerMerge,
    CustomerUpdate,
    parse_customer,
    parse_customer_deleted,
    parse_email_consent,
    parse_merge,
    parse_sms_consent,
    parse_whatsapp_consent,
)
from providers.shopify.order_webhooks import ORDER_TOPICS, RefundUpdate, parse_order, parse_refund
from providers.shopify.records import OrderUpdate
from providers.shopify.shop_webhooks import (
    AppUninstalled,
    CustomerRedact,
    DataRequest,
    ShopRedact,
    parse_customer_redact,
    parse_data_request,
    parse_shop_redact,
    parse_uninstalled,
)
from providers.shopify.webhook_bodies import Moment, UnreadableWebhookError, must_be_json

__all__ = [
    "ORDER_TOPICS",
    "TOPICS",
    "AppUninstalled",
    "CheckoutDeleted",
    "CheckoutItem",
    "CheckoutUpdate",
    "ConsentUpdate",
    "CustomerDeleted",
    "CustomerMerge",
    "CustomerRedact",
    "CustomerUpdate",
    "DataRequest",
    "OrderUpdate",
    "RefundUpdate",
    "ShopRedact",
    "ShopifyUpdate",
    "UnreadableWebhookError",
    "WebhookHeaders",
    "parse",
    "parse_order",
    "sign",
    "verify",
]

ShopifyUpdate: TypeAlias = (
    OrderUpdate
    | RefundUpdate
    | CheckoutUpdate
    | CheckoutDeleted
    | CustomerUpdate
    | CustomerDeleted
    | CustomerMerge
    | ConsentUpdate
    | AppUninstalled
    | DataRequest
    | CustomerRedact
    | ShopRedact
)
"""Whatever a webhook that we act on can say."""

_PARSERS: Final[Mapping[str, Callable[[bytes], ShopifyUpdate]]] = {
    **dict.fromkeys(sorted(ORDER_TOPICS), parse_order),
    "refunds/create": parse_refund,
    "checkouts/create": parse_checkout,
    "checkouts/update": parse_checkout,
    "checkouts/delete": parse_checkout_deleted,
    "customers/create": parse_customer,
    "customers/update": parse_customer,
    "customers/delete": parse_customer_deleted,
    "customers/merge": parse_merge,
    "customers_whats_app_marketing_consent/update": parse_whatsapp_consent,
    "customers_marketing_consent/update": parse_sms_consent,
    "customers_email_marketing_consent/update": parse_email_consent,
    "app/uninstalled": parse_uninstalled,
    "customers/data_request": parse_data_request,
    "customers/redact": parse_customer_redact,
    "shop/redact": parse_shop_redact,
}

TOPICS: Final = frozenset(_PARSERS)
"""Topics that `parse` has an answer for."""


def parse(topic: str, raw: bytes) -> ShopifyUpdate | None:
    """Read the body of a webhook.

    Args:
        topic: as the header gives it, such as `orders/create`.
        raw: the body as it arrived.

    Returns:
        What it says; None for a topic that we do not act on, whose body must be JSON all the same.

    Raises:
        UnreadableWebhookError: the body is not what the topic promises.
    """
    parser = _PARSERS.get(topic.lower())
    if parser is None:
        must_be_json(raw)
        return None
    return parser(raw)


def sign(raw: bytes, secret: str) -> str:
    """The signature that Shopify puts in `X-Shopify-Hmac-Sha256`."""
    return base64.b64encode(hmac.digest(secret.encode(), raw, hashlib.sha256)).decode()


def verify(raw: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether the body was signed with one of the app's client secrets.

    After a secret is rotated the old one may go on signing for an hour, so both are accepted.

    Args:
        raw: the body exactly as it arrived.
        header: `X-Shopify-Hmac-Sha256`; None if it is missing.
        secrets: the current secret and, after a rotation, the one before. An empty one verifies nothing.
    """
    given = (header or "").encode()
    return any(hmac.compare_digest(sign(raw, secret).encode(), given) for secret in secrets if secret)


@dataclass(frozen=True, slots=True)
class WebhookHeaders:
    """What a delivery says about itself.

    Attributes:
        topic: such as `orders/create`.
        shop_domain: whose event it is; trustworthy only once the signature is verified.
        webhook_id: one delivery, the same in each of its repetitions: the key to drop duplicates by.
        api_version: the dialect of the body.
        signature: `X-Shopify-Hmac-Sha256`.
        triggered_at: when it happened, UTC; None if left out or unreadable.
        event_id: the merchant's action, shared by all deliveries that it caused: no key to drop duplicates by.
        name: the subscription's own name.
    """

    topic: str
    shop_domain: str
    webhook_id: str
    api_version: str
    signature: str = field(repr=False)
    triggered_at: datetime | None = None
    event_id: str | None = None
    name: str | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> "WebhookHeaders":
        """Read the headers, whatever their case.

        Raises:
            UnreadableWebhookError: one that every delivery carries is missing.
        """
        given = {name.lower(): value for name, value in headers.items()}

        def needed(name: str) -> str:
            value = given.get(name)
            if not value:
                raise UnreadableWebhookError(f"the header {name} is missing")
            return value

        return cls(
            topic=needed("x-shopify-topic"),
            shop_domain=needed("x-shopify-shop-domain").lower(),
            webhook_id=needed("x-shopify-webhook-id"),
            api_version=needed("x-shopify-api-version"),
            signature=needed("x-shopify-hmac-sha256"),
            triggered_at=_moment(given.get("x-shopify-triggered-at")),
            event_id=given.get("x-shopify-event-id"),
            name=given.get("x-shopify-name"),
        )


_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(Moment)


def _moment(text: str | None) -> datetime | None:
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        return None
