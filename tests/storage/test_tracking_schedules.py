"""What a tracking journey's schedule is made from, and who is told when that changes."""

from collections.abc import Awaitable, Callable

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, PauseCause
from models.tables import Journey, SignalIntent
from models.tracking import Tracking
from storage.going_live import activate, go_live
from storage.journeys import journey_of
from storage.pausing import pause, pause_by_itself, resume, resume_by_itself
from storage.publishing import publish
from storage.schedules import WITH_SCHEDULE
from storage.stopping import close_entry
from storage.tracking_schedules import planned_journeys
from storage.wakes import upkeep_workflow_id
from tests.worlds import DEFINITION, NOON, World, later

NAME = "daily-review"


async def _launched(world: World, state: JourneyState = JourneyState.ACTIVE) -> int:
    """A tracking journey; its id."""
    definition = Tracking.model_validate({"name": NAME, "kind": "tracking"})
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, definition, now=NOON)
        activate(journey, now=NOON)
        journey.state = state
        assert journey.id is not None
        return journey.id


async def _woken(world: World) -> int:
    """How often the store's upkeep was woken."""
    async with world.database.read() as session:
        query = select(SignalIntent).where(SignalIntent.enrollment_id == upkeep_workflow_id(world.store_id))
        return len((await session.exec(query)).all())


async def _paused(session: AsyncSession, world: World) -> None:
    await pause(session, world.store_id, NAME, now=later(hours=1))


async def _resumed(session: AsyncSession, world: World) -> None:
    await resume(session, world.store_id, NAME, now=later(hours=1))


async def _paused_by_itself(session: AsyncSession, world: World) -> None:
    await pause_by_itself(session, world.store_id, PauseCause.SHOP_DISCONNECTED, now=later(hours=1))


async def _stopped(session: AsyncSession, world: World) -> None:
    journey = (
        await session.exec(select(Journey).where(Journey.store_id == world.store_id, Journey.name == NAME))
    ).one()
    await close_entry(session, journey, reason="staff", now=later(hours=1))


async def _gone_live(session: AsyncSession, world: World) -> None:
    journey = (
        await session.exec(select(Journey).where(Journey.store_id == world.store_id, Journey.name == NAME))
    ).one()
    assert journey.id is not None
    assert await go_live(session, journey.id, now=later(hours=1))


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (JourneyState.ACTIVE, _paused),
        (JourneyState.ACTIVE, _paused_by_itself),
        (JourneyState.PAUSED, _resumed),
        (JourneyState.ACTIVE, _stopped),
        (JourneyState.PENDING, _gone_live),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one),
)
async def test_a_change_of_state_wakes_the_upkeep(
    world: World, before: JourneyState, change: Callable[[AsyncSession, World], Awaitable[None]]
) -> None:
    """Whoever pauses, resumes, stops or lets it go live tells the upkeep in the same transaction."""
    await _launched(world, before)
    async with world.database.write() as session:
        await change(session, world)
    assert await _woken(world) == 1


async def test_a_journey_that_waits_again_after_a_pause_loses_its_schedule(world: World) -> None:
    """Paused while it waited for its template, it had a paused schedule; waiting again, it has none."""
    await _launched(world, JourneyState.PENDING)
    for change in (_paused, _resumed):
        async with world.database.write() as session:
            await change(session, world)
    assert await _woken(world) == 2
    async with world.database.read() as session:
        (one,) = await planned_journeys(session, world.store_id)
    assert one.state not in WITH_SCHEDULE


async def test_journeys_of_other_kinds_have_no_schedule(world: World) -> None:
    """Pausing one wakes nobody, and none is planned."""
    await world.enroll(await world.customer())
    async with world.database.write() as session:
        (await journey_of(session, 1)).state = JourneyState.ACTIVE
    async with world.database.write() as session:
        await pause(session, world.store_id, DEFINITION.name, now=NOON)
    assert await _woken(world) == 0
    async with world.database.read() as session:
        assert await planned_journeys(session, world.store_id) == []


async def test_a_journey_is_active_since_its_last_pause(world: World) -> None:
    """A pause that ended by itself counts as well as one that a person ended."""
    journey_id = await _launched(world)
    async with world.database.read() as session:
        (one,) = await planned_journeys(session, world.store_id)
    assert (one.journey_id, one.version, one.active_since, one.ran_at) == (journey_id, 1, NOON, None)
    cause = PauseCause.SHOP_DISCONNECTED
    async with world.database.write() as session:
        await pause_by_itself(session, world.store_id, cause, now=later(hours=1))
    async with world.database.write() as session:
        await resume_by_itself(session, world.store_id, cause, now=later(hours=3))
    async with world.database.read() as session:
        (one,) = await planned_journeys(session, world.store_id)
    assert (one.state, one.active_since) == (JourneyState.ACTIVE, later(hours=3))
