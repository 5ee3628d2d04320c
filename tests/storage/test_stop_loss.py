"""The stop-loss where failures and opt-outs are recorded, on both databases."""

import asyncio
from datetime import timedelta

import pytest

from models.enums import AttemptStatus, EnrollmentState, JourneyState, PauseCause, SendState
from models.tables import Customer, Enrollment, Journey, JourneyPause, Send, SendAttempt, StoreEvent
from policies.opt_out import OptOutSource
from storage.customers import lock_customer
from storage.engine import Database
from storage.opt_outs import note_stop
from storage.pausing import pause_by_itself, resume, resume_by_itself
from storage.publishing import publish
from storage.status_matching import apply, match
from storage.statuses import Report, StatusPiece
from storage.stop_loss import check_loss, loss_since
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, World, later


async def history(world: World, well: int, failed: int) -> list[int]:
    """An active journey with so many messages; the ids of those that went well, oldest first."""
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, DEFINITION, now=NOON)
        journey.state = JourneyState.ACTIVE
        people = [Customer(store_id=world.store_id) for _ in range(well + failed)]
        session.add_all(people)
        await session.flush()
        for number, person in enumerate(people):
            customer_id = required_id(person.id)
            lost = number >= well
            enrollment = Enrollment(
                id=f"enr-h{customer_id}",
                store_id=world.store_id,
                journey_id=required_id(journey.id),
                version_id=required_id(version.id),
                customer_id=customer_id,
                entry_key=f"h{customer_id}",
                priority=50,
                state=EnrollmentState.WATCHING,
                selected_at=NOON,
                entered_at=NOON,
            )
            session.add(enrollment)
            await session.flush()
            send = Send(
                store_id=world.store_id,
                journey_id=required_id(journey.id),
                enrollment_id=enrollment.id,
                customer_id=customer_id,
                stage=0,
                state=SendState.FAILED if lost else SendState.ACCEPTED,
                attempt=1,
                settled_at=None if lost else NOON,
            )
            session.add(send)
            await session.flush()
            session.add(
                SendAttempt(
                    id=f"{enrollment.id}:1:1:1",
                    send_id=required_id(send.id),
                    number_id=world.number_id,
                    number=1,
                    wamid=f"wamid.{customer_id}",
                    status=AttemptStatus.FAILED if lost else AttemptStatus.SENT,
                    error_code=131026 if lost else None,
                    claimed_at=NOON,
                )
            )
    return [required_id(person.id) for person in people[:well]]


async def fails(world: World, customer_id: int, *, code: int = 131026) -> None:
    """WhatsApp tells that a message has not arrived after all."""
    piece = StatusPiece(
        dedupe_key=f"s{customer_id}",
        number_id=world.number_id,
        wamid=f"wamid.{customer_id}",
        report=Report.FAILED,
        at=later(minutes=1),
        error_code=code,
    )
    async with world.database.write() as session:
        matched = await match(session, [piece])
        customer = await lock_customer(session, customer_id)
        await apply(session, matched, {customer_id: customer}, received_at=later(minutes=1))


async def stops(world: World, customer_id: int, *, after: timedelta) -> None:
    """The customer writes STOP."""
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await note_stop(session, customer, source=OptOutSource.STOP_WORD, at=NOON + after, now=NOON + after)


async def state(world: World) -> tuple[JourneyState, str | None]:
    """Where the journey stands and why."""
    journey = await world.one(Journey, 1)
    return journey.state, journey.state_reason


async def test_the_failure_that_is_one_too_many_pauses_the_journey(world: World) -> None:
    """Four of forty are ten percent; the fifth pauses it, once, with its figures, and tells its people."""
    people = await history(world, 36, 4)
    async with world.database.write() as session:
        assert not await check_loss(session, 1, now=NOON)
    await fails(world, people[0])
    words = "stop_loss: 5 of 40 (5 failed, 0 opted out; the limit is 10%)"
    assert await state(world) == (JourneyState.PAUSED, words)
    await fails(world, people[1])
    assert await state(world) == (JourneyState.PAUSED, words)
    (event,) = await world.rows(StoreEvent)
    assert (event.detail["cause"], event.detail["failed"], event.detail["of"]) == ("stop_loss", 5, 40)


async def test_an_opt_out_counts_against_the_message_that_led_to_it(world: World) -> None:
    """Within three days of the customer's latest message it is that message's, once however often they say it."""
    people = await history(world, 36, 4)
    for _ in range(2):
        await stops(world, people[0], after=timedelta(hours=71))
    assert (await state(world))[0] is JourneyState.PAUSED
    async with world.database.read() as session:
        loss = await loss_since(session, 1, None)
    assert (loss.failed, loss.opted_out, loss.decided) == (4, 1, 40)


async def test_an_opt_out_long_after_counts_only_while_the_passage_runs(world: World) -> None:
    """Four days later it is nobody's where the journey is over for them, and the journey's where it is not."""
    people = await history(world, 36, 4)
    async with world.database.write() as session:
        (await session.get_one(Enrollment, f"enr-h{people[0]}")).state = EnrollmentState.CLOSED
    await stops(world, people[0], after=timedelta(days=4))
    assert (await state(world))[0] is JourneyState.ACTIVE
    await stops(world, people[1], after=timedelta(days=4))
    assert (await state(world))[0] is JourneyState.PAUSED


async def test_only_what_was_tried_since_the_resumption_counts(world: World) -> None:
    """A person has looked and lets it go on: it takes thirty new messages before it can pause itself again."""
    people = await history(world, 36, 4)
    await fails(world, people[0])
    async with world.database.write() as session:
        await resume(session, world.store_id, DEFINITION.name, now=later(hours=1))
    await fails(world, people[1])
    assert (await state(world))[0] is JourneyState.ACTIVE


async def test_a_pause_that_mends_itself_forgets_no_losses(world: World) -> None:
    """Nobody has looked at them: a shop that comes and goes must not keep the journey from ever being paused."""
    people = await history(world, 36, 4)
    async with world.database.write() as session:
        await pause_by_itself(session, world.store_id, PauseCause.SHOP_DISCONNECTED, now=NOON)
    async with world.database.write() as session:
        assert await resume_by_itself(session, world.store_id, PauseCause.SHOP_DISCONNECTED, now=later(hours=1))
    await fails(world, people[0])
    assert (await state(world))[0] is JourneyState.PAUSED


@pytest.mark.parametrize(("percent", "paused"), [(0, False), (13, False), (100, False), (10, True)])
async def test_the_limit_is_the_newest_versions(world: World, percent: int, *, paused: bool) -> None:
    """A higher limit, or none, lets it go on."""
    people = await history(world, 36, 4)
    rules = DEFINITION.sending.model_copy(update={"stop_loss_percent": percent})
    async with world.database.write() as session:
        await publish(session, world.store_id, DEFINITION.model_copy(update={"sending": rules}), now=NOON)
    await fails(world, people[0])
    assert ((await state(world))[0] is JourneyState.PAUSED) == paused


async def test_two_failures_at_once_pause_once(database: Database, world: World) -> None:
    """Whichever comes second finds it paused."""
    people = await history(world, 36, 4)
    await asyncio.gather(*(fails(world, one) for one in people[:4]))
    assert (await state(world))[0] is JourneyState.PAUSED
    assert database is world.database
    assert [one.cause for one in await world.rows(JourneyPause)] == [PauseCause.STOP_LOSS]
