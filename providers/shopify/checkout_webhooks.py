"""Webhooks about checkouts: what somebody put in a cart, how to reach them, and whether they went through with it.

Shopify has no webhook for an abandoned checkout: a checkout is abandoned if nothing completes it, which only time
tells.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import Field

from models.money import Money
from providers.shopify.webhook_bodies import (
    LONGEST_ID,
    Body,
    Currency,
    Id,
    Moment,
    Price,
    Text,
    UnreadableWebhookError,
    first_text,
    read,
)


@dataclass(frozen=True, slots=True)
class CheckoutItem:
    """One line of a checkout; the title is the one that the buyer saw, "" if it has none."""

    title: str
    quantity: int


@dataclass(frozen=True, slots=True)
class CheckoutUpdate:
    """One checkout as it is now.

    Attributes:
        token: its key, the same in every update; an order made of it has it as `checkout_token`.
        id: the number by which `checkouts/delete` names it; None if the payload does not tell.
        cart_token: of the cart that it was made from; None for one that staff or another app made.
        updated_at: of two updates of one checkout the later wins.
        completed_at: when it became an order; None while it is open.
        closed_at: when it was closed without an order.
        url: leads the buyer back to it; whoever has it sees the buyer's details.
        total: with tax and shipping as far as they are known, in the shop's currency.
        items: in the order of the checkout.
        customer_id: None until the buyer is known to the shop.
        phone: as the buyer typed it: the number given for text messages, else the checkout's, else the customer's,
            and only as a last resort that of the billing or shipping address.
        locale: the language of the checkout.
    """

    token: str
    id: int | None
    cart_token: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    closed_at: datetime | None
    url: str | None = field(repr=False)
    total: Money
    items: tuple[CheckoutItem, ...]
    customer_id: int | None
    phone: str | None = field(repr=False)
    first_name: str | None = field(repr=False)
    locale: str | None


@dataclass(frozen=True, slots=True)
class CheckoutDeleted:
    """A checkout that is no more, named by at least one of the three; the payload seen so far has no token."""

    id: int | None
    token: str | None
    cart_token: str | None


def parse_checkout(raw: bytes) -> CheckoutUpdate:
    """Read the body of `checkouts/create` or `checkouts/update`.

    Raises:
        UnreadableWebhookError: it is no checkout.
    """
    checkout = read(_Checkout, raw, "checkout")
    customer = checkout.customer or _Customer()
    billing = checkout.billing_address or _Address()
    shipping = checkout.shipping_address or _Address()
    return CheckoutUpdate(
        token=checkout.token,
        id=checkout.id or _number(checkout.name),
        cart_token=checkout.cart_token or None,
        created_at=checkout.created_at,
        updated_at=checkout.updated_at,
        completed_at=checkout.completed_at,
        closed_at=checkout.closed_at,
        url=checkout.abandoned_checkout_url or None,
        total=Money.of(checkout.total_price, checkout.currency),
        items=tuple(
            CheckoutItem(first_text(one.presentment_title, one.title) or "", one.quantity)
            for one in checkout.line_items
        ),
        customer_id=customer.id,
        phone=first_text(checkout.sms_marketing_phone, checkout.phone, customer.phone, billing.phone, shipping.phone),
        first_name=first_text(customer.first_name, billing.first_name, shipping.first_name),
        locale=first_text(checkout.customer_locale),
    )


def parse_checkout_deleted(raw: bytes) -> CheckoutDeleted:
    """Read the body of `checkouts/delete`.

    Raises:
        UnreadableWebhookError: it does not say which checkout.
    """
    deleted = read(_Deleted, raw, "deleted checkout")
    if not (deleted.id or deleted.token or deleted.cart_token):
        raise UnreadableWebhookError("no deleted checkout can be read: id, token, cart_token")
    return CheckoutDeleted(id=deleted.id, token=deleted.token or None, cart_token=deleted.cart_token or None)


class _Customer(Body):
    id: Id | None = None
    first_name: Text | None = None
    phone: Text | None = None


class _Address(Body):
    first_name: Text | None = None
    phone: Text | None = None


class _Line(Body):
    title: Text | None = None
    presentment_title: Text | None = None
    quantity: Annotated[int, Field(ge=0, lt=10**9)] = 1


class _Checkout(Body):
    token: Text
    id: Id | None = None
    name: Text | None = None
    cart_token: Text | None = None
    created_at: Moment
    updated_at: Moment
    completed_at: Moment | None = None
    closed_at: Moment | None = None
    abandoned_checkout_url: Text | None = None
    currency: Currency
    total_price: Price
    line_items: tuple[_Line, ...] = ()
    sms_marketing_phone: Text | None = None
    phone: Text | None = None
    customer_locale: Text | None = None
    customer: _Customer | None = None
    billing_address: _Address | None = None
    shipping_address: _Address | None = None


class _Deleted(Body):
    id: Id | None = None
    token: Text | None = None
    cart_token: Text | None = None


def _number(name: str | None) -> int | None:
    """A checkout's name is "#" and its id, which newer payloads do not carry by itself."""
    digits = (name or "").removeprefix("#")
    return int(digits) or None if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_ID else None
