import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.enums import ConsentState, ExitReason
from models.tables import (
    Checkout,
    Customer,
    CustomerEvent,
    Enrollment,
    Order,
    PrivacyRequest,
    Refund,
    Shop,
    SignalIntent,
    Store,
    Suppression,
    WebhookUpdate,
)
from policies.phones import suppression_hash
from storage.stores import suppression_key
from tests.gateway.conftest import Door
from tests.worlds import NOON, PHONE, World, later, order_body

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "shopify_webhook_samples"
NEW_YEAR = datetime(2022, 1, 1, tzinfo=UTC)


async def nothing(world: World) -> None:
    """No effect beyond the raw update."""
    for table in (Customer, Order, Refund, Checkout, CustomerEvent, SignalIntent, PrivacyRequest):
        assert await world.rows(table) == []


async def uninstalled(world: World) -> None:
    """The shop is marked as left, and whoever needs it holds."""
    [shop] = await world.rows(Shop)
    assert (shop.uninstalled_at, shop.credential_ok) == (NOON, False)


async def checkout(world: World) -> None:
    """A cart of a customer who is met by it; the letters on the addresses are no phone."""
    [cart] = await world.rows(Checkout)
    [customer] = await world.rows(Customer)
    assert (cart.token, cart.external_id, cart.customer_id) == ("123123123", "981820079255243537", customer.id)
    assert (cart.total_minor, cart.currency, cart.idle_since) == (42188, "USD", NEW_YEAR)
    assert cart.items == [{"title": "IPod Nano - 8GB", "quantity": 1}] * 2
    assert cart.url.startswith("https://checkout.local/")
    assert (customer.external_id, customer.first_name, customer.phone) == ("603851970716743426", "John", None)


async def checkout_deleted(world: World) -> None:
    """What was never told of is remembered as deleted."""
    [cart] = await world.rows(Checkout)
    assert (cart.external_id, cart.deleted_at, cart.idle_since) == ("981820079255243537", NOON, None)


async def customer(world: World) -> None:
    """Somebody new, without a phone or consent."""
    [row] = await world.rows(Customer)
    assert (row.external_id, row.first_name, row.shop_updated_at) == ("706405506930370084", "Bob", NEW_YEAR)
    assert (row.phone, row.consent, row.opted_out_at) == (None, ConsentState.NEVER_SUBSCRIBED, None)


async def consent(world: World) -> None:
    """Nothing on record is no consent, and no withdrawal either."""
    [row] = await world.rows(Customer)
    assert (row.external_id, row.consent) == ("706405506930370084", ConsentState.NEVER_SUBSCRIBED)
    assert await world.rows(CustomerEvent) == []


async def order(world: World) -> None:
    """A cancelled test order: on record, and nobody's purchase."""
    [row] = await world.rows(Order)
    assert (row.external_id, row.total_minor, row.test) == ("820982911946154508", 40495, True)
    assert (row.current_minor, row.original_minor, row.cancelled_at) == (40495, 40495, NEW_YEAR)
    assert await world.rows(CustomerEvent) == []


async def request(world: World) -> None:
    """A request about nobody whom we know is met at once."""
    [row] = await world.rows(PrivacyRequest)
    assert (row.kind.value, row.customer_id, row.fulfilled_at) == ("data_request", None, NOON)


async def redacted(world: World) -> None:
    """An unknown customer is remembered as erased, so that no import makes one of them."""
    [row] = await world.rows(Customer)
    assert (row.external_id, row.erased_at, row.phone) == ("191167", NOON, None)
    [asked] = await world.rows(PrivacyRequest)
    assert (asked.kind.value, asked.customer_id, asked.fulfilled_at) == ("customer_redact", row.id, NOON)
    [update] = await world.rows(WebhookUpdate)
    assert update.body == ""


async def shop_redacted(world: World) -> None:
    """A shop without customers is erased at once."""
    [asked] = await world.rows(PrivacyRequest)
    assert (asked.kind.value, asked.fulfilled_at) == ("shop_redact", NOON)


EFFECTS: dict[str, Callable[[World], Any]] = {
    "app__scopes_update": nothing,
    "app__uninstalled": uninstalled,
    "bulk_operations__finish": nothing,
    "checkouts__create": checkout,
    "checkouts__delete": checkout_deleted,
    "checkouts__update": checkout,
    "customer.joined_segment": nothing,
    "customer.left_segment": nothing,
    "customer.tags_added": nothing,
    "customers__create": customer,
    "customers__data_request": request,
    "customers__delete": nothing,
    "customers__merge": nothing,  # it failed
    "customers__purchasing_summary": nothing,
    "customers__redact": redacted,
    "customers__update": customer,
    "customers_email_marketing_consent__update": nothing,
    "customers_marketing_consent__update": nothing,
    "customers_whats_app_marketing_consent__update": consent,
    "discounts__create": nothing,
    "discounts__redeemcode_added": nothing,
    "orders__create": order,
    "shop__redact": shop_redacted,
}


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not here")
def test_no_sample_is_left_out() -> None:
    """Every documented webhook has an effect that is asserted."""
    assert {path.stem for path in SAMPLES.glob("[!_]*.json")} == EFFECTS.keys()


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not here")
@pytest.mark.parametrize("name", EFFECTS)
async def test_every_sample_has_its_effect_once(door: Door, name: str) -> None:
    """A documented webhook does what it says, and its repetition as another delivery changes nothing more."""
    raw = (SAMPLES / f"{name}.json").read_bytes()
    topic = name.replace("__", "/")
    assert await door.shopify(raw, topic=topic) == 200
    await EFFECTS[name](door.world)
    before = [await door.world.rows(table) for table in (Customer, Order, Checkout, CustomerEvent, Suppression)]
    assert await door.shopify(raw, topic=topic, webhook_id="w-2") == 200
    assert before == [await door.world.rows(table) for table in (Customer, Order, Checkout, CustomerEvent, Suppression)]


def checkout_body(token: str = "cart-1", *, at: datetime = NOON, total: str = "40.00", **values: Any) -> bytes:
    """A checkout of customer 77."""
    body: dict[str, Any] = {
        "token": token,
        "name": "#5001",
        "created_at": NOON.isoformat(),
        "updated_at": at.isoformat(),
        "completed_at": None,
        "currency": "USD",
        "total_price": total,
        "abandoned_checkout_url": "https://shop.example/recover/1",
        "line_items": [{"title": "Blue mug", "quantity": 2}],
        "customer": {"id": 77, "first_name": "Ada"},
        "phone": PHONE,
    }
    return json.dumps(body | values).encode()


def refund_body(refund_id: int = 1, *, order_id: int = 1001, amount: str = "10.00") -> bytes:
    """Money given back."""
    transaction = {"kind": "refund", "status": "success", "amount": amount, "currency": "USD"}
    body = {"id": refund_id, "order_id": order_id, "created_at": NOON.isoformat(), "transactions": [transaction]}
    return json.dumps(body).encode()


def consent_body(state: str, *, at: datetime = NOON, phone: str | None = PHONE) -> bytes:
    """Consent to WhatsApp of customer 77."""
    consent = {"state": state, "updated_at": at.isoformat()}
    return json.dumps({"customer_id": 77, "phone_number": phone, "whats_app_marketing_consent": consent}).encode()


def merge_body(kept: int, gone: int, status: str = "completed") -> bytes:
    """A merge of customers."""
    body = {
        "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{kept}",
        "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{gone}",
        "status": status,
    }
    return json.dumps(body).encode()


def redact_body(customer_id: int = 77, phone: str | None = PHONE) -> bytes:
    """A demand to erase."""
    body = {"shop_id": 1, "shop_domain": "example.myshopify.com", "customer": {"id": customer_id, "phone": phone}}
    return json.dumps(body).encode()


async def test_what_was_given_back_is_taken_off_whenever_it_is_told(door: Door) -> None:
    """A refund counts before its order and after it, once; an order of which nothing is left is no sale."""
    assert await door.shopify(refund_body(1), topic="refunds/create", webhook_id="a") == 200
    raw = order_body(total_price="25.00")
    assert await door.shopify(raw, webhook_id="b") == 200
    assert [one.total_minor for one in await door.world.rows(Order)] == [1500]
    assert await door.shopify(refund_body(1), topic="refunds/create", webhook_id="c") == 200
    assert [one.total_minor for one in await door.world.rows(Order)] == [1500]
    assert (await door.world.rows(Customer))[0].last_order_minor == 1500
    assert await door.shopify(refund_body(2, amount="15.00"), topic="refunds/create", webhook_id="d") == 200
    assert [one.total_minor for one in await door.world.rows(Order)] == [0]
    assert (await door.world.rows(Customer))[0].last_order_at is None


async def test_an_order_tells_of_refunds_whose_webhooks_never_came(door: Door) -> None:
    """What the order's own payload says was given back counts as well, and is not taken off twice."""
    given_back = json.loads(refund_body(1))
    raw = order_body(total_price="25.00", refunds=[given_back])
    assert await door.shopify(raw, topic="orders/updated", webhook_id="a") == 200
    assert await door.shopify(refund_body(1), topic="refunds/create", webhook_id="b") == 200
    assert [one.total_minor for one in await door.world.rows(Order)] == [1500]


async def test_a_checkout_lies_idle_until_it_is_ordered(door: Door) -> None:
    """The newest state of a checkout stands; the order made of it ends it, whichever comes first."""
    assert await door.shopify(checkout_body(at=later(minutes=5), total="50.00"), topic="checkouts/update") == 200
    assert await door.shopify(checkout_body(at=later(minutes=1)), topic="checkouts/create", webhook_id="b") == 200
    [cart] = await door.world.rows(Checkout)
    assert (cart.total_minor, cart.idle_since) == (5000, later(minutes=5))
    [buyer] = await door.world.rows(Customer)
    assert (buyer.id, buyer.phone, buyer.first_name) == (cart.customer_id, PHONE, "Ada")
    raw = order_body(at=later(minutes=6), checkout_token="cart-1")
    assert await door.shopify(raw, webhook_id="c") == 200
    assert [one.idle_since for one in await door.world.rows(Checkout)] == [None]
    # Late news of the same cart, and of one that was left before the order.
    for number, token in enumerate(("cart-1", "cart-2")):
        raw = checkout_body(token, at=later(minutes=5, seconds=30), name=f"#60{number}")
        assert await door.shopify(raw, topic="checkouts/update", webhook_id=f"d{number}") == 200
    assert [one.idle_since for one in await door.world.rows(Checkout)] == [None, None]
    raw = checkout_body("cart-3", at=later(minutes=9), name="#61")
    assert await door.shopify(raw, topic="checkouts/create", webhook_id="e") == 200
    assert [one.idle_since for one in await door.world.rows(Checkout)] == [None, None, later(minutes=9)]


async def test_a_deleted_checkout_is_nobodys_cart_even_if_it_is_told_of_later(door: Door) -> None:
    """A deletion counts before the checkout's creation and after it."""
    deleted = json.dumps({"id": 5001}).encode()
    assert await door.shopify(deleted, topic="checkouts/delete", webhook_id="a") == 200
    assert await door.shopify(checkout_body(), topic="checkouts/create", webhook_id="b") == 200
    [cart] = await door.world.rows(Checkout)
    assert (cart.token, cart.idle_since, cart.deleted_at) == ("cart-1", None, NOON)


@pytest.mark.parametrize("order_first", [False, True], ids=["checkout-first", "order-first"])
async def test_a_completed_checkout_ends_its_cart_journey_once(door: Door, *, order_first: bool) -> None:
    """Completed checkout and order are one purchase: one exit event, one intent, and the order is on record."""
    assert await door.shopify(checkout_body(), topic="checkouts/create", webhook_id="a") == 200
    [cart] = await door.world.rows(Checkout)
    enrollment = await door.world.enroll(cart.customer_id, checkout_id=cart.id)
    completed = checkout_body(at=later(hours=2), completed_at=later(hours=2).isoformat())
    placed = order_body(at=later(hours=2), checkout_token="cart-1")
    posts = [("checkouts/update", completed), ("orders/create", placed)]
    for topic, raw in reversed(posts) if order_first else posts:
        assert await door.shopify(raw, topic=topic, webhook_id=topic) == 200
    events = await door.world.rows(CustomerEvent)
    [ending] = [event for event in events if event.exit_reason is not None]
    [order] = await door.world.rows(Order)
    assert (ending.exit_reason, ending.order_id) == (ExitReason.PURCHASED, order.id)
    assert await door.world.intents() == [(enrollment, "order_placed")]


async def test_a_merge_that_came_about_makes_one_customer_of_two(door: Door) -> None:
    """Whoever asks for the given-up customer finds the kept one; a merge that failed changes nothing."""
    gone = await door.world.customer(external_id="2", first_name="Ada")
    enrollment = await door.world.enroll(gone)
    kept = await door.world.customer(None, external_id="1")
    assert await door.shopify(merge_body(1, 2, "failed"), topic="customers/merge", webhook_id="a") == 200
    assert await door.world.rows(CustomerEvent) == []
    assert await door.shopify(merge_body(1, 2), topic="customers/merge", webhook_id="b") == 200
    row = await door.world.one(Customer, kept)
    assert (row.phone, row.first_name) == (PHONE, "Ada")
    assert await door.world.intents() == [(enrollment, "stop")]
    assert (await door.world.one(Enrollment, enrollment)).exit_reason is ExitReason.CUSTOMER_MERGED
    assert await door.shopify(order_body(customer_id=2), webhook_id="c") == 200
    assert [one.customer_id for one in await door.world.rows(Order)] == [kept]
    assert await door.shopify(merge_body(8, 9), topic="customers/merge", webhook_id="d") == 200
    assert await door.shopify(order_body(5, customer_id=9), webhook_id="e") == 200
    strangers = {one.external_id: one.id for one in await door.world.rows(Customer)}
    assert [one.customer_id for one in await door.world.rows(Order)] == [kept, strangers["8"]]


async def test_a_customers_newest_word_on_record_stands(door: Door) -> None:
    """Of two updates the later one counts, and a phone known from a chat brings its owner along."""
    stranger = await door.world.customer()
    for number, (name, at) in enumerate([("Ada", 5), ("Anna", 1)]):
        body = {"id": 77, "first_name": name, "phone": PHONE, "updated_at": later(minutes=at).isoformat()}
        raw = json.dumps(body).encode()
        assert await door.shopify(raw, topic="customers/update", webhook_id=f"w{number}") == 200
    [row] = await door.world.rows(Customer)
    assert (row.id, row.external_id, row.first_name, row.phone) == (stranger, "77", "Ada", PHONE)


async def test_a_customer_whom_the_merchant_deleted_leaves_the_journey_and_keeps_their_consent(door: Door) -> None:
    """Deleting is the merchant's act: the journey ends as no longer eligible, and nobody is unsubscribed."""
    customer = await door.world.customer(external_id="77")
    enrollment = await door.world.enroll(customer)
    raw = json.dumps({"id": 77}).encode()
    assert await door.shopify(raw, topic="customers/delete") == 200
    assert await door.world.events() == [("stop", "no_longer_eligible")]
    assert await door.world.intents() == [(enrollment, "stop")]
    row = await door.world.one(Customer, customer)
    assert (row.consent, row.phone, row.erased_at) == (ConsentState.SUBSCRIBED, PHONE, None)


async def test_withdrawn_consent_ends_the_journey_and_newer_consent_lifts_it(door: Door) -> None:
    """The newest consent to WhatsApp stands; consent to email or text messages is somebody else's business."""
    customer = await door.world.customer(external_id="77")
    enrollment = await door.world.enroll(customer)
    topic = "customers_whats_app_marketing_consent/update"
    assert await door.shopify(consent_body("unsubscribed", at=later(hours=2)), topic=topic, webhook_id="a") == 200
    assert await door.world.intents() == [(enrollment, "unsubscribed")]
    assert await door.shopify(consent_body("subscribed", at=later(hours=1)), topic=topic, webhook_id="b") == 200
    row = await door.world.one(Customer, customer)
    assert (row.consent, row.opted_out_at) == (ConsentState.UNSUBSCRIBED, later(hours=2))
    assert await door.shopify(consent_body("subscribed", at=later(hours=3)), topic=topic, webhook_id="c") == 200
    row = await door.world.one(Customer, customer)
    assert (row.consent, row.opted_out_at) == (ConsentState.SUBSCRIBED, None)
    sms = {"id": 77, "phone": PHONE, "sms_marketing_consent": {"state": "unsubscribed"}}
    raw = json.dumps(sms).encode()
    assert await door.shopify(raw, topic="customers_marketing_consent/update", webhook_id="d") == 200
    assert (await door.world.one(Customer, customer)).consent is ConsentState.SUBSCRIBED


async def test_consent_may_come_before_the_customer(door: Door) -> None:
    """Whoever consents at the till is known by it when the checkout is told of, and the other way round."""
    topic = "customers_whats_app_marketing_consent/update"
    assert await door.shopify(consent_body("subscribed", phone=None), topic=topic, webhook_id="a") == 200
    assert await door.shopify(checkout_body(), topic="checkouts/create", webhook_id="b") == 200
    [row] = await door.world.rows(Customer)
    assert (row.external_id, row.phone, row.consent) == ("77", PHONE, ConsentState.SUBSCRIBED)


async def test_a_removed_app_is_back_with_its_next_webhook(door: Door) -> None:
    """What was sent off before the removal says nothing; what was sent off after it does."""
    before, after = later(hours=-2).isoformat(), later(hours=2).isoformat()
    removed = json.dumps({"id": 1, "myshopify_domain": "example.myshopify.com"}).encode()
    assert await door.shopify(removed, topic="app/uninstalled", webhook_id="a") == 200
    for number, (sent_at, expected) in enumerate([(before, NOON), (after, None)]):
        raw = order_body(number + 1)
        headers = {**_headers(raw, f"o{number}"), "X-Shopify-Triggered-At": sent_at}
        assert (await door.client.post("/webhooks/shopify", content=raw, headers=headers)).status_code == 200
        assert [shop.uninstalled_at for shop in await door.world.rows(Shop)] == [expected]


def _headers(raw: bytes, webhook_id: str) -> dict[str, str]:
    from tests.worlds import shopify_headers  # noqa: PLC0415 - used here alone

    return shopify_headers(raw, webhook_id=webhook_id)


async def test_a_demand_to_erase_is_carried_out_at_once(door: Door) -> None:
    """The journey ends, the person is gone, only the hash stays, and the shop's next word brings nothing back."""
    customer = await door.world.customer(external_id="77", first_name="Ada")
    enrollment = await door.world.enroll(customer)
    assert await door.shopify(checkout_body(), topic="checkouts/create", webhook_id="a") == 200
    assert await door.shopify(redact_body(), topic="customers/redact", webhook_id="b") == 200
    assert await door.world.intents() == [(enrollment, "stop")]
    assert await door.world.events() == [("stop", "data_erased")]
    [store] = await door.world.rows(Store)
    [listed] = await door.world.rows(Suppression)
    assert listed.phone_hash == suppression_hash(PHONE, suppression_key(store, door.world.cipher))
    raw = checkout_body(at=later(hours=1))
    assert await door.shopify(raw, topic="checkouts/update", webhook_id="c") == 200
    assert await door.shopify(order_body(phone=PHONE), webhook_id="d") == 200
    row = await door.world.one(Customer, customer)
    assert (row.phone, row.first_name, row.consent) == (None, None, ConsentState.REDACTED)
    [cart] = await door.world.rows(Checkout)
    assert (cart.url, cart.items) == (None, [])
    assert [one.body for one in await door.world.rows(WebhookUpdate)] == [""] * 4
    [asked] = await door.world.rows(PrivacyRequest)
    assert (asked.kind.value, asked.fulfilled_at) == ("customer_redact", NOON)


async def test_a_shop_that_leaves_takes_everybody_along(door: Door) -> None:
    """Every customer of the store is erased, and its raw updates are emptied."""
    for number in range(3):
        await door.world.customer(f"+4477009001{number:02}", external_id=str(number), first_name="Ada")
    assert await door.shopify(order_body(), webhook_id="a") == 200
    raw = json.dumps({"shop_id": 1, "shop_domain": "example.myshopify.com"}).encode()
    assert await door.shopify(raw, topic="shop/redact", webhook_id="b") == 200
    assert {(one.phone, one.first_name, one.erased_at) for one in await door.world.rows(Customer)} == {
        (None, None, NOON)
    }
    assert {one.body for one in await door.world.rows(WebhookUpdate)} == {""}
    assert len(await door.world.rows(Suppression)) == 3


async def test_wrong_bodies_are_refused_and_unknown_topics_are_kept(door: Door) -> None:
    """No JSON is a 400 for every topic, and so is a body that its topic does not promise."""
    for topic in ("orders/create", "carts/update", "refunds/create", "checkouts/create", "customers/redact"):
        assert await door.shopify(b"{", topic=topic) == 400
    assert await door.shopify(b"{}", topic="refunds/create") == 400
    assert await door.shopify(b"[]", topic="checkouts/update") == 400
    huge = checkout_body(total="9" * 20)
    assert await door.shopify(huge, topic="checkouts/update") == 400
    assert await door.world.rows(WebhookUpdate) == []
    assert await door.shopify(b"{}", topic="carts/update") == 200
    assert len(await door.world.rows(WebhookUpdate)) == 1
