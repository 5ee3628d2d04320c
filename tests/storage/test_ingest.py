import asyncio

import pytest

from models.enums import EnrollmentState, SendState, TemplateStatus
from models.money import Money
from models.tables import (
    Conversation,
    Customer,
    CustomerEvent,
    Send,
    SendAttempt,
    SignalIntent,
    Template,
    WebhookUpdate,
)
from storage.customers import lock_customer
from storage.enrollments import enrollment_facts
from storage.events import first_exit_event
from storage.ingest import Delivery
from storage.ingest_accounts import TemplatePiece
from storage.ingest_messages import MessagePiece, PreferencePiece
from storage.ingest_shopify import ingest_shopify
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.orders import OrderFacts
from storage.people import Address
from storage.sends import claim, ensure_send
from storage.shop_pieces import OrderPiece
from storage.shoppers import Shopper
from storage.statuses import Report, StatusPiece
from tests.worlds import NOON, PHONE, WABA, World, later


def delivery(world: World, key: str) -> Delivery:
    """A request with that key."""
    return Delivery("whatsapp", "whatsapp", key, "{}", world.now, world.store_id)


def message(world: World, wamid: str, *, phone: str | None = PHONE, user: str | None = None) -> MessagePiece:
    """A text."""
    return MessagePiece(
        f"in:{wamid}", Address(world.store_id, phone, user), world.number_id, wamid, "text", "hi", None, NOON
    )


async def hear(world: World, key: str, *people: MessagePiece | PreferencePiece) -> None:
    """Take one request with these pieces."""
    await ingest_whatsapp(world.database, delivery(world, key), WhatsAppPieces(people=people))


def preference(world: World, *, stop: bool, at: int) -> PreferencePiece:
    """A preference, so many minutes after noon."""
    return PreferencePiece(f"pref:{at}", Address(world.store_id, PHONE, None), stop, later(minutes=at))


async def test_a_stranger_becomes_one_customer(world: World) -> None:
    """Two messages of an unknown person, with a phone and a user id between them, make one customer."""
    await hear(world, "a", message(world, "1", user="GB.1"), message(world, "2", phone=None, user="GB.1"))
    await hear(world, "b", message(world, "3"), message(world, "4", phone=None, user="GB.2"))
    rows = await world.rows(Customer)
    assert sorted((row.phone or "", row.wa_user_id) for row in rows) == [("", "GB.2"), (PHONE, "GB.1")]
    assert len(await world.rows(Conversation)) == 2


async def test_a_known_phone_takes_no_user_id_of_somebody_else(world: World) -> None:
    """A user id that another customer has stays there, and the message is the phone's owner's."""
    await world.customer(phone=None, wa_user_id="GB.1")
    mine = await world.customer()
    await hear(world, "a", message(world, "1", user="GB.1"))
    assert [event.customer_id for event in await world.rows(CustomerEvent)] == [mine]


@pytest.mark.parametrize(
    ("known", "writes_as"), [("+5511987654321", "+551187654321"), ("+525512345678", "+5215512345678")]
)
async def test_an_old_form_of_a_number_is_the_same_customer(world: World, known: str, writes_as: str) -> None:
    """A Brazilian or Mexican id in the old form reaches the customer whom we wrote to in the new one."""
    customer = await world.customer(known)
    enrollment = await world.enroll(customer)
    await hear(world, "a", message(world, "1", phone=writes_as))
    assert await world.intents() == [(enrollment, "customer_replied")]


async def test_a_resume_lifts_only_metas_own_stop(world: World) -> None:
    """Stop and resume at Meta cancel out; a stop word said to us stays."""
    customer = await world.customer()
    await hear(world, "a", preference(world, stop=True, at=1))
    assert (await world.one(Customer, customer)).opt_out_source == "whatsapp_preference"
    await hear(world, "b", preference(world, stop=False, at=2))
    assert (await world.one(Customer, customer)).opted_out_at is None
    stop = message(world, "1")
    await hear(
        world, "c", MessagePiece(stop.dedupe_key, stop.sender, stop.number_id, "1", "button", "Ok", "STOP", NOON)
    )
    await hear(world, "d", preference(world, stop=True, at=3), preference(world, stop=False, at=4))
    assert (await world.one(Customer, customer)).opt_out_source == "stop_word"


async def test_a_template_that_may_be_sent_again_releases_those_who_hold_for_it(world: World) -> None:
    """The mirror follows Meta's newest word, and only a sendable status makes a broadcast."""
    async with world.database.write() as session:
        session.add(Template(waba_id=WABA, name="hello", language="en", status=TemplateStatus.APPROVED, synced_at=NOON))
    for number, (word, at) in enumerate([("PAUSED", 1), ("REJECTED", -1), ("APPROVED", 2)]):
        piece = TemplatePiece(f"tpl:{number}", WABA, "hello", "en", TemplateStatus(word), later(hours=at))
        unknown = TemplatePiece(f"no:{number}", WABA, "other", "en", TemplateStatus(word), None)
        pieces = WhatsAppPieces(templates=(piece, unknown))
        await ingest_whatsapp(world.database, delivery(world, f"k{number}"), pieces)
        [row] = await world.rows(Template)
        assert row.status == ("PAUSED" if word == "REJECTED" else word)
    assert [intent.broadcast_key for intent in await world.rows(SignalIntent)] == [f"template:{WABA}:hello:en"]


async def test_the_same_request_at_the_same_time_is_applied_once(world: World) -> None:
    """Several deliveries of one request race, one wins, and all of them succeed."""
    enrollment = await world.enroll(await world.customer())
    await asyncio.gather(*(hear(world, "same", message(world, "1")) for _ in range(8)))
    assert len(await world.rows(WebhookUpdate)) == 1
    assert await world.intents() == [(enrollment, "customer_replied")]


async def test_a_piece_in_several_requests_at_once_is_applied_once(world: World) -> None:
    """Batches that overlap, in opposite orders and with strangers in them, neither deadlock nor count twice."""
    phones = [f"+4477009{number:05}" for number in range(12)]
    pieces = [message(world, phone, phone=phone) for phone in phones]
    batches = [pieces, pieces[::-1], pieces[3:], pieces[:9][::-1]]
    await asyncio.gather(*(hear(world, f"b{number}", *batch) for number, batch in enumerate(batches)))
    assert len(await world.rows(Customer)) == len(phones)
    assert len(await world.events()) == len(phones)


async def test_no_claim_commits_after_an_exit_event(world: World) -> None:
    """A claim that races a reply commits before the reply's event or not at all (promise 2)."""
    customers = [await world.customer(f"+4477009{number:05}") for number in range(12)]
    enrollments = [await world.enroll(customer) for customer in customers]

    async def try_to_claim(enrollment_id: str, customer_id: int) -> bool:
        async with world.database.write() as session:
            await lock_customer(session, customer_id)
            facts = await enrollment_facts(session, enrollment_id)
            await asyncio.sleep(0)
            if await first_exit_event(session, facts.enrollment) is not None:
                return False
            # Slow on purpose: whoever reads without the lock gets in between.
            await asyncio.sleep(0.01)
            send = await ensure_send(session, facts, 0, 0)
            assert await claim(session, send, number_id=world.number_id, used_template=True, now=world.now)
            known = await first_exit_event(session, facts.enrollment)
            assert known is None, "the event was committed while the claim was open"
            return True

    async def claims() -> list[bool]:
        return [await try_to_claim(one, customer) for one, customer in zip(enrollments, customers, strict=True)]

    async def replies() -> list[bool]:
        refused = []
        for number, customer in enumerate(customers):
            await hear(world, f"r{number}", message(world, f"r{number}", phone=f"+4477009{number:05}"))
            # From here on the event is committed, so nobody may claim any more.
            before = len([send for send in await world.rows(Send) if send.customer_id == customer])
            refused.append(await try_to_claim(enrollments[number], customer) if not before else False)
        return refused

    claimed, after_the_event = await asyncio.gather(claims(), replies())
    assert not any(after_the_event)
    assert len(await world.rows(SendAttempt)) == sum(claimed)
    assert len(await world.events()) == len(customers)


async def test_an_event_waits_for_the_claim_that_is_open(world: World) -> None:
    """While a claim's transaction holds the customer, no event of theirs commits, whatever kind it is."""
    customer = await world.customer()
    enrollment = await world.enroll(customer)
    attempt = await world.claim(enrollment, state=SendState.ACCEPTED)
    # An undeliverable number changes nothing in the customer's row: only the lock orders it.
    status = StatusPiece("st:1", world.number_id, "wamid.1", Report.FAILED, NOON, attempt, 131026)
    async with world.database.write() as session:
        await lock_customer(session, customer)
        event = asyncio.create_task(
            ingest_whatsapp(world.database, delivery(world, "a"), WhatsAppPieces(statuses=(status,)))
        )
        await asyncio.wait({event}, timeout=0.3)
        assert await world.events() == []
        facts = await enrollment_facts(session, enrollment)
        send = await ensure_send(session, facts, 1, 0)
        assert await claim(session, send, number_id=world.number_id, used_template=True, now=NOON)
    assert (await event).applied == 1
    assert await world.events() == [("stop", "undeliverable")]


async def test_orders_of_one_customer_at_once_are_all_counted(world: World) -> None:
    """Ten orders of an unknown customer make one customer and ten orders."""

    def order(number: int) -> OrderPiece:
        facts = OrderFacts(str(number), later(minutes=number), later(minutes=number), Money(100, "USD"))
        return OrderPiece(Shopper(world.store_id, "77", PHONE), facts)

    await asyncio.gather(
        *(
            ingest_shopify(
                world.database,
                Delivery("shopify", "orders/create", f"o{number}", "{}", NOON, world.store_id),
                order(number),
            )
            for number in range(10)
        )
    )
    [customer] = await world.rows(Customer)
    assert (customer.external_id, customer.last_order_external_id) == ("77", "9")
    assert len(await world.events()) == 10


async def test_an_event_for_an_enrollment_that_is_starting_has_an_intent(world: World) -> None:
    """The journey has no workflow yet, but what happens to its customer is already for it; control hears nothing."""
    starting = await world.enroll(await world.customer(), state=EnrollmentState.STARTING)
    await world.enroll(await world.customer("+447700900124"), state=EnrollmentState.CONTROL)
    await hear(world, "a", message(world, "1"), message(world, "2", phone="+447700900124"))
    assert await world.intents() == [(starting, "customer_replied")]
