"""Always-on win-backs: the launch of each day, and who is told when their schedule changes, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LaunchState, TemplateStatus
from models.journey import WinBack
from models.tables import DailySelection, Journey, Launch, SignalIntent, Template
from storage.daily_selections import (
    count_as_today,
    end_selection,
    keep_on,
    next_selection,
    open_day,
    planned_selections,
    selection_of,
)
from storage.going_live import activate, go_live
from storage.journeys import journey_of
from storage.launches import open_launch
from storage.pausing import pause, resume
from storage.publishing import publish
from storage.schedules import WITH_SCHEDULE
from storage.stopping import close_entry
from storage.stores import required_id
from storage.wakes import upkeep_workflow_id
from tests.worlds import DEFINITION, NOON, WABA, World, later

AT = "09:30"
MORNING = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
"""The first selection after `NOON`, in London's winter."""
DAY = timedelta(days=1)


async def _always_on(world: World, state: JourneyState = JourneyState.ACTIVE, at: str = AT) -> int:
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, DEFINITION, now=NOON)
        activate(journey, now=NOON)
        journey.state = state
        await keep_on(session, journey, at=at, limit=7, only_new=True, now=NOON)
        return required_id(journey.id)


async def _open(world: World, now: datetime) -> list[int]:
    async with world.database.write() as session:
        return await open_day(session, 1, now=now)


async def _put(world: World, launch_id: int, **values: Any) -> None:
    async with world.database.write() as session:
        launch = await session.get_one(Launch, launch_id)
        for name, value in values.items():
            setattr(launch, name, value)


async def test_a_day_has_one_launch(world: World) -> None:
    """Begun twice it is one, with the newest version and the limits of the schedule; the next day has its own."""
    await _always_on(world)
    (first,) = await _open(world, MORNING)
    assert await _open(world, MORNING + timedelta(hours=2)) == [first]
    launch = await world.one(Launch, first)
    assert (launch.day, launch.entrant_limit, launch.only_new) == (date(2026, 11, 23), 7, True)
    await _put(world, first, state=LaunchState.DONE)
    assert await _open(world, MORNING + timedelta(hours=2)) == []
    changed = WinBack.model_validate({**DEFINITION.model_dump(), "priority": 51})
    async with world.database.write() as session:
        _, version = await publish(session, world.store_id, changed, now=MORNING)
    (second,) = await _open(world, MORNING + DAY)
    launch = await world.one(Launch, second)
    assert (launch.day, launch.version_id) == (date(2026, 11, 24), version.id)


async def test_two_workers_open_one_launch(world: World) -> None:
    """Both are given the same one to ask for."""
    await _always_on(world)
    found = await asyncio.gather(*(_open(world, MORNING) for _ in range(4)))
    assert found == [found[0]] * 4
    assert len(await world.rows(Launch)) == 1


async def test_a_selection_that_begins_after_midnight_is_of_the_day_before(world: World) -> None:
    """The next day keeps its own, which is due at the end of it."""
    await _always_on(world, at="23:50")
    (late,) = await _open(world, datetime(2026, 11, 24, 0, 20, tzinfo=UTC))
    await _put(world, late, state=LaunchState.DONE)
    (next_day,) = await _open(world, datetime(2026, 11, 24, 23, 50, tzinfo=UTC))
    assert [(await world.one(Launch, one)).day for one in (late, next_day)] == [date(2026, 11, 23), date(2026, 11, 24)]


async def test_one_that_a_clock_runs_early_for_is_of_its_own_day(world: World) -> None:
    """A schedule whose clock is a little ahead of ours does not take yesterday's place."""
    await _always_on(world)
    (launch,) = await _open(world, MORNING - timedelta(seconds=5))
    assert (await world.one(Launch, launch)).day == date(2026, 11, 23)


async def test_a_selection_that_could_not_begin_becomes_the_next_days(world: World) -> None:
    """A shop that cannot be read for days leaves one launch, of what was published last; one under way goes on too."""
    await _always_on(world)
    (first,) = await _open(world, MORNING)
    changed = WinBack.model_validate({**DEFINITION.model_dump(), "priority": 51})
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, changed, now=MORNING)
        await keep_on(session, journey, at=AT, limit=9, only_new=False, now=MORNING)
    assert await _open(world, MORNING + DAY) == [first]
    launch = await world.one(Launch, first)
    assert (launch.day, launch.version_id) == (date(2026, 11, 24), version.id)
    assert (launch.entrant_limit, launch.only_new) == (9, False)
    await _put(world, first, considered=50)
    (again, third) = await _open(world, MORNING + 2 * DAY)
    assert (again, (await world.one(Launch, third)).day) == (first, date(2026, 11, 25))


async def test_a_launch_by_hand_is_that_days_selection(world: World) -> None:
    """The schedule finds nothing to do later in the day, and the next selection is shown as tomorrow's."""
    await _always_on(world)
    early = MORNING - timedelta(hours=3)
    async with world.database.write() as session:
        for _ in range(2):
            options: dict[str, Any] = {"store_id": 1, "journey_id": 1, "version_id": 1, "limit": None, "now": early}
            launch = await open_launch(session, **options, state=LaunchState.DONE)
            await count_as_today(session, launch, now=early)
    assert [one.day for one in await world.rows(Launch)] == [MORNING.date(), None]
    assert await _open(world, MORNING) == []
    async with world.database.read() as session:
        assert await next_selection(session, 1, "Europe/London", now=early) == MORNING + DAY
        assert await next_selection(session, 1, "Europe/London", now=MORNING + timedelta(hours=1)) == MORNING + DAY
    assert len(await _open(world, MORNING + DAY)) == 1


@pytest.mark.parametrize("state", [one for one in JourneyState if one is not JourneyState.ACTIVE])
async def test_a_journey_that_does_not_run_has_no_launch(world: World, state: JourneyState) -> None:
    """A run that a lagging schedule begins finds nothing to do."""
    await _always_on(world, state)
    assert await _open(world, MORNING) == []
    assert await world.rows(Launch) == []


async def test_one_that_has_ended_has_no_launch_and_can_begin_anew(world: World) -> None:
    """The row stays, so that its schedule is known to be taken away; beginning anew counts from then."""
    await _always_on(world)
    async with world.database.write() as session:
        journey = await journey_of(session, 1)
        assert await end_selection(session, journey, now=later(hours=1))
        assert not await end_selection(session, journey, now=later(hours=2))
    assert await _open(world, MORNING) == []
    async with world.database.read() as session:
        (one,) = await planned_selections(session, world.store_id)
    assert (one.on, one.state in WITH_SCHEDULE) == (False, True)
    async with world.database.write() as session:
        await keep_on(session, await journey_of(session, 1), at="10:00", limit=None, only_new=False, now=MORNING)
    row: DailySelection = await world.one(DailySelection, 1)
    assert (row.at, row.entrant_limit, row.only_new, row.since, row.ended_at) == ("10:00", None, False, MORNING, None)
    async with world.database.read() as session:
        (one,) = await planned_selections(session, world.store_id)
    assert (one.on, one.active_since, one.ran_at) == (True, MORNING, None)


async def _paused(session: AsyncSession, _: Journey) -> None:
    await pause(session, 1, DEFINITION.name, now=later(hours=1))


async def _resumed(session: AsyncSession, _: Journey) -> None:
    await resume(session, 1, DEFINITION.name, now=later(hours=1))


async def _stopped(session: AsyncSession, journey: Journey) -> None:
    await close_entry(session, journey, reason="staff", now=later(hours=1))
    assert await selection_of(session, 1) is None


async def _gone_live(session: AsyncSession, _: Journey) -> None:
    assert await go_live(session, 1, now=later(hours=1))


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (JourneyState.ACTIVE, _paused),
        (JourneyState.PAUSED, _resumed),
        (JourneyState.ACTIVE, _stopped),
        (JourneyState.PENDING, _gone_live),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one),
)
async def test_a_change_of_state_wakes_the_upkeep(
    world: World, before: JourneyState, change: Callable[[AsyncSession, Journey], Awaitable[None]]
) -> None:
    """In the same transaction, so that no schedule stays behind; a stop also ends it."""
    await _always_on(world, before)
    if change is _gone_live:
        async with world.database.write() as session:
            session.add(
                Template(
                    waba_id=WABA,
                    name="winback_hello",
                    language="en",
                    status=TemplateStatus.APPROVED,
                    variables=["1"],
                    synced_at=NOON,
                )
            )
    woken = await _woken(world)
    async with world.database.write() as session:
        await change(session, await journey_of(session, 1))
    assert await _woken(world) == woken + 1


async def _woken(world: World) -> int:
    async with world.database.read() as session:
        query = select(SignalIntent).where(SignalIntent.enrollment_id == upkeep_workflow_id(world.store_id))
        return len((await session.exec(query)).all())
