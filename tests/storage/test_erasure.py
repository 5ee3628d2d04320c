"""After an erasure nothing of the person stands in any column of any table."""

import base64
import json
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from models.enums import (
    AttemptStatus,
    ConsentState,
    EnrollmentState,
    MessageAuthor,
    PrivacyRequestKind,
    SendState,
)
from models.money import Money
from models.tables import (
    ChatMessage,
    CouponIssue,
    Customer,
    Enrollment,
    EntryDecision,
    Order,
    PrivacyRequest,
    SendAttempt,
    Suppression,
    UnmatchedStatus,
    WebhookUpdate,
)
from storage.chats import Spoken, ensure_conversation, note_message
from storage.checkouts import CheckoutFacts, apply_checkout
from storage.conversations import attach, bind_ref, set_context
from storage.customers import ShopPerson, lock_customer, upsert_people
from storage.enrollments import enrollment_facts
from storage.erasure import erase_customer, erase_person
from storage.ingest import Delivery, lock_customers
from storage.ingest_messages import MessagePiece
from storage.ingest_shopify import ingest_shopify
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.merging import merge_customers
from storage.opt_outs import OptOutSource, opt_out
from storage.orders import OrderFacts
from storage.people import Address
from storage.personal_data import _OF_CUSTOMER, everything_about
from storage.privacy import fulfil_page, note_request, open_requests
from storage.raw_bodies import phone_traces
from storage.sends import find_send, record_accepted, write_chat
from storage.shop_pieces import CheckoutPiece, OrderPiece
from storage.shoppers import Shopper
from storage.statuses import Report, StatusPiece
from storage.stores import suppression_key_from
from tests.worlds import NOON, PHONE, World, later

KEY = suppression_key_from("5a" * 32)
NAME = "Zephyrine"
OLD_PHONE = "+447700900199"
WAMID = "wamid." + base64.b64encode(PHONE.encode()).decode() + "/x"
SHOP_ID = "9007199254740993"
SECRETS = (
    NAME,
    PHONE.removeprefix("+"),
    OLD_PHONE.removeprefix("+"),
    "07700 900123",
    "marzipan",
    "quokka",
    "GB.31337",
    WAMID.removesuffix("/x"),
    "PERSONAL-1",
    "recover/secret",
    "Velvet cape",
    "ticket-of-zephyrine",
)


async def everything(world: World) -> str:
    """Every value of every column of every table."""
    values: list[str] = []
    async with world.database.read() as session:
        for table in SQLModel.metadata.sorted_tables:
            for row in await session.exec(select(table)):  # type: ignore[call-overload]
                values += [json.dumps(value, default=str, ensure_ascii=False) for value in row]
    return "\n".join(values)


async def hear(world: World, key: str, body: str, piece: Any, *, store_id: int | None = 0) -> None:
    """A webhook of the shop's with that body."""
    delivery = Delivery("shopify", "x", key, body, NOON, world.store_id if store_id == 0 else store_id)
    await ingest_shopify(world.database, delivery, piece)


async def live(world: World) -> tuple[int, str]:
    """A customer about whom everything is known that can be; the id and the running enrollment."""
    customer_id = await world.customer(
        external_id=SHOP_ID, first_name=NAME, wa_user_id="GB.31337", language="fr", time_zone="Europe/Paris"
    )
    gone = await world.customer(OLD_PHONE, external_id="9007199254740994", first_name=NAME)
    enrollment = await world.enroll(customer_id)
    attempt_id = await world.claim(enrollment, state=SendState.ACCEPTED)
    buyer = Shopper(world.store_id, SHOP_ID, PHONE, NAME)
    facts = OrderFacts("1001", NOON, NOON, Money(2500, "USD"), discount_codes=("personal-1", "EVERYBODY"))
    await hear(world, "order", f'{{"phone": "07700 900123", "name": "{NAME}"}}', OrderPiece(buyer, facts))
    cart = CheckoutFacts(
        "token-1",
        "5001",
        NOON,
        later(hours=1),
        Money(100, "USD"),
        url="https://shop.example/recover/secret",
        items=({"title": "Velvet cape", "quantity": 1},),
    )
    await hear(world, "cart", f'{{"token": "token-1", "first_name": "{NAME}"}}', CheckoutPiece(buyer, cart))
    await hear(world, "batch", json.dumps({"wamid": WAMID, "text": "marzipan"}).replace("/", r"\/"), None)
    await hear(world, "other", '{"id": 19007199254740993}', None)
    async with world.database.write() as session:
        rows = await lock_customers(session, [customer_id, gone])
        session.add(
            EntryDecision(
                store_id=world.store_id,
                journey_id=1,
                version_id=1,
                customer_id=customer_id,
                at=NOON,
                outcome="entered",
                seen=f"{NAME} {PHONE}",
            )
        )
        session.add(
            CouponIssue(
                store_id=world.store_id,
                journey_id=1,
                enrollment_id=enrollment,
                customer_id=customer_id,
                code="PERSONAL-1",
                valid_from=NOON,
            )
        )
        send = await find_send(session, enrollment, 0, 0)
        assert send is not None
        send.parameters, send.free_text, send.coupon_code = {"1": NAME}, "quokka marzipan", "PERSONAL-1"
        attempt = await session.get(SendAttempt, attempt_id)
        assert attempt is not None
        attempt.wamid = WAMID
        session.add(UnmatchedStatus(wamid=WAMID, status="read", at=NOON))
        chat = await ensure_conversation(
            session, store_id=world.store_id, number_id=world.number_id, customer_id=customer_id
        )
        said = Spoken(MessageAuthor.CUSTOMER, "text", "marzipan", NOON, wamid=WAMID + "2", external_id="m-1")
        await note_message(session, chat, said, now=NOON)
        set_context(chat, {"deal": f"{NAME} wants a quokka"}, at=NOON)
        ref = await bind_ref(session, world.store_id, "ticket-of-zephyrine")
        await attach(session, ref, rows[customer_id], chat, now=NOON)
        await opt_out(
            session,
            rows[customer_id],
            source=OptOutSource.STOP_WORD,
            at=NOON,
            received_at=NOON,
            dedupe_key=f"whatsapp:in:{WAMID}",
        )
        await merge_customers(session, rows[customer_id], rows[gone], now=NOON)
    return customer_id, enrollment


async def test_nothing_of_the_person_is_left_anywhere(world: World) -> None:
    """No phone, name, text, link, code, chat id or message id; the journey is told, and the hash stays."""
    customer_id, enrollment = await live(world)
    before = await everything(world)
    assert [one for one in SECRETS if one.casefold() not in before.casefold()] == []
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await erase_customer(session, customer, suppression_key=KEY, now=later(hours=2))
    after = await everything(world)
    assert [one for one in SECRETS if one.casefold() in after.casefold()] == []
    # What counts is still there, and what is somebody else's.
    assert [(one.total_minor, one.discount_codes) for one in await world.rows(Order)] == [
        (2500, ["erased-1", "EVERYBODY"])
    ]
    assert {one.body for one in await world.rows(WebhookUpdate)} == {"", '{"id": 19007199254740993}'}
    ending = [event for event in await world.events() if event == ("stop", "data_erased")]
    assert len(ending) == 1
    assert (enrollment, "stop") in await world.intents()
    assert len(await world.rows(Suppression)) == 2


async def test_erasing_twice_changes_nothing_and_takes_what_has_come_since(world: World) -> None:
    """A repetition is safe, and empties a webhook that came in between."""
    customer_id, _ = await live(world)
    for hours in (2, 3):
        async with world.database.write() as session:
            customer = await lock_customer(session, customer_id)
            await erase_customer(session, customer, suppression_key=KEY, now=later(hours=hours))
        await hear(world, f"late-{hours}", f'{{"customer": {{"id": {SHOP_ID}, "first_name": "{NAME}"}}}}', None)
    assert (await world.one(Customer, customer_id)).erased_at == later(hours=2)
    assert NAME in await everything(world)
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await erase_customer(session, customer, suppression_key=KEY, now=later(hours=4))
    assert NAME not in await everything(world)


async def test_an_erased_customer_is_not_brought_back(world: World) -> None:
    """The shop's next page, an import and an order name the erased row again, and it stays empty."""
    customer_id, _ = await live(world)
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await erase_customer(session, customer, suppression_key=KEY, now=later(hours=2))
        person = ShopPerson(SHOP_ID, PHONE, NAME, "fr", ConsentState.SUBSCRIBED, "import", later(hours=3))
        [again] = await upsert_people(session, world.store_id, [person], now=later(hours=3))
        assert again.id == customer_id
    buyer = Shopper(world.store_id, SHOP_ID, PHONE, NAME)
    facts = OrderFacts("1002", later(hours=3), later(hours=3), Money(2500, "USD"))
    await hear(world, "again", f'{{"name": "{NAME}"}}', OrderPiece(buyer, facts))
    row = await world.one(Customer, customer_id)
    assert (row.phone, row.first_name, row.consent) == (None, None, ConsentState.REDACTED)
    assert NAME not in await everything(world)


async def test_a_running_enrollment_hears_of_it_and_control_does_not(world: World) -> None:
    """Only what has a workflow is told; the control group's count of orders stays."""
    customer_id = await world.customer(external_id="77")
    await world.enroll(customer_id, state=EnrollmentState.CONTROL)
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await erase_customer(session, customer, suppression_key=KEY, now=NOON)
    assert await world.intents() == []
    assert [one.state for one in await world.rows(Enrollment)] == [EnrollmentState.CONTROL]


async def test_a_stranger_to_us_is_kept_from_becoming_known(world: World) -> None:
    """A demand about an unknown person leaves an empty row and the hash; another customer's phone is left alone."""
    async with world.database.write() as session:
        [erased] = await erase_person(
            session, world.store_id, external_id="5", phone=PHONE, suppression_key=KEY, now=NOON
        )
        assert (erased.external_id, erased.phone, erased.erased_at) == ("5", None, NOON)
    assert len(await world.rows(Suppression)) == 1
    other = await world.customer(OLD_PHONE, external_id="6", first_name=NAME)
    async with world.database.write() as session:
        await erase_person(session, world.store_id, external_id="5", phone=OLD_PHONE, suppression_key=KEY, now=NOON)
    assert (await world.one(Customer, other)).first_name == NAME
    assert len(await world.rows(Suppression)) == 1
    # By phone alone it is whoever has that phone.
    async with world.database.write() as session:
        await erase_person(session, world.store_id, external_id=None, phone=OLD_PHONE, suppression_key=KEY, now=NOON)
    assert (await world.one(Customer, other)).erased_at == NOON


async def test_a_whole_shop_is_erased_page_by_page(world: World) -> None:
    """Each page erases some, the last one meets the request, and without a request nobody is touched."""
    for number in range(5):
        await world.customer(f"+4477009002{number:02}", external_id=str(number), first_name=NAME)
    rounds: list[bool] = []
    async with world.database.write() as session:
        assert not await fulfil_page(session, world.store_id, suppression_key=KEY, now=NOON, limit=2)
    assert NAME in await everything(world)
    async with world.database.write() as session:
        for _ in range(2):
            await note_request(
                session,
                world.store_id,
                PrivacyRequestKind.SHOP_REDACT,
                dedupe_key="shop",
                customer_id=None,
                received_at=NOON,
                fulfilled_at=None,
            )
    while not rounds or rounds[-1]:
        async with world.database.write() as session:
            rounds.append(await fulfil_page(session, world.store_id, suppression_key=KEY, now=NOON, limit=2))
    assert rounds == [True, True, False]
    assert NAME not in await everything(world)
    async with world.database.read() as session:
        assert await open_requests(session, world.store_id) == []
    assert len(await world.rows(PrivacyRequest)) == 1


async def test_what_is_stored_about_somebody_can_be_told(world: World) -> None:
    """Every table that names the person is in the answer, in words that JSON has."""
    customer_id, _ = await live(world)
    async with world.database.read() as session:
        customer = await session.get(Customer, customer_id)
        assert customer is not None
        found = await everything_about(session, customer)
    told = json.dumps(found)
    unheard = [one for one in SECRETS if one.casefold() not in told.casefold()]
    assert unheard == ["07700 900123"]  # only a raw webhook wrote it like this
    tables = {table.name for table in SQLModel.metadata.sorted_tables if "customer_id" in table.c}
    assert {str(table.__tablename__) for table in _OF_CUSTOMER.values()} == tables
    assert {one["first_name"] for one in found["customer"]} == {NAME, None}


@pytest.mark.parametrize("written", ["447700900123", "07700 900123", "7700 900123", "+44 7700 900123"])
def test_a_phone_is_found_however_it_is_written(written: str) -> None:
    """Bodies write numbers as people do."""
    assert written.removeprefix("+") in phone_traces(PHONE) or written.replace(" ", "") in phone_traces(PHONE)


async def test_whatsapp_goes_on_telling_of_somebody_erased_and_nothing_of_it_is_kept(world: World) -> None:
    """A late status brings neither the message's id nor the recipient's number back, nor does our own late record."""
    customer_id = await world.customer(external_id=SHOP_ID)
    enrollment = await world.enroll(customer_id)
    attempt_id = await world.claim(enrollment)
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await erase_customer(session, customer, suppression_key=KEY, now=NOON)
    piece = StatusPiece("st:1", world.number_id, WAMID, Report.READ, later(hours=1), attempt_id)
    for key, pieces in (("status", (piece,)), ("other", ())):
        delivery = Delivery("whatsapp", "whatsapp", key, f"{key} {PHONE}", NOON, world.store_id)
        await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=pieces))
    async with world.database.write() as session:
        facts = await enrollment_facts(session, enrollment)
        attempt = await session.get_one(SendAttempt, attempt_id)
        send = await find_send(session, enrollment, 0, 0)
        assert send is not None
        record_accepted(send, attempt, wamid=WAMID, held=False, now=NOON)
        await write_chat(session, facts, attempt, conversation_id=None, text="marzipan", kind="text", now=NOON)
    row, send = await world.attempt(attempt_id)
    assert (row.wamid, row.status, send.state) == (f"erased:{attempt_id}", AttemptStatus.READ, SendState.ACCEPTED)
    assert [one.body for one in await world.rows(WebhookUpdate)] == ["", f"other {PHONE}"]
    assert await world.rows(ChatMessage) == []


async def test_the_phone_of_somebody_merged_into_an_erased_customer_tells_nothing_more(world: World) -> None:
    """Whoever writes from it is the erased person: neither the words nor the webhook are kept."""
    kept, gone = await world.customer(external_id="1"), await world.customer(OLD_PHONE, external_id="2")
    async with world.database.write() as session:
        rows = await lock_customers(session, [kept, gone])
        await erase_customer(session, rows[kept], suppression_key=KEY, now=NOON)
        await merge_customers(session, rows[kept], rows[gone], now=NOON)
    sender = Address(world.store_id, OLD_PHONE, None)
    piece = MessagePiece("in:1", sender, world.number_id, WAMID, "text", "marzipan", None, NOON)
    delivery = Delivery("whatsapp", "whatsapp", "key", "marzipan", NOON, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(people=(piece,)))
    assert "marzipan" not in await everything(world)


async def test_with_a_shop_go_strangers_carts_and_what_its_chat_tool_told(world: World) -> None:
    """They name nobody whom we know, and people all the same."""
    facts = CheckoutFacts("t", "5", NOON, NOON, Money(100, "USD"), url="https://shop.example/recover/secret")
    async with world.database.write() as session:
        await apply_checkout(session, world.store_id, None, facts, received_at=NOON, source="shopify")
        ref = await bind_ref(session, world.store_id, "ticket-of-zephyrine")
        set_context(ref, {"deal": "quokka"}, at=NOON)
        kind = PrivacyRequestKind.SHOP_REDACT
        await note_request(
            session, world.store_id, kind, dedupe_key="s", customer_id=None, received_at=NOON, fulfilled_at=None
        )
    async with world.database.write() as session:
        assert not await fulfil_page(session, world.store_id, suppression_key=KEY, now=NOON)
    after = await everything(world)
    assert [one for one in ("recover/secret", "quokka", "zephyrine") if one in after] == []
