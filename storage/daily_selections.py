"""Win-backs that are always on: what their schedules are made from, and the launch of each day.

A day has one launch, by the journey's row and the day on it, so a run that is begun twice, or by two workers, is one.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LaunchState
from models.sending import Weekday
from models.tables import DailySelection, Journey, Launch, Store
from policies.calendar import local_date
from policies.run_times import RunTimes
from storage.journeys import journey_of, latest_version
from storage.launches import open_launch
from storage.schedules import PlannedJourney, active_since, reschedule
from storage.stores import required_id

_UNDER_WAY: Final = (LaunchState.SELECTING, LaunchState.DECIDING, LaunchState.STARTING)
_EARLY: Final = timedelta(minutes=1)
"""How early a schedule may begin a day's run by its own clock."""


def daily_schedule_id(store_id: int, journey_id: int) -> str:
    """The one schedule of an always-on win-back."""
    return f"daily-{store_id}-{journey_id}"


def daily_run_id(store_id: int, journey_id: int) -> str:
    """How the workflow ids of its runs begin; Temporal adds the moment at which each is due."""
    return f"{daily_schedule_id(store_id, journey_id)}-at"


def selection_times(at: str, time_zone: str) -> RunTimes:
    """When the selections of an always-on win-back begin: every day at `at` (`HH:MM`)."""
    return RunTimes(time.fromisoformat(at), frozenset(Weekday), ZoneInfo(time_zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSelection(PlannedJourney):
    """An always-on win-back as its schedule sees it; `on` is whether it still is always on."""

    at: str
    on: bool


async def planned_selection(session: AsyncSession, store: Store, journey: Journey) -> PlannedSelection | None:
    """The journey as its schedule sees it; None if it never was always on."""
    journey_id = required_id(journey.id)
    row = await session.get(DailySelection, journey_id, populate_existing=True)
    if row is None:
        return None
    version = await latest_version(session, journey_id)
    ran = select(func.max(Launch.requested_at)).where(Launch.journey_id == journey_id, col(Launch.day).is_not(None))
    since = await active_since(session, journey)
    return PlannedSelection(
        store_id=journey.store_id,
        store=store.slug,
        time_zone=store.time_zone,
        journey_id=journey_id,
        journey=journey.name,
        state=journey.state,
        version=version.number if version is not None else 0,
        at=row.at,
        on=row.ended_at is None,
        active_since=since and max(since, row.since),
        ran_at=(await session.exec(ran)).one(),
    )


async def planned_selections(session: AsyncSession, store_id: int) -> list[PlannedSelection]:
    """Every win-back of the store that is or was always on; those that no longer are should have no schedule."""
    journeys = await session.exec(
        select(Journey)
        .join(DailySelection, col(DailySelection.journey_id) == col(Journey.id))
        .where(DailySelection.store_id == store_id)
        .order_by(col(Journey.id))
    )
    rows = journeys.all()
    if not rows:
        return []
    store = await session.get_one(Store, store_id)
    found = [await planned_selection(session, store, journey) for journey in rows]
    return [one for one in found if one is not None]


async def selection_of(session: AsyncSession, journey_id: int) -> DailySelection | None:
    """How the journey is always on; None if it is not."""
    row = await session.get(DailySelection, journey_id, populate_existing=True)
    return row if row is not None and row.ended_at is None else None


async def keep_on(
    session: AsyncSession, journey: Journey, *, at: str, limit: int | None, only_new: bool, now: datetime
) -> None:
    """Let the journey's audience be selected every day, or at another time than until now.

    Args:
        session: a writing transaction.
        journey: a win-back.
        at: `HH:MM` in the store's zone.
        limit: at most so many enter a day; None for everybody who qualifies.
        only_new: leave out who was ever in the journey.
        now: it is always on from now, unless it is already.
    """
    journey_id = required_id(journey.id)
    row = await session.get(DailySelection, journey_id, populate_existing=True)
    if row is None:
        row = DailySelection(journey_id=journey_id, store_id=journey.store_id, at=at, since=now)
        session.add(row)
    elif row.ended_at is not None:
        row.since, row.ended_at = now, None
    row.at, row.entrant_limit, row.only_new = at, limit, only_new
    await session.flush()
    await reschedule(session, journey, now=now)


async def end_selection(session: AsyncSession, journey: Journey, *, now: datetime) -> bool:
    """Let nobody be selected by day any more; who is in the journey or waits for a later day stays.

    Returns:
        Whether it was always on until now.
    """
    row = await selection_of(session, required_id(journey.id))
    if row is None:
        return False
    row.ended_at = now
    await session.flush()
    return await reschedule(session, journey, now=now)


async def open_day(session: AsyncSession, journey_id: int, *, now: datetime) -> list[int]:
    """Write down the selection of this day, if the journey runs and is always on; repeating it changes nothing.

    A selection of an earlier day that has considered nobody yet, because the shop could not be read, becomes this
    day's, with the version and the limits of this day: it will see everybody whom this one would.

    Returns:
        The launches to carry out, oldest first: this day's, and those of earlier days that are not over.
    """
    journey = await journey_of(session, journey_id, alone=True)
    row = await selection_of(session, journey_id)
    version = await latest_version(session, journey_id)
    if journey.state is not JourneyState.ACTIVE or row is None or version is None:
        return []
    store = await session.get_one(Store, journey.store_id)
    day = _day_of(row.at, store.time_zone, now)
    version_id = required_id(version.id)
    under_way = list(
        await session.exec(
            select(Launch)
            .where(
                Launch.journey_id == journey_id,
                col(Launch.day).is_not(None),
                col(Launch.state).in_(_UNDER_WAY),
            )
            .order_by(col(Launch.id))
        )
    )
    if not await _has_launch(session, journey_id, day):
        unread = [one for one in under_way if _has_not_begun(one)]
        if unread:
            unread[0].day, unread[0].version_id = day, version_id
            unread[0].entrant_limit, unread[0].only_new = row.entrant_limit, row.only_new
        else:
            launch = await open_launch(
                session,
                store_id=journey.store_id,
                journey_id=journey_id,
                version_id=version_id,
                limit=row.entrant_limit,
                only_new=row.only_new,
                now=now,
            )
            launch.day = day
            under_way.append(launch)
    return [required_id(one.id) for one in under_way]


async def count_as_today(session: AsyncSession, launch: Launch, *, now: datetime) -> None:
    """Let a launch of an always-on journey be the selection of the store's today, unless another one is it.

    Else a journey that is launched in the morning would take a day's limit of customers twice.
    """
    store = await session.get_one(Store, launch.store_id)
    today = local_date(now, ZoneInfo(store.time_zone))
    if await selection_of(session, launch.journey_id) is None or await _has_launch(session, launch.journey_id, today):
        return
    launch.day = today
    await session.flush()


async def next_selection(session: AsyncSession, journey_id: int, time_zone: str, *, now: datetime) -> datetime | None:
    """When the journey's audience is selected next, if it runs; None if it is not always on."""
    row = await selection_of(session, journey_id)
    if row is None:
        return None
    times = selection_times(row.at, time_zone)
    at = times.following(now)
    return times.following(at + _EARLY) if await _has_launch(session, journey_id, local_date(at, times.zone)) else at


async def _has_launch(session: AsyncSession, journey_id: int, day: date) -> bool:
    found = await session.exec(select(Launch.id).where(Launch.journey_id == journey_id, Launch.day == day))
    return found.first() is not None


def _day_of(at: str, time_zone: str, now: datetime) -> date:
    """The local day whose selection is due: that of the latest time, also when it is carried out after midnight."""
    times = selection_times(at, time_zone)
    return local_date(times.latest(now + _EARLY), times.zone)


def _has_not_begun(launch: Launch) -> bool:
    return launch.state is LaunchState.SELECTING and launch.considered == 0
