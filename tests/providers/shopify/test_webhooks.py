"""Webhooks: the signature, the headers, and the vendor's own sample of every topic."""

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import ConsentState
from models.money import Money
from providers.shopify.topics import COMPLIANCE_TOPICS, WANTED_TOPICS
from providers.shopify.webhooks import (
    TOPICS,
    AppUninstalled,
    CheckoutDeleted,
    CheckoutItem,
    CheckoutUpdate,
    ConsentUpdate,
    CustomerDeleted,
    CustomerMerge,
    CustomerRedact,
    CustomerUpdate,
    DataRequest,
    OrderUpdate,
    ShopifyUpdate,
    ShopRedact,
    UnreadableWebhookError,
    WebhookHeaders,
    parse,
    sign,
    verify,
)

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "shopify_webhook_samples"
THEN = datetime(2022, 1, 1, tzinfo=UTC)

CHECKOUT = CheckoutUpdate(
    token="123123123",
    id=981820079255243537,
    cart_token="eeafa272cebfd4b22385bc4b645e762c",
    created_at=THEN,
    updated_at=THEN,
    completed_at=None,
    closed_at=None,
    url="https://checkout.local/548380009/checkouts/123123123/recover?key=example-secret-token",
    total=Money(42188, "USD"),
    items=(CheckoutItem("IPod Nano - 8GB", 1), CheckoutItem("IPod Nano - 8GB", 1)),
    customer_id=603851970716743426,
    phone="555-555-BILL",
    first_name="John",
    locale=None,
)
CUSTOMER = CustomerUpdate(id=706405506930370084, first_name="Bob", phone=None, locale=None, updated_at=THEN)
ORDER = OrderUpdate(
    id=820982911946154508,
    customer_id=115310627314723954,
    created_at=THEN,
    updated_at=THEN,
    cancelled_at=THEN,
    test=True,
    financial_status="voided",
    total=Money(41495, "USD"),
    discount_codes=(),
    phone=None,
    original_total=Money(40495, "USD"),
    refunded=Money(0, "USD"),
    checkout_token=None,
    cart_token=None,
    first_name="John",
)
CUSTOMER_ID = 706405506930370084

EXPECTED: Mapping[str, ShopifyUpdate | None] = {
    "app/scopes_update": None,
    "app/uninstalled": AppUninstalled(shop_id=548380009, shop_domain=None),
    "bulk_operations/finish": None,
    "checkouts/create": CHECKOUT,
    "checkouts/delete": CheckoutDeleted(
        id=981820079255243537, token=None, cart_token="eeafa272cebfd4b22385bc4b645e762c"
    ),
    "checkouts/update": CHECKOUT,
    "customer.joined_segment": None,
    "customer.left_segment": None,
    "customer.tags_added": None,
    "customers/create": CUSTOMER,
    "customers/data_request": DataRequest(customer_id=191167, phone="555-625-1199", request_id=9999),
    "customers/delete": CustomerDeleted(id=CUSTOMER_ID),
    "customers/merge": CustomerMerge(kept_id=1, deleted_id=2, status="failed"),
    "customers/purchasing_summary": None,
    "customers/redact": CustomerRedact(customer_id=191167, phone="555-625-1199", orders=(299938, 280263, 220458)),
    "customers/update": CUSTOMER,
    "customers_email_marketing_consent/update": ConsentUpdate(
        "email", CUSTOMER_ID, None, ConsentState.NEVER_SUBSCRIBED, None
    ),
    "customers_marketing_consent/update": ConsentUpdate("sms", CUSTOMER_ID, None, ConsentState.NEVER_SUBSCRIBED, None),
    "customers_whats_app_marketing_consent/update": ConsentUpdate(
        "whatsapp", CUSTOMER_ID, None, ConsentState.NEVER_SUBSCRIBED, None
    ),
    "discounts/create": None,
    "discounts/redeemcode_added": None,
    "orders/create": ORDER,
    "shop/redact": ShopRedact(shop_id=954889, shop_domain="{shop}.myshopify.com"),
}


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


@pytest.mark.parametrize("topic", EXPECTED)
def test_the_vendors_own_sample_is_read(topic: str) -> None:
    """Every field that we take from the vendor's example of a topic has exactly the value that stands there."""
    sample = SAMPLES / f"{topic.replace('/', '__')}.json"
    if not sample.exists():
        pytest.skip("the vendor's samples are not at hand")
    assert parse(topic, sample.read_bytes()) == EXPECTED[topic]


def test_no_sample_is_forgotten() -> None:
    """Each file of the vendor's samples stands in the table above."""
    if not SAMPLES.exists():
        pytest.skip("the vendor's samples are not at hand")
    on_disk = {one.stem.replace("__", "/") for one in SAMPLES.glob("*.json")} - {"_headers"}
    assert on_disk == EXPECTED.keys()


def test_the_sample_of_the_headers_is_read() -> None:
    """The vendor's example of a delivery's headers has all that we ask for."""
    sample = SAMPLES / "_headers.json"
    if not sample.exists():
        pytest.skip("the vendor's samples are not at hand")
    headers = WebhookHeaders.parse(json.loads(sample.read_text())["_headers_example"])
    assert (headers.topic, headers.shop_domain, headers.name) == (
        "orders/create",
        "example.myshopify.com",
        "orders-create",
    )
    assert headers.triggered_at == datetime(2026, 11, 22, 3, 36, 41, tzinfo=UTC)


def test_a_time_out_of_the_calendar_is_no_time() -> None:
    """A header is not signed: whatever stands in it, reading it does not fail for its time."""
    given_headers = dict.fromkeys(
        ("x-shopify-topic", "x-shopify-shop-domain", "x-shopify-webhook-id", "x-shopify-api-version"), "x"
    )
    headers = WebhookHeaders.parse(
        {**given_headers, "x-shopify-hmac-sha256": "x", "x-shopify-triggered-at": "0001-01-01T00:00:00+14:00"}
    )
    assert headers.triggered_at is None


def test_whatever_we_subscribe_to_is_understood() -> None:
    """Each topic that the house asks for, and each that the law demands, has its parser."""
    understood = {one.replace("/", "_").upper() for one in TOPICS}
    assert set(WANTED_TOPICS) <= understood
    assert len(set(WANTED_TOPICS)) == len(WANTED_TOPICS)
    assert set(COMPLIANCE_TOPICS) <= TOPICS
    assert not {one.replace("/", "_").upper() for one in COMPLIANCE_TOPICS} & set(WANTED_TOPICS)


def test_a_topic_that_we_do_not_act_on_must_be_json() -> None:
    """Anything readable is passed over; what is no JSON is refused under every topic."""
    assert parse("products/update", b'{"id": 123456789012345678901234567890}') is None
    assert parse("CUSTOMERS/DELETE", b'{"id": 7}') == CustomerDeleted(7)
    for topic in ("products/update", "orders/create"):
        for raw in (b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'):
            with pytest.raises(UnreadableWebhookError):
                parse(topic, raw)


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
            "2030-06-01T08:00:00Z",
            "gid://shopify/Customer/7",
            "gid://shopify/Customer/" + "9" * 5000,
            "1e400",
            "NaN",
            "USD",
            "#" + "9" * 30,
            10**400,
        ]
    ),
)
_TOPIC = st.sampled_from(sorted(TOPICS))


@given(topic=_TOPIC, content=st.recursive(_ODD, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_json_makes_reading_fail_otherwise(topic: str, content: object) -> None:
    """Arbitrary JSON under any topic is read or refused, and nothing else."""
    with contextlib.suppress(UnreadableWebhookError):
        parse(topic, json.dumps(content).encode())


@given(topic=st.sampled_from(sorted(one for one in TOPICS if one in EXPECTED)), data=st.data())
def test_no_twisted_sample_makes_reading_fail_otherwise(topic: str, data: st.DataObject) -> None:
    """A sample with some of its fields, at any depth, replaced by anything is read or refused; no value is quoted."""
    sample = SAMPLES / f"{topic.replace('/', '__')}.json"
    if not sample.exists():
        pytest.skip("the vendor's samples are not at hand")
    content = json.loads(sample.read_text())
    for _ in range(data.draw(st.integers(1, 4))):
        place = content
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
                break
            place = place[key]
        place[key] = data.draw(_ODD)
    told = ""
    try:
        parse(topic, json.dumps(content).encode())
    except UnreadableWebhookError as exc:
        told = str(exc)
    assert "shopify/" not in told
    assert "555" not in told
