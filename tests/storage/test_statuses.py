import asyncio
import itertools
from dataclasses import replace
from datetime import datetime

import pytest

from models.enums import AttemptStatus, SendState
from models.money import Money
from models.tables import Customer, Order, Send, SendAttempt, SignalIntent, UnmatchedStatus
from storage.customers import lock_customer
from storage.ingest import Delivery
from storage.ingest_shopify import ingest_shopify
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.orders import OrderFacts
from storage.sends import record_accepted
from storage.shop_pieces import OrderPiece
from storage.shoppers import Shopper
from storage.status_matching import apply_kept_statuses
from storage.statuses import Report, StatusPiece
from storage.stores import number_of, required_id
from tests.worlds import NOON, World, later


def piece(
    world: World,
    report: Report,
    *,
    attempt: str | None = None,
    wamid: str = "wamid.1",
    at: datetime = NOON,
    code: int | None = None,
) -> StatusPiece:
    """A status as the gateway hands it in."""
    return StatusPiece(f"st:{wamid}:{report}", world.number_id, wamid, report, at, attempt, code)


async def take(world: World, *statuses: StatusPiece) -> int:
    """One request with these statuses; how many pieces were new."""
    world._made += 1
    delivery = Delivery("whatsapp", "whatsapp", f"key-{world._made}", "{}", world.now, world.store_id)
    return (await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=statuses))).applied


async def claimed(world: World, *, state: SendState | None = None) -> tuple[str, str]:
    """An enrollment with a claimed attempt."""
    enrollment = await world.enroll(await world.customer())
    return enrollment, await world.claim(enrollment, state=state)


ALL = (Report.SENT, Report.DELIVERED, Report.READ)


@pytest.mark.parametrize("order", list(itertools.permutations(ALL)), ids="-".join)
async def test_statuses_merge_to_the_same_in_any_order(world: World, order: tuple[Report, ...]) -> None:
    """Sent, delivered and read end as read with all three times, however they come, alone or together."""
    _, attempt = await claimed(world)
    times = dict(zip(ALL, (later(seconds=1), later(seconds=2), later(seconds=3)), strict=True))
    pieces = [piece(world, report, attempt=attempt, at=times[report]) for report in order]
    assert await take(world, pieces[0]) == 1
    assert await take(world, *pieces[1:]) == 2
    row, send = await world.attempt(attempt)
    assert (row.status, row.wamid) == (AttemptStatus.READ, "wamid.1")
    assert (row.sent_at, row.delivered_at, row.read_at) == tuple(times.values())
    assert (send.state, send.received_at) == (SendState.ACCEPTED, later(seconds=2))


async def test_a_status_is_applied_once_in_whatever_batch_it_comes(world: World) -> None:
    """The same status in another request, or twice in one, changes nothing more."""
    _, attempt = await claimed(world)
    first = piece(world, Report.DELIVERED, attempt=attempt)
    assert await take(world, first, first) == 1
    assert await take(world, first, piece(world, Report.READ, attempt=attempt, at=later(hours=1))) == 1
    assert (await world.attempt(attempt))[0].delivered_at == NOON


async def test_a_failure_stands_unless_the_message_arrives_after_all(world: World) -> None:
    """Failed beats sent, a late sent does not revive it, a late delivered does, and a failure after that is no news."""
    _, attempt = await claimed(world)
    for report, expected in (
        (Report.FAILED, AttemptStatus.FAILED),
        (Report.SENT, AttemptStatus.FAILED),
        (Report.DELIVERED, AttemptStatus.DELIVERED),
    ):
        await take(world, piece(world, report, attempt=attempt, code=131000 if report is Report.FAILED else None))
        assert (await world.attempt(attempt))[0].status is expected
    assert (await world.attempt(attempt))[1].state is SendState.ACCEPTED
    other = await world.claim((await world.attempt(attempt))[1].enrollment_id, stage=1)
    await take(world, piece(world, Report.READ, attempt=other, wamid="wamid.2"))
    await take(world, piece(world, Report.FAILED, attempt=other, wamid="wamid.2", code=131026))
    assert (await world.attempt(other))[0].status is AttemptStatus.READ
    assert await world.events() == []


@pytest.mark.parametrize(
    ("report", "state"),
    [(Report.SENT, SendState.ACCEPTED), (Report.READ, SendState.ACCEPTED), (Report.FAILED, SendState.FAILED)],
)
async def test_a_status_settles_a_send_whose_outcome_is_unknown(world: World, report: Report, state: SendState) -> None:
    """The first status of an unknown send decides it and tells the waiting journey, once."""
    enrollment, attempt = await claimed(world, state=SendState.UNKNOWN)
    await take(world, piece(world, report, attempt=attempt, at=later(minutes=1), code=131000))
    assert (await world.attempt(attempt))[1].state is state
    await take(world, piece(world, Report.DELIVERED, attempt=attempt, at=later(minutes=2)))
    assert (await world.attempt(attempt))[1].state is SendState.ACCEPTED
    [intent] = await world.rows(SignalIntent)
    assert (intent.enrollment_id, intent.signal) == (enrollment, "attempt_settled")
    assert intent.payload == {"attempt_id": attempt}


async def test_a_status_settles_a_send_in_flight_without_a_signal(world: World) -> None:
    """Faster than our own record it settles the send, but nobody waits for it."""
    _, attempt = await claimed(world)
    await take(world, piece(world, Report.FAILED, attempt=attempt, code=131000))
    assert (await world.attempt(attempt))[1].state is SendState.FAILED
    assert await world.intents() == []


async def test_a_failure_after_acceptance_leaves_the_stage_over(world: World) -> None:
    """A message that Meta took and then dropped fails its attempt; the stage is not sent again."""
    _, attempt = await claimed(world, state=SendState.ACCEPTED)
    await take(world, piece(world, Report.FAILED, attempt=attempt, code=131049))
    row, send = await world.attempt(attempt)
    assert (row.status, row.error_code, send.state) == (AttemptStatus.FAILED, 131049, SendState.ACCEPTED)
    assert await world.events() == []


async def test_a_failure_of_an_older_attempt_leaves_the_newer_one_alone(world: World) -> None:
    """While a further attempt is in flight, the first one's failure must not make the send claimable."""
    enrollment, first = await claimed(world, state=SendState.FAILED)
    second = await world.claim(enrollment)
    await take(world, piece(world, Report.FAILED, attempt=first, code=131000))
    assert (await world.attempt(second))[1].state is SendState.IN_FLIGHT


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (131050, ("unsubscribed", "unsubscribed")),
        (131026, ("stop", "undeliverable")),
        (132015, None),
        (131042, None),
        (None, None),
    ],
)
async def test_what_a_failure_means_for_the_person(
    world: World, code: int | None, event: tuple[str, str] | None
) -> None:
    """A refusal by the person is an opt-out, an unreachable number ends the journey, the rest is recorded only."""
    enrollment, attempt = await claimed(world, state=SendState.ACCEPTED)
    await take(world, piece(world, Report.FAILED, attempt=attempt, code=code))
    assert await world.events() == ([event] if event else [])
    assert await world.intents() == ([(enrollment, event[0])] if event else [])
    [customer] = await world.rows(Customer)
    assert (customer.opted_out_at is not None) is (code == 131050)


async def test_a_status_before_our_own_record_is_kept_and_applied(world: World) -> None:
    """A status without callback data waits for the message's id and is then as good as any other."""
    _, attempt = await claimed(world)
    await take(world, piece(world, Report.READ, at=later(seconds=5)))
    assert len(await world.rows(UnmatchedStatus)) == 1
    async with world.database.write() as session:
        [customer] = await world.rows(Customer)
        await lock_customer(session, customer.id)
        row = await session.get_one(SendAttempt, attempt)
        send = await session.get_one(Send, row.send_id)
        record_accepted(send, row, wamid="wamid.1", held=False, now=NOON)
        await apply_kept_statuses(session, row, now=NOON)
    row, send = await world.attempt(attempt)
    assert (row.status, send.received_at, send.state) == (AttemptStatus.READ, later(seconds=5), SendState.ACCEPTED)
    assert await world.rows(UnmatchedStatus) == []


async def test_a_status_that_races_our_own_record_is_not_lost(world: World) -> None:
    """A status that looks for its message while the message's id is being stored is applied, not kept for ever."""
    _, attempt = await claimed(world)
    async with world.database.write() as session:
        [customer] = await world.rows(Customer)
        await lock_customer(session, customer.id)
        row = await session.get_one(SendAttempt, attempt)
        send = await session.get_one(Send, row.send_id)
        record_accepted(send, row, wamid="wamid.1", held=False, now=NOON)
        await apply_kept_statuses(session, row, now=NOON)
        racing = asyncio.create_task(take(world, piece(world, Report.READ)))
        # Long enough to come to its look if nothing made it wait; the outcome must be the same either way.
        await asyncio.wait({racing}, timeout=0.3)
    assert await racing == 1
    assert (await world.attempt(attempt))[0].status is AttemptStatus.READ
    assert await world.rows(UnmatchedStatus) == []


async def test_statuses_of_one_message_at_once_do_not_undo_each_other(world: World) -> None:
    """A delivered that comes while a read is being written waits for it, and does not take it back."""
    _, attempt = await claimed(world)
    async with world.database.write() as session:
        [customer] = await world.rows(Customer)
        await lock_customer(session, customer.id)
        (await session.get_one(SendAttempt, attempt)).status = AttemptStatus.READ
        await session.flush()
        racing = asyncio.create_task(take(world, piece(world, Report.DELIVERED, attempt=attempt)))
        await asyncio.wait({racing}, timeout=0.3)
    assert await racing == 1
    assert (await world.attempt(attempt))[0].status is AttemptStatus.READ


async def test_a_message_id_learnt_from_a_status_takes_what_was_kept(world: World) -> None:
    """Callback data tells the id before our own record does, and the statuses that waited for it are applied."""
    _, attempt = await claimed(world)
    await take(world, piece(world, Report.READ, at=later(seconds=5)))
    await take(world, piece(world, Report.SENT, attempt=attempt))
    row, _ = await world.attempt(attempt)
    assert (row.status, row.sent_at, row.read_at) == (AttemptStatus.READ, NOON, later(seconds=5))
    assert await world.rows(UnmatchedStatus) == []


@pytest.mark.parametrize("learnt", [False, True])
async def test_a_status_of_another_number_is_not_taken_for_ours(world: World, *, learnt: bool) -> None:
    """Who may speak for another store's number plants no status under our message's id; old rows know no number."""
    await world.add_store("second", phone_number_id="900000000000002", shop_domain="second.myshopify.com")
    async with world.database.read() as session:
        other = await number_of(session, "900000000000002")
    assert other is not None
    _, attempt = await claimed(world)
    planted = replace(piece(world, Report.FAILED, code=131050), number_id=required_id(other.id))
    await take(world, planted)
    async with world.database.write() as session:
        session.add(UnmatchedStatus(wamid="wamid.1", status="sent", at=NOON))
    if learnt:
        await take(world, piece(world, Report.DELIVERED, attempt=attempt))
    else:
        async with world.database.write() as session:
            [customer] = await world.rows(Customer)
            await lock_customer(session, customer.id)
            row = await session.get_one(SendAttempt, attempt)
            record_accepted(await session.get_one(Send, row.send_id), row, wamid="wamid.1", held=False, now=NOON)
            await apply_kept_statuses(session, row, now=NOON)
    row, _ = await world.attempt(attempt)
    assert (row.failed_at, row.sent_at) == (None, NOON)
    [left] = await world.rows(UnmatchedStatus)
    assert (left.number_id, left.status) == (other.id, "failed")
    [customer] = await world.rows(Customer)
    assert customer.opted_out_at is None


async def test_a_late_receipt_attributes_the_order(world: World) -> None:
    """An order within the window of a receipt that is reported later belongs to the journey."""
    customer = await world.customer(external_id="77")
    enrollment = await world.enroll(customer)
    attempt = await world.claim(enrollment)
    facts = OrderFacts("1001", later(hours=2), later(hours=2), Money(2500, "USD"))
    order = OrderPiece(Shopper(world.store_id, "77"), facts)
    delivery = Delivery("shopify", "orders/create", "w", "{}", later(hours=2), world.store_id)
    await ingest_shopify(world.database, delivery, order)
    assert [row.attributed_enrollment_id for row in await world.rows(Order)] == [None]
    await take(world, piece(world, Report.DELIVERED, attempt=attempt, at=later(hours=1)))
    assert [row.attributed_enrollment_id for row in await world.rows(Order)] == [enrollment]


@pytest.mark.parametrize("turned", [False, True])
async def test_a_message_that_arrived_has_not_failed(world: World, *, turned: bool) -> None:
    """Whichever is reported first no failure is left, but that the person stopped us is heard all the same."""
    _, attempt = await claimed(world, state=SendState.ACCEPTED)
    reports = [piece(world, Report.FAILED, attempt=attempt, code=131050), piece(world, Report.READ, attempt=attempt)]
    for one in reversed(reports) if turned else reports:
        await take(world, one)
    row, _ = await world.attempt(attempt)
    assert (row.status, row.failed_at, row.error_code) == (AttemptStatus.READ, None, None)
    [customer] = await world.rows(Customer)
    assert customer.opted_out_at == NOON
