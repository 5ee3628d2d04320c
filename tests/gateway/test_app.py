import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.app import GatewaySettings, create_app
from models.tables import ChatMessage, Customer, CustomerEvent, Number, Order, SendAttempt, SignalIntent, WebhookUpdate
from storage.engine import Database
from storage.secrets import Cipher, new_key
from tests.gateway.conftest import Door
from tests.worlds import (
    APP_SECRET,
    NOON,
    PHONE,
    SHOP,
    VERIFY_TOKEN,
    WABA,
    later,
    order_body,
    shopify_headers,
    status,
    statuses_body,
    text_message,
    whatsapp_body,
    whatsapp_headers,
)

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


def samples(folder: str, prefix: str = "") -> list[Path]:
    """The documented bodies, without the notes about them."""
    return sorted((REFERENCE / folder).glob(f"{prefix}[!_]*.json"))


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference samples are not here")
@pytest.mark.parametrize("path", samples("whatsapp_samples", "wh_"), ids=lambda path: path.stem)
async def test_every_whatsapp_sample_is_taken_once(door: Door, path: Path) -> None:
    """Every documented webhook gets a 200, and a repetition of it changes nothing."""
    raw = json.dumps(json.loads(path.read_text())["body"]).encode()  # noqa: ASYNC240 - a small local file
    assert await door.whatsapp(raw) == 200
    before = [await door.world.rows(table) for table in (Customer, CustomerEvent, ChatMessage, SendAttempt)]
    assert await door.whatsapp(raw) == 200
    assert [await door.world.rows(table) for table in (Customer, CustomerEvent, ChatMessage, SendAttempt)] == before
    assert len(await door.world.rows(WebhookUpdate)) == 1


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference samples are not here")
@pytest.mark.parametrize("path", samples("shopify_webhook_samples"), ids=lambda path: path.stem)
async def test_every_shopify_sample_is_taken_once(door: Door, path: Path) -> None:
    """Every documented webhook gets a 200, and a repetition of it changes nothing."""
    raw = path.read_bytes()  # noqa: ASYNC240 - a small local file
    topic = path.stem.replace("__", "/")
    assert await door.shopify(raw, topic=topic) == 200
    assert await door.shopify(raw, topic=topic) == 200
    assert len(await door.world.rows(WebhookUpdate)) == 1


async def test_the_handshake_answers_with_the_bare_challenge(door: Door) -> None:
    """A right verify token gets the challenge back as plain text."""
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "42<b>"}
    answer = await door.client.get("/webhooks/whatsapp", params=query)
    assert (answer.status_code, answer.text) == (200, "42<b>")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("change", [{"hub.verify_token": "wrong"}, {"hub.mode": "x"}, {"hub.verify_token": ""}])
async def test_the_handshake_refuses_strangers(door: Door, change: dict[str, str]) -> None:
    """A wrong or missing verify token, or another mode, gets a 403."""
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "42"}
    assert (await door.client.get("/webhooks/whatsapp", params=query | change)).status_code == 403


async def test_a_wrong_signature_is_refused_without_a_word(door: Door) -> None:
    """Neither door stores or explains anything for a signature that is wrong, missing or another shop's."""
    raw = whatsapp_body(messages=[text_message("hi")])
    order = order_body()
    answers = [
        await door.client.post("/webhooks/whatsapp", content=raw),
        await door.client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw, "other")),
        await door.client.post("/webhooks/whatsapp", content=raw + b" ", headers=whatsapp_headers(raw)),
        await door.client.post("/webhooks/whatsapp", content=raw, headers=[(b"X-Hub-Signature-256", b"sha256=\xe9")]),
        await door.client.post("/webhooks/shopify", content=order),
        await door.client.post("/webhooks/shopify", content=order, headers=shopify_headers(order, secret="other")),
        await door.client.post("/webhooks/shopify", content=order, headers=shopify_headers(order, shop="other.shop")),
        await door.client.post("/webhooks/shopify", content=order + b" ", headers=shopify_headers(order)),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, "")}
    assert await door.world.rows(WebhookUpdate) == []


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b"null", "{}".encode("utf-16")[:-1]],
    ids=["empty", "cut", "list", "text", "bytes", "deep", "null", "utf16"],
)
async def test_what_is_no_webhook_is_refused(door: Door, raw: bytes) -> None:
    """A genuine signature over something that is no JSON object is a 400, never a 500."""
    assert await door.whatsapp(raw) == 400
    assert await door.shopify(raw, topic="orders/create") == 400


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": 10**70},
        {"current_total_price": "1e999999"},
        {"current_total_price": "NaN"},
        {"current_total_price": "99999999999999999999.00"},
        {"created_at": "9999-12-31T23:59:59-11:00"},
        {"currency": "DOLLARS"},
        {"updated_at": None},
    ],
    ids=str,
)
async def test_an_impossible_order_is_refused(door: Door, change: dict[str, object]) -> None:
    """An order that cannot be one is a 400, never a 500, and nothing of it is stored."""
    assert await door.shopify(order_body(**change)) == 400  # type: ignore[arg-type]
    assert await door.world.rows(WebhookUpdate) == []


@pytest.mark.parametrize(
    "change",
    [
        {"from": None, "from_user_id": "U" * 5000},
        {"id": "w" * 5000},
        {"type": "k" * 500},
        {"text": {"body": "\x00 \ud800 nul and half a character"}},
        {"timestamp": "99999999999"},
    ],
    ids=["user", "id", "kind", "nul", "time"],
)
async def test_odd_messages_are_taken(door: Door, change: dict[str, object]) -> None:
    """Values that no column can hold are kept in the raw body at most, and still get a 200."""
    assert await door.whatsapp(whatsapp_body(messages=[text_message("hi") | change])) == 200
    assert len(await door.world.rows(WebhookUpdate)) == 1


async def test_a_huge_body_is_not_read(door: Door) -> None:
    """A body over the limit is a 413, with a stated length and without one."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1024 * 1024

    for path in ("/webhooks/whatsapp", "/webhooks/shopify"):
        assert (await door.client.post(path, content=chunks())).status_code == 413
        assert (await door.client.post(path, content=b"x" * (4 * 1024 * 1024 + 1))).status_code == 413
        assert (await door.client.post(path, content=b"x", headers={"Content-Length": "9" * 5000})).status_code == 413


async def test_a_store_added_while_the_gateway_runs_is_served(door: Door) -> None:
    """A new store's webhooks and handshake work, although the old stores' secrets are still in memory."""
    assert await door.whatsapp(whatsapp_body(messages=[])) == 200
    await door.world.add_store(
        "second",
        phone_number_id="9002",
        whatsapp_app_secret="second-secret",
        whatsapp_verify_token="second-token",
        shop_domain="second.myshopify.com",
        shop_webhook_secrets=("new", "old"),
    )
    door.world.now += timedelta(days=1)
    for gateway in [door.client._transport.app.state.gateway]:  # type: ignore[attr-defined]
        gateway.credentials._read_at -= 1.0
    raw = whatsapp_body(number="9002", messages=[text_message("hi")])
    assert await door.whatsapp(raw, secret="second-secret") == 200
    assert await door.shopify(order_body(), shop="second.myshopify.com", secret="old") == 200
    assert {row.store_id for row in await door.world.rows(Customer)} == {2}


async def test_a_signer_speaks_only_for_its_own_numbers(door: Door) -> None:
    """What one store's secret signed has no effect on another store's number, attempt or template."""
    await door.world.add_store(
        "second", phone_number_id="9002", waba_id="8002", whatsapp_app_secret="second-secret", shop_domain="b.shop"
    )
    enrollment = await door.world.enroll(await door.world.customer())
    attempt = await door.world.claim(enrollment)
    for raw in (
        whatsapp_body(messages=[text_message("STOP")]),
        statuses_body([status("failed", attempt=attempt, code=131050)]),
        whatsapp_body(number="9002", statuses=[status("failed", attempt=attempt, code=131050)]),
    ):
        assert await door.whatsapp(raw, secret="second-secret") == 200
    assert await door.world.events() == []
    assert (await door.world.attempt(attempt))[0].status == "claimed"


async def test_the_store_being_down_is_a_503(tmp_path: Path) -> None:
    """Without its database the gateway lives, is not ready, and asks senders to come again."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    app = create_app(database, Cipher([new_key()]), GatewaySettings(), None, lambda: NOON)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        raw = order_body()
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).json() == {"status": "not ready", "schema": "missing"}
        assert (await client.post("/webhooks/shopify", content=raw, headers=shopify_headers(raw))).status_code == 503
        assert (await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))).status_code == 503
        await database.close()
        (tmp_path / "empty.db").unlink()
        (tmp_path / "empty.db").mkdir()
        assert (await client.get("/ready")).status_code == 503
    await database.close()


async def test_a_database_that_goes_away_under_a_request_is_a_503(door: Door) -> None:
    """A store that breaks after the secrets were read gets a 503 too, and the retry is applied."""
    raw = whatsapp_body(messages=[text_message("hi")])
    assert await door.whatsapp(whatsapp_body(messages=[])) == 200
    async with door.world.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE chat_message RENAME TO away")
    assert await door.whatsapp(raw) == 503
    async with door.world.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE away RENAME TO chat_message")
    assert await door.world.events() == []
    assert await door.whatsapp(raw) == 200
    assert await door.world.events() == [("customer_replied", "customer_replied")]


async def test_a_reply_is_stored_with_its_effects_and_its_intent(door: Door) -> None:
    """One request writes the raw update, the chat, the event and the signal for the running journey."""
    customer = await door.world.customer()
    enrollment = await door.world.enroll(customer)
    assert await door.whatsapp(whatsapp_body(messages=[text_message("please stop calling me")])) == 200
    assert [row.text for row in await door.world.rows(ChatMessage)] == ["please stop calling me"]
    assert (await door.world.one(Customer, customer)).last_inbound_at == NOON
    assert await door.world.events() == [("customer_replied", "customer_replied")]
    assert await door.world.intents() == [(enrollment, "customer_replied")]
    assert [row.store_id for row in await door.world.rows(WebhookUpdate)] == [door.world.store_id]


@pytest.mark.parametrize("text", ["STOP", " stop! ", "Baja", "PARAR.", "Cancelar inscrição"])
async def test_a_stop_word_ends_with_unsubscribed(door: Door, text: str) -> None:
    """A stop word alone opts the customer out and ends the journey with that reason, not with a reply."""
    customer = await door.world.customer()
    enrollment = await door.world.enroll(customer)
    assert await door.whatsapp(whatsapp_body(messages=[text_message(text)])) == 200
    row = await door.world.one(Customer, customer)
    assert (row.opted_out_at, row.opt_out_source, row.consent) == (NOON, "stop_word", "subscribed")
    assert await door.world.events() == [("unsubscribed", "unsubscribed")]
    assert await door.world.intents() == [(enrollment, "unsubscribed")]


async def test_an_order_ends_the_journey_once(door: Door) -> None:
    """Create, paid and a repetition of one order make one event and one intent; cancelling it takes the sale back."""
    customer = await door.world.customer(external_id="77")
    enrollment = await door.world.enroll(customer)
    for number, (topic, at) in enumerate([("orders/create", 1), ("orders/create", 1), ("orders/paid", 2)]):
        raw = order_body(at=later(minutes=1), updated_at=later(minutes=at).isoformat())
        assert await door.shopify(raw, topic=topic, webhook_id=f"w-{max(number, 1)}") == 200
    assert await door.world.events() == [("order_placed", "purchased")]
    assert await door.world.intents() == [(enrollment, "order_placed")]
    cancelled = later(minutes=3).isoformat()
    raw = order_body(at=later(minutes=1), updated_at=cancelled, cancelled_at=cancelled)
    assert await door.shopify(raw, topic="orders/cancelled", webhook_id="w-3") == 200
    [order] = await door.world.rows(Order)
    assert (order.cancelled_at, order.total_minor) == (later(minutes=3), 2500)


async def test_a_buyer_is_found_by_phone_and_gets_the_shops_id(door: Door) -> None:
    """Somebody known from WhatsApp only is the buyer with the same phone, however the shop writes it."""
    customer = await door.world.customer()
    await door.world.enroll(customer)
    assert await door.shopify(order_body(phone="07700 900123")) == 200
    assert (await door.world.one(Customer, customer)).external_id == "77"
    assert len(await door.world.rows(SignalIntent)) == 1


async def test_unknown_buyers_are_kept_only_with_a_customer_id(door: Door) -> None:
    """An order of a customer whom we do not know makes one; an order of nobody makes none."""
    assert await door.shopify(order_body(1, customer_id=None, phone=PHONE), webhook_id="a") == 200
    assert await door.world.rows(Customer) == []
    assert await door.shopify(order_body(2), webhook_id="b") == 200
    assert [row.external_id for row in await door.world.rows(Customer)] == ["77"]
    assert len(await door.world.rows(WebhookUpdate)) == 2


async def test_two_apps_on_one_account_are_both_heard(door: Door) -> None:
    """Meta sends both the same body; the one that may speak for the number is taken, whichever comes first."""
    await door.world.add_store(
        "second", phone_number_id="900000000000002", whatsapp_app_secret="other", shop_domain="second.myshopify.com"
    )
    await door.world.enroll(await door.world.customer())
    said = whatsapp_body(messages=[text_message("hi")])
    entry = {"id": WABA, "time": int(NOON.timestamp())}
    banned = {"field": "account_update", "value": {"event": "ACCOUNT_DELETED"}}
    account = json.dumps({"object": "whatsapp_business_account", "entry": [{**entry, "changes": [banned]}]}).encode()
    for raw in (said, account):
        for secret in ("other", APP_SECRET):
            assert await door.whatsapp(raw, secret=secret) == 200
    assert await door.world.events() == [("customer_replied", "customer_replied")]
    assert [number.paused_reason for number in await door.world.rows(Number)] == ["account:account_deleted"] * 2


async def test_the_delivery_ids_of_two_shops_have_nothing_to_do_with_each_other(door: Door) -> None:
    """What one shop has delivered is not taken for another's."""
    await door.world.add_store("second", phone_number_id="900000000000002", shop_domain="second.myshopify.com")
    for shop in ("second.myshopify.com", SHOP):
        assert await door.shopify(order_body(), shop=shop, webhook_id="w-1") == 200
    assert {order.store_id for order in await door.world.rows(Order)} == {1, 2}
