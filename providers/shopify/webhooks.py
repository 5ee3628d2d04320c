"""Webhooks from Shopify: is it really from there, which delivery is it, and what does it say about an order.

The order payload is the REST dialect (snake_case, integer ids, offsets in times), not GraphQL's.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models.money import Money

ORDER_TOPICS: Final = frozenset({"orders/create", "orders/paid", "orders/updated", "orders/cancelled"})
"""Topics whose body is an order."""


class UnreadableWebhookError(ValueError):
    """A webhook that is not what its topic promises; the text names fields, never values."""


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


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """One order as a webhook shows it.

    Attributes:
        customer_id: None for an order without a customer account.
        updated_at: of two updates of one order the later wins; they may arrive in either order, and twice.
        financial_status: lower case, such as `paid`; None where the payload says nothing.
        total: what is left of it after returns and removals, in the shop's currency.
        discount_codes: codes that the customer used, as typed, without a staff member's manual discounts.
        phone: the order's own number, else the customer's, as Shopify gives it.
    """

    id: int
    customer_id: int | None
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None
    test: bool
    financial_status: str | None
    total: Money
    discount_codes: tuple[str, ...]
    phone: str | None = field(repr=False)


def parse_order(raw: bytes) -> OrderUpdate:
    """Read the body of a webhook of one of `ORDER_TOPICS`; fields that we do not know are ignored.

    Raises:
        UnreadableWebhookError: it is no order.
    """
    try:
        order = _Order.model_validate_json(raw)
    except ValidationError as exc:
        where = ", ".join(sorted({".".join(map(str, error["loc"])) or "body" for error in exc.errors()}))
        raise UnreadableWebhookError(f"no order can be read: {where}") from None
    customer = order.customer
    return OrderUpdate(
        id=order.id,
        customer_id=customer.id if customer is not None else None,
        created_at=order.created_at.astimezone(UTC),
        updated_at=order.updated_at.astimezone(UTC),
        cancelled_at=order.cancelled_at.astimezone(UTC) if order.cancelled_at is not None else None,
        test=order.test,
        financial_status=order.financial_status,
        total=Money.of(order.current_total_price, order.currency),
        discount_codes=_typed_codes(order),
        phone=order.phone or (customer.phone if customer is not None else None),
    )


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Customer(_Payload):
    id: int
    phone: str | None = None


class _DiscountCode(_Payload):
    code: str


class _DiscountApplication(_Payload):
    type: str
    code: str | None = None


class _Order(_Payload):
    id: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    cancelled_at: AwareDatetime | None = None
    test: bool = False
    financial_status: str | None = None
    currency: str
    current_total_price: Annotated[Decimal, Field(allow_inf_nan=False, max_digits=20)]
    discount_codes: tuple[_DiscountCode, ...] = ()
    discount_applications: tuple[_DiscountApplication, ...] | None = None
    phone: str | None = None
    customer: _Customer | None = None


_MOMENT = TypeAdapter(AwareDatetime)


def _typed_codes(order: _Order) -> tuple[str, ...]:
    """Codes that the customer typed.

    A draft order lists a manual discount's title among `discount_codes`; only the applications tell the two apart, so
    the plain list counts only where the subscription leaves those out.
    """
    if order.discount_applications is None:
        return tuple(one.code for one in order.discount_codes)
    return tuple(
        one.code for one in order.discount_applications if one.type == "discount_code" and one.code is not None
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return _MOMENT.validate_python(text).astimezone(UTC)
    except ValidationError:
        return None
