"""Webhooks: the signature, the headers, the order."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.money import Money
from providers.shopify.webhooks import UnreadableWebhookError, WebhookHeaders, parse_order, sign, verify
from sandbox.shopify.webhooks import order_webhook
from tests.providers.shopify.conftest import NOW, Shop

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "shopify_webhook_samples"

ORDER: dict[str, Any] = {
    "id": 820982911946154508,
    "created_at": "2030-06-01T08:00:00-04:00",
    "updated_at": "2030-06-01T08:00:05-04:00",
    "cancelled_at": None,
    "test": False,
    "financial_status": "paid",
    "currency": "USD",
    "current_total_price": "49.90",
    "discount_codes": [],
    "discount_applications": [],
    "phone": None,
    "customer": {"id": 115310627314723954, "phone": "+447700900007"},
}


def order(**changed: Any) -> bytes:
    """The body of an order, changed as told."""
    return json.dumps(ORDER | changed).encode()


def test_a_signature_is_checked_over_the_raw_body() -> None:
    """The same bytes and secret verify; one changed byte, another secret or no header does not."""
    raw = b'{"id": 1}'
    assert verify(raw, sign(raw, "secret"), ["secret"])
    assert not verify(b'{"id":1}', sign(raw, "secret"), ["secret"])
    assert not verify(raw, sign(raw, "secret"), ["other"])
    assert not verify(raw, None, ["secret"])
    assert not verify(raw, "ünreadable", ["secret"])


def test_a_signature_is_shopifys() -> None:
    """The signature is base64 of HMAC-SHA256, as OpenSSL makes it from the same body and secret."""
    assert sign(b'{"id":1}', "hush") == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


def test_two_secrets_are_accepted_while_one_replaces_the_other() -> None:
    """After a rotation, deliveries signed with the old secret still count; an empty secret opens nothing."""
    raw = b"{}"
    assert verify(raw, sign(raw, "old"), ["new", "old"])
    assert not verify(raw, sign(raw, ""), ["new", ""])
    assert not verify(raw, sign(raw, ""), [])


def test_headers_are_read_whatever_their_case() -> None:
    """Header names are case-insensitive; the shop's domain and the time come out in one form."""
    headers = WebhookHeaders.parse(
        {
            "x-shopify-topic": "orders/create",
            "X-SHOPIFY-HMAC-SHA256": "c2ln",
            "X-Shopify-Shop-Domain": "Demo.myshopify.com",
            "X-Shopify-API-Version": "2026-10",
            "X-Shopify-Webhook-Id": "w-1",
            "X-Shopify-Triggered-At": "2030-06-03T05:00:00.123456-04:00",
            "X-Shopify-Event-Id": "e-1",
        }
    )
    assert (headers.topic, headers.shop_domain, headers.webhook_id) == ("orders/create", "demo.myshopify.com", "w-1")
    assert headers.triggered_at == datetime(2030, 6, 3, 9, 0, 0, 123456, tzinfo=UTC)
    assert (headers.event_id, headers.name) == ("e-1", None)


def test_a_delivery_without_its_id_is_refused() -> None:
    """A header that every delivery has is not guessed when it is missing."""
    with pytest.raises(UnreadableWebhookError, match="x-shopify-webhook-id"):
        WebhookHeaders.parse({"X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": "demo.myshopify.com"})


def test_an_order_is_read() -> None:
    """Every field that a journey asks about comes out, times in UTC and money in minor units."""
    update = parse_order(order())
    assert (update.id, update.customer_id) == (820982911946154508, 115310627314723954)
    assert update.created_at == datetime(2030, 6, 1, 12, 0, tzinfo=UTC)
    assert update.updated_at == datetime(2030, 6, 1, 12, 0, 5, tzinfo=UTC)
    assert update.total == Money(4990, "USD")
    assert (update.cancelled_at, update.test, update.financial_status) == (None, False, "paid")
    assert update.phone == "+447700900007"


def test_a_guests_order_has_no_customer() -> None:
    """An order without an account is an order all the same."""
    update = parse_order(order(customer=None, phone="+447700900009"))
    assert (update.customer_id, update.phone) == (None, "+447700900009")


def test_only_codes_that_the_customer_typed_count() -> None:
    """A manual discount's title stands among the codes, and only the applications give it away."""
    update = parse_order(
        order(
            discount_codes=[{"code": "COMEBACK10", "amount": "5.00", "type": "percentage"}, {"code": "Staff gift"}],
            discount_applications=[
                {"type": "discount_code", "code": "COMEBACK10", "value": "10.0"},
                {"type": "manual", "title": "Staff gift", "code": "Staff gift"},
                {"type": "automatic", "title": "Spring"},
            ],
        )
    )
    assert update.discount_codes == ("COMEBACK10",)


def test_without_applications_the_plain_list_is_taken() -> None:
    """A subscription that leaves applications out still tells the codes."""
    raw = json.dumps(
        {k: v for k, v in ORDER.items() if k != "discount_applications"} | {"discount_codes": [{"code": "A"}]}
    )
    assert parse_order(raw.encode()).discount_codes == ("A",)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"id":1}', order(created_at="2030-06-01T08:00:00"), order(current_total_price="NaN")]
)
def test_what_is_no_order_is_refused_without_quoting_it(raw: bytes) -> None:
    """Missing fields, times without an offset and impossible prices are refused; the error holds no value."""
    with pytest.raises(UnreadableWebhookError) as caught:
        parse_order(raw)
    assert "2030" not in str(caught.value)


def test_the_vendors_own_sample_is_read() -> None:
    """The vendor's example of an order parses as it is."""
    sample = SAMPLES / "orders__create.json"
    if not sample.exists():
        pytest.skip("the vendor's samples are not at hand")
    update = parse_order(sample.read_bytes())
    assert (update.id, update.test, update.financial_status) == (820982911946154508, True, "voided")
    assert update.total == Money(41495, "USD")
    assert update.cancelled_at == datetime(2022, 1, 1, 0, 0, tzinfo=UTC)


def test_the_sandboxs_webhooks_are_read_as_the_shops_own_orders(shop: Shop) -> None:
    """What the sandbox signs verifies, and says of an order what the sandbox was told of it."""
    shop.customer(7)
    shop.order(70, 7, 1, codes=("COMEBACK10",), manual=("Gift",))
    headers, raw = order_webhook(shop.state, shop.state.orders[70], "orders/create", NOW - timedelta(days=1))
    parsed = WebhookHeaders.parse(headers)
    assert verify(raw, parsed.signature, ["shop-secret"])
    assert (parsed.topic, parsed.shop_domain) == ("orders/create", "demo.myshopify.com")
    update = parse_order(raw)
    assert (update.id, update.customer_id, update.phone) == (70, 7, "+447700900001")
    assert (update.created_at, update.total) == (NOW - timedelta(days=1), Money(4990, "USD"))
    assert update.discount_codes == ("COMEBACK10",)
