"""Messages of which nobody knows: what a late status or a person's word makes of them, and what they count as."""

from datetime import datetime

import pytest

from models.enums import AttemptStatus, CreditState, EnrollmentState, SendState
from models.money import Money
from models.tables import CreditEntry, Enrollment, Order, Send, SendAttempt, Store
from storage.considered import considered
from storage.credits import open_ledger, reserve_message
from storage.customers import lock_customer
from storage.ingest import Delivery
from storage.ingest_shopify import ingest_shopify
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.orders import OrderFacts
from storage.publishing import publish
from storage.sends import claim, is_over, record_accepted, record_failed, record_unknown
from storage.settling import (
    ListedSend,
    NotOpenError,
    UnknownSendError,
    count_parked,
    list_sends,
    park_open_sends,
    settle_by_staff,
)
from storage.shop_pieces import OrderPiece
from storage.shoppers import Shopper
from storage.stages import locked_stage
from storage.statuses import Report, StatusPiece
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, World, later

PARKED_AT = later(minutes=10)


async def report(
    world: World, attempt: str, what: Report, *, at: datetime = NOON, wamid: str = "wamid.1", code: int | None = None
) -> None:
    """A status with our id."""
    world._made += 1
    piece = StatusPiece(f"st:{attempt}:{what}", world.number_id, wamid, what, at, attempt, code)
    delivery = Delivery("whatsapp", "whatsapp", f"key-{world._made}", "{}", world.now, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=(piece,)))


async def parked(world: World, phone: str = "+447700900123") -> tuple[str, str]:
    """An enrollment whose first message was given up after ten minutes, and the attempt's id."""
    enrollment = await world.enroll(await world.customer(phone, external_id=phone))
    attempt = await world.claim(enrollment)
    async with world.database.write() as session:
        await park_open_sends(session, enrollment, now=PARKED_AT)
    return enrollment, attempt


async def may_claim(world: World, attempt: str) -> bool:
    """Whether a further attempt could be made."""
    async with world.database.write() as session:
        row = await session.get_one(SendAttempt, attempt)
        send = await session.get_one(Send, row.send_id)
        await lock_customer(session, send.customer_id)
        return await claim(session, send, number_id=world.number_id, used_template=True, now=NOON) is not None


async def say(world: World, name: str, *, sent: bool, at: datetime = NOON) -> ListedSend:
    """A person's word."""
    async with world.database.write() as session:
        return await settle_by_staff(session, world.store_id, name, sent=sent, by="ada", now=at)


@pytest.mark.parametrize("what", [Report.SENT, Report.DELIVERED, Report.READ])
async def test_a_late_status_settles_a_parked_message_as_sent(world: World, what: Report) -> None:
    """It was accepted then and received then; the stage stays over since the parking, and nobody waits to be told."""
    _, attempt = await parked(world)
    await report(world, attempt, what, at=later(seconds=30))
    row, send = await world.attempt(attempt)
    assert (row.status, row.accepted_at, row.wamid) == (AttemptStatus(what), later(seconds=30), "wamid.1")
    assert (send.state, send.settled_at) == (SendState.ACCEPTED, PARKED_AT)
    assert send.received_at == (None if what is Report.SENT else later(seconds=30))
    assert await world.intents() == []
    assert not await may_claim(world, attempt)


async def test_a_late_failure_of_a_parked_message_is_final(world: World) -> None:
    """It was not sent, and its stage is over all the same: nobody may claim it; should it arrive, it was sent."""
    _, attempt = await parked(world)
    await report(world, attempt, Report.FAILED, code=131000)
    row, send = await world.attempt(attempt)
    assert (row.status, send.state, send.settled_at) == (AttemptStatus.FAILED, SendState.FAILED, PARKED_AT)
    assert is_over(send)
    assert not await may_claim(world, attempt)
    await report(world, attempt, Report.DELIVERED, at=later(hours=1))
    _, send = await world.attempt(attempt)
    assert (send.state, send.received_at) == (SendState.ACCEPTED, later(hours=1))


@pytest.mark.parametrize("what", [Report.SENT, Report.READ])
async def test_a_refused_message_that_is_reported_was_sent(world: World, what: Report) -> None:
    """A server's fault was answered and the message went all the same: its status keeps a further attempt away."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment)
    async with world.database.write() as session:
        row = await session.get_one(SendAttempt, attempt)
        record_failed(await session.get_one(Send, row.send_id), row, code=131000, now=NOON)
    await report(world, attempt, what, at=later(seconds=2))
    row, send = await world.attempt(attempt)
    assert (row.status, row.failed_at, row.error_code) == (AttemptStatus(what), None, None)
    assert send.state is SendState.ACCEPTED
    assert not await may_claim(world, attempt)


async def test_a_refused_message_that_is_reported_as_failed_may_be_tried_again(world: World) -> None:
    """It was taken after all and then failed: it is still not sent, with the newer reason."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment)
    async with world.database.write() as session:
        row = await session.get_one(SendAttempt, attempt)
        record_failed(await session.get_one(Send, row.send_id), row, code=131000, now=NOON)
    await report(world, attempt, Report.FAILED, code=131016)
    row, _ = await world.attempt(attempt)
    assert (row.status, row.error_code) == (AttemptStatus.FAILED, 131016)
    assert await may_claim(world, attempt)


@pytest.mark.parametrize("said", [None, True])
@pytest.mark.parametrize("sent_only", [True, False])
async def test_an_order_belongs_to_a_parked_message_that_was_sent_after_all(
    world: World, *, said: bool | None, sent_only: bool
) -> None:
    """Nobody knows, so no order is its; a status or a person says that it went, and the order within its days is."""
    enrollment, attempt = await parked(world)
    shopper = Shopper(world.store_id, "+447700900123")
    order = OrderPiece(shopper, OrderFacts("1001", later(hours=2), later(hours=2), Money(2500, "USD")))
    delivery = Delivery("shopify", "orders/create", "w", "{}", later(hours=2), world.store_id)
    await ingest_shopify(world.database, delivery, order)
    assert [row.attributed_enrollment_id for row in await world.rows(Order)] == [None]
    if said is None:
        await report(world, attempt, Report.SENT if sent_only else Report.READ, at=later(minutes=1))
    else:
        await say(world, attempt, sent=said)
    assert [row.attributed_enrollment_id for row in await world.rows(Order)] == [enrollment]


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (SendState.PARKED, True),
        (SendState.UNKNOWN, True),
        (SendState.IN_FLIGHT, True),
        (SendState.ACCEPTED, True),
        (SendState.FAILED, False),
        (SendState.SKIPPED, False),
    ],
)
async def test_what_may_have_been_sent_counts_for_smart_sending(
    world: World, state: SendState, *, counts: bool
) -> None:
    """At entry and at each stage of another journey; what was not sent does not count."""
    customer = await world.customer()
    enrollment = await world.enroll(customer)
    attempt = await world.claim(enrollment, state=state)
    async with world.database.write() as session:
        other, _ = await publish(
            session, world.store_id, DEFINITION.model_copy(update={"name": "another"}), now=world.now
        )
        (await session.get_one(Enrollment, enrollment)).state = EnrollmentState.CLOSED
        # This journey's own messages never count.
        (await session.get_one(Send, (await world.attempt(attempt))[1].id)).journey_id = required_id(other.id)
    second = await world.enroll(customer)
    async with world.database.write() as session:
        scene = await locked_stage(session, second, 0, 0)
        journey_id = required_id(scene.enrollment.journey.id)
        [person] = await considered(session, journey_id, [customer], suppression_key=b"k" * 32, now=NOON)
    assert scene.other_marketing_at == (NOON if counts else None)
    assert person.candidate.last_marketing_at == (NOON if counts else None)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("by_attempt", [True, False])
async def test_a_persons_word_wakes_the_journey_that_waits(world: World, *, sent: bool, by_attempt: bool) -> None:
    """An unknown message counts as what they say, with who and when; only "not sent" allows a further attempt."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment, state=SendState.UNKNOWN)
    _, send = await world.attempt(attempt)
    await say(world, attempt if by_attempt else str(send.id), sent=sent, at=later(minutes=3))
    row, send = await world.attempt(attempt)
    assert (row.settled_by, row.settled_by_at) == ("ada", later(minutes=3))
    assert row.status is (AttemptStatus.ACCEPTED if sent else AttemptStatus.FAILED)
    assert send.state is (SendState.ACCEPTED if sent else SendState.FAILED)
    assert send.settled_at == (NOON if sent else None)
    assert await world.intents() == [(enrollment, "attempt_settled")]
    assert await may_claim(world, attempt) is not sent


@pytest.mark.parametrize("sent", [True, False])
async def test_a_persons_word_about_a_parked_message_wakes_nobody(world: World, *, sent: bool) -> None:
    """The stage is over: the record is set right, and nothing follows from it."""
    _, attempt = await parked(world)
    await say(world, attempt, sent=sent, at=later(hours=3))
    _, send = await world.attempt(attempt)
    assert (send.state, send.settled_at) == (SendState.ACCEPTED if sent else SendState.FAILED, PARKED_AT)
    assert await world.intents() == []
    assert not await may_claim(world, attempt)


async def test_whatsapps_word_stands_above_a_persons(world: World) -> None:
    """A status takes a "not sent" back, a failure a "sent"; and what has gone is never posted again."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment, state=SendState.UNKNOWN)
    await say(world, attempt, sent=False)
    await report(world, attempt, Report.SENT, at=later(minutes=1))
    row, send = await world.attempt(attempt)
    assert (row.status, send.state, row.settled_by) == (AttemptStatus.SENT, SendState.ACCEPTED, "ada")
    assert not await may_claim(world, attempt)
    _, other = await parked(world, "+447700900124")
    await say(world, other, sent=True)
    await report(world, other, Report.FAILED, wamid="wamid.2", code=131026)
    assert (await world.attempt(other))[0].status is AttemptStatus.FAILED


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (SendState.IN_FLIGHT, "on its way"),
        (SendState.ACCEPTED, "WhatsApp has taken it"),
        (SendState.FAILED, "was not sent"),
        (SendState.SKIPPED, "passed over"),
    ],
)
async def test_what_is_known_is_no_matter_of_opinion(world: World, state: SendState, why: str) -> None:
    """Only an unknown or parked message can be settled, and the refusal says what is known of this one."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment, state=state)
    for sent in (True, False):
        with pytest.raises(NotOpenError, match=why):
            await say(world, attempt, sent=sent)
    assert (await world.attempt(attempt))[0].settled_by is None


async def test_a_message_is_settled_once_and_under_its_newest_attempt(world: World) -> None:
    """A second word is refused with the first one's author, an older attempt's id with the newer one's."""
    enrollment = await world.enroll(await world.customer())
    first = await world.claim(enrollment, state=SendState.FAILED)
    second = await world.claim(enrollment, state=SendState.UNKNOWN)
    with pytest.raises(NotOpenError, match=second):
        await say(world, first, sent=True)
    await say(world, second, sent=True)
    with pytest.raises(NotOpenError, match="ada said so"):
        await say(world, second, sent=False)
    for stranger in ("999999", "enr-9:1:1:1", "99999999999999999999999"):
        with pytest.raises(UnknownSendError):
            await say(world, stranger, sent=True)
    with pytest.raises(UnknownSendError):
        async with world.database.write() as session:
            await settle_by_staff(session, world.store_id + 1, second, sent=True, by="ada", now=NOON)


@pytest.mark.parametrize("sent", [True, False])
async def test_credits_follow_the_word(world: World, *, sent: bool) -> None:
    """What was reserved for a parked message is charged once somebody says that it went, else given back."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment)
    async with world.database.write() as session:
        store = await open_ledger(session, world.store_id, 5, now=NOON)
        send = await session.get_one(Send, (await world.attempt(attempt))[1].id)
        assert await reserve_message(session, store, send, now=NOON)
    async with world.database.write() as session:
        await park_open_sends(session, enrollment, now=PARKED_AT)
    await say(world, attempt, sent=sent)
    store = await world.one(Store, world.store_id)
    line = (await world.rows(CreditEntry))[-1]
    assert (store.credits, line.state) == ((4, CreditState.SETTLED) if sent else (5, CreditState.RELEASED))


async def test_an_ended_journey_leaves_nothing_open(world: World) -> None:
    """What was on its way when it ended is parked; what is settled, or of another customer, is not touched."""
    enrollment = await world.enroll(await world.customer())
    attempts = [
        await world.claim(enrollment, stage, state=state)
        for stage, state in enumerate((SendState.ACCEPTED, SendState.UNKNOWN, SendState.IN_FLIGHT))
    ]
    other = await world.claim(await world.enroll(await world.customer("+447700900124")))
    async with world.database.write() as session:
        await park_open_sends(session, enrollment, now=PARKED_AT)
    found = [(await world.attempt(one))[1].state for one in (*attempts, other)]
    assert found == [SendState.ACCEPTED, SendState.PARKED, SendState.PARKED, SendState.IN_FLIGHT]
    async with world.database.read() as session:
        assert await count_parked(session, world.store_id) == 2
        assert await count_parked(session, world.store_id + 1) == 0


async def test_messages_are_listed_by_state_journey_and_time(world: World) -> None:
    """Those of which nobody knows unless told otherwise, in pages, and by when they were last tried."""
    enrollments = [await world.enroll(await world.customer(f"+4477009001{one:02d}")) for one in range(4)]
    states = (SendState.PARKED, SendState.UNKNOWN, SendState.FAILED, SendState.PARKED)
    for hour, (enrollment, state) in enumerate(zip(enrollments, states, strict=True)):
        world.now = later(hours=hour)
        await world.claim(enrollment, state=state)

    async def listed(**options: object) -> list[str]:
        async with world.database.read() as session:
            rows = await list_sends(session, world.store_id, **options)  # type: ignore[arg-type]
        return [one.send.enrollment_id for one in rows]

    first, second, third, last = enrollments
    assert await listed() == [first, second, last]
    assert await listed(states=[SendState.FAILED]) == [third]
    assert await listed(limit=1) == [first]
    assert await listed(after=1) == [second, last]
    assert await listed(since=later(hours=1), until=later(hours=3)) == [second]
    assert await listed(journey_id=999) == []


@pytest.mark.parametrize("record", ["taken", "refused", "unknown"])
async def test_the_record_of_an_older_attempt_says_nothing_of_the_newer_one(world: World, record: str) -> None:
    """Its failure was told by a status, another attempt is on its way, and then its own worker comes back."""
    enrollment = await world.enroll(await world.customer())
    first = await world.claim(enrollment)
    await report(world, first, Report.FAILED, code=131000)
    second = await world.claim(enrollment)
    await _record(world, first, record)
    assert (await world.attempt(first))[0].status is AttemptStatus.FAILED
    row, send = await world.attempt(second)
    assert (row.status, send.state, send.settled_at) == (AttemptStatus.CLAIMED, SendState.IN_FLIGHT, None)


@pytest.mark.parametrize("record", ["refused", "unknown"])
async def test_what_a_status_has_told_is_known_better_than_the_answer(world: World, record: str) -> None:
    """The message was reported as sent before its worker had a refusal, or nothing at all."""
    enrollment = await world.enroll(await world.customer())
    attempt = await world.claim(enrollment)
    await report(world, attempt, Report.SENT)
    await _record(world, attempt, record)
    row, send = await world.attempt(attempt)
    assert (row.status, row.failed_at, send.state) == (AttemptStatus.SENT, None, SendState.ACCEPTED)


async def _record(world: World, attempt: str, what: str) -> None:
    """What an attempt's worker writes down."""
    async with world.database.write() as session:
        row = await session.get_one(SendAttempt, attempt)
        send = await session.get_one(Send, row.send_id)
        match what:
            case "taken":
                record_accepted(send, row, wamid="wamid.1", held=False, now=NOON)
            case "refused":
                record_failed(send, row, code=131026, now=NOON)
            case _:
                record_unknown(send, row)
