"""Webhooks as the stand-in sends them."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from sandbox.shopify.webhooks import order_body, order_webhook

NOW = datetime(2030, 6, 3, 9, 0, tzinfo=UTC)
SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "shopify_webhook_samples"
ORDER = OrderRecord(
    10, 1, NOW, Decimal("12.5"), "USD", cancelled_at=NOW + timedelta(hours=1), manual_discounts=("Gift",)
)


@pytest.fixture
def shop() -> ShopState:
    """A shop with one customer."""
    one = ShopState("demo.myshopify.com", "t", "shop-secret")
    one.put_customer(CustomerRecord(1, "Ana", phone="+447700900001"))
    return one


def test_the_body_is_signed_with_the_apps_secret(shop: ShopState) -> None:
    """The signature is over the very bytes that are sent."""
    headers, body = order_webhook(shop, ORDER, "orders/create", NOW)
    wanted = base64.b64encode(hmac.digest(b"shop-secret", body, hashlib.sha256)).decode()
    assert headers["X-Shopify-Hmac-Sha256"] == wanted


def test_sending_again_is_the_same_delivery(shop: ShopState) -> None:
    """A repeated delivery has the same id and bytes; another topic or moment is a delivery of its own."""
    assert order_webhook(shop, ORDER, "orders/create", NOW) == order_webhook(shop, ORDER, "orders/create", NOW)
    others = [("orders/paid", NOW), ("orders/create", NOW + timedelta(seconds=1)), ("orders/create", NOW)]
    ids = {order_webhook(shop, ORDER, topic, at)[0]["X-Shopify-Webhook-Id"] for topic, at in others}
    assert len(ids) == 3


def test_a_cancellation_shows_once_it_has_happened(shop: ShopState) -> None:
    """The same order is alive before and cancelled after, with a later update time."""
    before, after = order_body(shop, ORDER, NOW), order_body(shop, ORDER, NOW + timedelta(hours=1))
    assert (before["cancelled_at"], before["updated_at"]) == (None, "2030-06-03T09:00:00+00:00")
    assert after["cancelled_at"] == after["updated_at"] == "2030-06-03T10:00:00+00:00"


def test_every_field_has_the_vendors_name_and_type(shop: ShopState) -> None:
    """Each field of the body stands in the vendor's own example, and so does every header."""
    if not SAMPLES.exists():
        pytest.skip("the vendor's samples are not at hand")
    sample: dict[str, Any] = json.loads((SAMPLES / "orders__create.json").read_text())
    headers, raw = order_webhook(shop, ORDER, "orders/create", NOW)
    body = json.loads(raw)
    assert body.keys() <= sample.keys()
    assert body["customer"].keys() <= sample["customer"].keys()
    differing = {
        name: (type(body[name]), type(sample[name]))
        for name in body
        if None not in (body[name], sample[name]) and type(body[name]) is not type(sample[name])
    }
    assert not differing
    example = json.loads((SAMPLES / "_headers.json").read_text())["_headers_example"]
    assert headers.keys() == example.keys()
