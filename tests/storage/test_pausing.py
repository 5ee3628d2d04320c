"""Pauses, their causes and what follows them, on both databases."""

import asyncio

import pytest
from sqlmodel import select

from models.enums import EnrollmentState, HoldReason, JourneyState, PauseCause, StoreEventKind
from models.tables import Enrollment, Journey, JourneyPause, SignalIntent, StoreEvent
from storage.engine import Database
from storage.enrollments import enrollment_facts, set_holding, set_waiting
from storage.journeys import journey_of
from storage.pausing import (
    Missed,
    NotPausableError,
    journey_key,
    pause,
    pause_by_itself,
    resume,
    resume_by_itself,
)
from storage.stages import locked_stage
from storage.stopping import close_entry
from tests.worlds import DEFINITION, NOON, World, later, make_world

NAME = DEFINITION.name


async def activate(world: World, state: JourneyState = JourneyState.ACTIVE) -> None:
    """Put the world's journey into a state."""
    async with world.database.write() as session:
        (await session.get_one(Journey, 1)).state = state


async def due(world: World, enrollment_id: str, hours: float) -> None:
    """Let the enrollment's stage come due so long after noon."""
    async with world.database.write() as session:
        enrollment = await session.get_one(Enrollment, enrollment_id)
        set_waiting(enrollment, stage=0, due_at=later(hours=hours), stages=2)


async def missed(world: World, enrollment_id: str) -> bool:
    """Whether the claim would pass the stage over."""
    async with world.database.write() as session:
        return (await locked_stage(session, enrollment_id, 0, 0)).missed


async def test_exactly_what_came_due_during_the_pause_is_passed_over(world: World) -> None:
    """Paused from one to three and resumed with skip: due before and after it is sent, due in it is not."""
    hours = (0.5, 1, 2, 2.999, 3, 4)
    made = [await world.enroll(await world.customer(f"+44770090012{n}")) for n, _ in enumerate(hours)]
    await activate(world)
    for one, at in zip(made, hours, strict=True):
        await due(world, one, at)
    async with world.database.write() as session:
        await pause(session, world.store_id, NAME, now=later(hours=1))
    async with world.database.write() as session:
        # Who holds keeps the moment at which the stage came due.
        facts = await enrollment_facts(session, made[2])
        key = journey_key(1)
        set_holding(
            session, facts.enrollment, reason=HoldReason.JOURNEY_PAUSED, key=key, until=None, now=later(hours=2)
        )
    for _ in range(2):  # asked twice, and with another word the second time, it changes nothing
        async with world.database.write() as session:
            await resume(session, world.store_id, NAME, now=later(hours=3), missed=Missed.SKIP)
    async with world.database.write() as session:
        assert (await resume(session, world.store_id, NAME, now=later(hours=5), missed=Missed.SEND))[1] is False
    assert [await missed(world, one) for one in made] == [False, True, True, True, False, False]


async def test_a_second_pause_leaves_the_first_as_it_was_resumed(world: World) -> None:
    """What was missed in a pause that was resumed with send is sent, whatever the next one is resumed with."""
    first, second = [await world.enroll(await world.customer(f"+44770090013{n}")) for n in range(2)]
    await activate(world)
    await due(world, first, 2)
    await due(world, second, 6)
    for begin, end, word in ((1, 3, Missed.SEND), (5, 7, Missed.SKIP)):
        async with world.database.write() as session:
            await pause(session, world.store_id, NAME, now=later(hours=begin))
        async with world.database.write() as session:
            await resume(session, world.store_id, NAME, now=later(hours=end), missed=word)
    assert [await missed(world, first), await missed(world, second)] == [False, True]


async def test_a_pause_with_two_causes_lasts_until_both_are_over(world: World) -> None:
    """Staff's pause outlives the shop's, and what staff then skip is all that came due in either."""
    enrollment = await world.enroll(await world.customer())
    await activate(world)
    await due(world, enrollment, 2)
    for cause, at in ((PauseCause.SHOP_DISCONNECTED, 1.0), (PauseCause.SHOP_DISCONNECTED, 1.5)):
        async with world.database.write() as session:
            paused = await pause_by_itself(session, world.store_id, cause, now=later(hours=at))
        assert len(paused) == (at == 1)
    async with world.database.write() as session:
        assert (await pause(session, world.store_id, NAME, reason="stock is out", now=later(hours=3)))[1]
    async with world.database.write() as session:
        assert not await resume_by_itself(session, world.store_id, PauseCause.SHOP_DISCONNECTED, now=later(hours=4))
    journey = await world.one(Journey, 1)
    assert (journey.state, journey.state_reason) == (JourneyState.PAUSED, "stock is out")
    async with world.database.write() as session:
        await resume(session, world.store_id, NAME, now=later(hours=5), missed=Missed.SKIP)
    journey = await world.one(Journey, 1)
    assert (journey.state, journey.state_reason, journey.paused_since) == (JourneyState.ACTIVE, None, None)
    assert await missed(world, enrollment)
    kinds = [event.kind for event in await world.rows(StoreEvent)]
    assert kinds == [StoreEventKind.JOURNEY_PAUSED, StoreEventKind.JOURNEY_PAUSED, StoreEventKind.JOURNEY_RESUMED]


async def test_what_paused_by_itself_resumes_by_itself(world: World) -> None:
    """Everybody who held is released, and the cause's own word stood as the reason."""
    await world.enroll(await world.customer(), state=EnrollmentState.HOLDING, hold_key=journey_key(1))
    await activate(world)
    async with world.database.write() as session:
        await pause_by_itself(session, world.store_id, PauseCause.PAYMENT_PROBLEM, now=NOON)
    assert (await world.one(Journey, 1)).state_reason == "payment_problem"
    async with world.database.write() as session:
        assert not await resume_by_itself(session, world.store_id, PauseCause.CREDENTIAL_REFUSED, now=NOON)
    async with world.database.write() as session:
        (resumed,) = await resume_by_itself(session, world.store_id, PauseCause.PAYMENT_PROBLEM, now=NOON)
    assert resumed.state is JourneyState.ACTIVE
    assert {one.broadcast_key for one in await world.rows(SignalIntent)} == {journey_key(1)}


async def test_a_pending_journey_is_pending_again_after_its_pause(world: World) -> None:
    """Pausing keeps it from going live; resuming has its templates looked at again."""
    await world.enroll(await world.customer())
    await activate(world, JourneyState.PENDING)
    async with world.database.write() as session:
        with pytest.raises(NotPausableError, match="goes live by itself"):
            await resume(session, world.store_id, NAME, now=NOON)
        await pause(session, world.store_id, NAME, now=NOON)
    assert (await world.one(Journey, 1)).state is JourneyState.PAUSED
    async with world.database.write() as session:
        await resume(session, world.store_id, NAME, now=NOON)
    assert (await world.one(Journey, 1)).state is JourneyState.PENDING
    assert await world.intents() == [(f"health-{world.store_id}", "check_now")]


async def test_a_stop_ends_the_pause_too(world: World) -> None:
    """A journey that is launched again after it was paused and stopped is not paused by an old row."""
    await world.enroll(await world.customer())
    await activate(world)
    async with world.database.write() as session:
        await pause(session, world.store_id, NAME, now=NOON)
    async with world.database.write() as session:
        await close_entry(session, await journey_of(session, 1), reason="test", now=later(hours=1))
    async with world.database.read() as session:
        still_open = (await session.exec(select(JourneyPause).where(JourneyPause.ended_at == None))).all()  # noqa: E711
    assert still_open == []
    assert (await world.one(Journey, 1)).paused_since is None


async def test_two_pauses_at_once_are_one(database: Database, world: World) -> None:
    """Whoever comes second finds the journey paused, or leaves it to whoever holds it; nobody waits for a lock."""
    await world.enroll(await world.customer())
    await activate(world)

    async def one() -> int:
        async with database.write() as session:
            return len(await pause_by_itself(session, world.store_id, PauseCause.STOP_LOSS, now=NOON))

    assert sum(await asyncio.gather(*(one() for _ in range(5)))) == 1
    assert len(await world.rows(JourneyPause)) == 1
    assert len(await world.rows(StoreEvent)) == 1


async def test_a_pause_that_comes_while_a_stop_begins_is_over_with_it(postgres_database: Database) -> None:
    """Left open, it would keep the journey from ever being paused again once it is launched anew."""
    world = await make_world(postgres_database)
    await world.enroll(await world.customer())
    await activate(world)
    async with world.database.write() as stopping:
        journey = await journey_of(stopping, 1)
        async with world.database.write() as session:
            assert await pause_by_itself(session, world.store_id, PauseCause.STOP_LOSS, now=NOON)
        await close_entry(stopping, journey, reason="test", now=NOON)
    journey = await world.one(Journey, 1)
    assert (journey.state, journey.paused_since) == (JourneyState.STOPPED, None)
    assert [one.ended_at for one in await world.rows(JourneyPause)] == [NOON]


async def test_a_cause_that_is_open_already_pauses_all_the_same(world: World) -> None:
    """A journey that runs although a pause of it is open on record is paused when its cause is met again."""
    await world.enroll(await world.customer())
    await activate(world)
    async with world.database.write() as session:
        await pause(session, world.store_id, NAME, now=NOON)
    await activate(world)
    async with world.database.write() as session:
        _, changed = await pause(session, world.store_id, NAME, now=later(hours=1))
    assert changed
    journey = await world.one(Journey, 1)
    assert (journey.state, journey.paused_since) == (JourneyState.PAUSED, later(hours=1))
    assert len(await world.rows(JourneyPause)) == 1
