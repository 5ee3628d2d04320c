"""Checkouts as webhooks show them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from models.money import Money
from providers.shopify.checkout_webhooks import (
    CheckoutDeleted,
    CheckoutItem,
    parse_checkout,
    parse_checkout_deleted,
)
from providers.shopify.webhook_bodies import UnreadableWebhookError

BUYER = {"id": 7, "first_name": "Ana", "phone": "+447700900003"}
BILLING = {"first_name": "Bea", "phone": "+447700900004"}
SHIPPING = {"first_name": "Cleo", "phone": "+447700900005"}


def checkout(**changed: Any) -> bytes:
    """The body of an open checkout, changed as told."""
    body = {
        "token": "t-1",
        "cart_token": "k-1",
        "created_at": "2030-06-01T08:00:00-04:00",
        "updated_at": "2030-06-01T08:00:05-04:00",
        "completed_at": None,
        "currency": "JPY",
        "total_price": "1200",
        "abandoned_checkout_url": "https://shop.example.com/recover?key=secret",
        "line_items": [{"title": "Shirt", "presentment_title": "Hemd", "quantity": 2}, {"title": "Hat", "quantity": 1}],
        "customer_locale": "de",
    }
    return json.dumps(body | changed).encode()


def test_a_checkout_is_read() -> None:
    """Items, total and times come out; an item is called what the buyer saw."""
    update = parse_checkout(checkout(name="#4711"))
    assert (update.token, update.id, update.cart_token) == ("t-1", 4711, "k-1")
    assert update.updated_at == datetime(2030, 6, 1, 12, 0, 5, tzinfo=UTC)
    assert update.total == Money(1200, "JPY")
    assert update.items == (CheckoutItem("Hemd", 2), CheckoutItem("Hat", 1))
    assert (update.locale, update.customer_id, update.first_name, update.phone) == ("de", None, None, None)


def test_a_completed_checkout_says_when() -> None:
    """The moment at which it became an order, or was closed, is what ends a cart journey."""
    update = parse_checkout(checkout(completed_at="2030-06-01T14:00:00+02:00", closed_at="2030-06-01T15:00:00+02:00"))
    assert update.completed_at == datetime(2030, 6, 1, 12, 0, tzinfo=UTC)
    assert update.closed_at == datetime(2030, 6, 1, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "phone"),
    [
        ({"sms_marketing_phone": "+447700900001", "phone": "+447700900002"}, "+447700900001"),
        ({"sms_marketing_phone": "", "phone": "+447700900002"}, "+447700900002"),
        ({"phone": " "}, "+447700900003"),
        ({"customer": {"id": 7, "phone": None}}, "+447700900004"),
        ({"customer": None, "billing_address": {"phone": None}}, "+447700900005"),
        ({"customer": None, "billing_address": None, "shipping_address": None}, None),
    ],
)
def test_the_number_that_was_given_for_messages_comes_first(given: dict[str, Any], phone: str | None) -> None:
    """The text-message number, then the checkout's, the customer's, and an address's only if nothing else is left."""
    everybody = {"customer": BUYER, "billing_address": BILLING, "shipping_address": SHIPPING}
    assert parse_checkout(checkout(**everybody | given)).phone == phone


def test_the_link_and_the_buyer_are_not_shown() -> None:
    """Whoever has the link sees the buyer's details, so it stands in no log, and neither do name and phone."""
    shown = repr(parse_checkout(checkout(customer=BUYER)))
    assert not [secret for secret in ("recover", "Ana", "7700") if secret in shown]


@pytest.mark.parametrize("name", [None, "", "#", "#x", "#²", "#0", "#" + "9" * 21])
def test_a_name_that_is_no_number_gives_no_id(name: str | None) -> None:
    """A checkout's own id comes first; a name that does not hold one is passed over."""
    assert parse_checkout(checkout(name=name)).id is None
    assert parse_checkout(checkout(name=name, id=5)).id == 5


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"token": None}, "token"),
        ({"created_at": "2030-06-01T08:00:00"}, "created_at"),
        ({"total_price": None}, "total_price"),
        ({"currency": "usd"}, "currency"),
        ({"line_items": [{"title": "x", "quantity": -1}]}, "line_items.0.quantity"),
    ],
)
def test_what_is_no_checkout_is_refused_by_field(changed: dict[str, Any], field: str) -> None:
    """The error names the field that makes no sense."""
    with pytest.raises(UnreadableWebhookError, match=field):
        parse_checkout(checkout(**changed))


def test_a_deleted_checkout_is_named_by_any_of_its_keys() -> None:
    """Number, token or cart: one is enough, none is too few."""
    assert parse_checkout_deleted(b'{"token": "t-1"}') == CheckoutDeleted(None, "t-1", None)
    assert parse_checkout_deleted(b'{"id": 5, "cart_token": "k"}') == CheckoutDeleted(5, None, "k")
    with pytest.raises(UnreadableWebhookError, match="cart_token"):
        parse_checkout_deleted(b'{"token": ""}')
