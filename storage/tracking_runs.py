"""Runs of tracking journeys: one row a run, by the id of its workflow, so that a run that is begun twice is one.

The database has the truth about a journey: a run of one that is not active is never opened.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, RunState, RunTrigger
from models.tables import Journey, JourneyVersion, Store, TrackingRun
from models.tracking import Tracking
from policies.schedule import Whereabouts
from policies.tracking import LastRun, heard_since, window_start
from storage.ingest import insert_new
from storage.journeys import journey_of, latest_version, parse_definition
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracking journey with one version of what it says."""

    store: Store
    journey: Journey
    version_id: int
    definition: Tracking

    def whereabouts(self, time_zone: str | None, phone: str | None) -> Whereabouts:
        """What tells the zone of a customer with that zone and phone."""
        return Whereabouts(time_zone, phone, self.store.time_zone)


async def tracked(session: AsyncSession, journey_id: int) -> Tracked | None:
    """The journey with its newest version; None if it is no tracking journey, or has no version."""
    journey = await journey_of(session, journey_id)
    version = await latest_version(session, journey_id)
    return await _tracked(session, journey, version)


async def tracked_by(session: AsyncSession, run: TrackingRun) -> Tracked:
    """The run's journey with the version that the run began with."""
    journey = await journey_of(session, run.journey_id)
    found = await _tracked(session, journey, await session.get(JourneyVersion, run.version_id))
    if found is None:
        msg = f"run {run.id} is of no tracking journey"
        raise AssertionError(msg)
    return found


async def _tracked(session: AsyncSession, journey: Journey, version: JourneyVersion | None) -> Tracked | None:
    definition = parse_definition(version.definition) if version is not None else None
    if version is None or not isinstance(definition, Tracking):
        return None
    store = await session.get_one(Store, journey.store_id)
    return Tracked(store, journey, required_id(version.id), definition)


async def open_run(
    session: AsyncSession, journey_id: int, run_key: str, *, trigger: RunTrigger, now: datetime
) -> TrackingRun | None:
    """Begin the run of that key, or find it as it is if it has begun before.

    Args:
        session: a writing transaction.
        journey_id: whose run.
        run_key: the id of its workflow.
        trigger: who began it.
        now: when it begins; of a run that has begun before its own beginning stands.

    Returns:
        The run; None where the journey is not active, or no tracking journey.
    """
    # Nobody stops or pauses the journey before the run is on record.
    journey = await journey_of(session, journey_id, lock=True)
    known = await run_by_key(session, journey_id, run_key)
    if known is not None:
        return known
    scope = await tracked(session, journey_id)
    if scope is None or journey.state is not JourneyState.ACTIVE:
        return None
    last = await run_before(session, journey_id)
    before = as_last(last)
    row = {
        "store_id": journey.store_id,
        "journey_id": journey_id,
        "version_id": scope.version_id,
        "run_key": run_key,
        "trigger": trigger,
        "state": RunState.RUNNING,
        "started_at": now,
        "since": window_start(now, scope.definition.window_hours, before),
        "heard_since": heard_since(before),
        "read_window": False,
        "read_id": 0,
    }
    await insert_new(session, TrackingRun, [row], returning="id")
    return await run_by_key(session, journey_id, run_key)


def as_last(run: TrackingRun | None) -> LastRun | None:
    """The run as the policy looks at it."""
    if run is None:
        return None
    return LastRun(started_at=run.started_at, since=run.since, heard_since=run.heard_since, state=run.state)


async def run_by_key(session: AsyncSession, journey_id: int, run_key: str) -> TrackingRun | None:
    """The journey's run of that workflow."""
    query = select(TrackingRun).where(TrackingRun.journey_id == journey_id, TrackingRun.run_key == run_key)
    return (await session.exec(query.execution_options(populate_existing=True))).first()


async def lock_run(session: AsyncSession, run_id: int) -> TrackingRun:
    """The run, which nobody else changes before the transaction ends; rows that only name it go on being written."""
    query = select(TrackingRun).where(TrackingRun.id == run_id).with_for_update(key_share=True)
    return (await session.exec(query.execution_options(populate_existing=True))).one()


async def run_before(
    session: AsyncSession, journey_id: int, run: TrackingRun | None = None, *, selected: bool = False
) -> TrackingRun | None:
    """The journey's run that began last, before the given one; with `selected` the last that considered everybody."""
    order = (col(TrackingRun.started_at), col(TrackingRun.id))
    query = select(TrackingRun).where(TrackingRun.journey_id == journey_id)
    if run is not None:
        query = query.where(tuple_(*order) < (run.started_at, required_id(run.id)))
    if selected:
        query = query.where(col(TrackingRun.selected_at).is_not(None))
    return (await session.exec(query.order_by(*(one.desc() for one in order)).limit(1))).first()


async def runs_of(session: AsyncSession, journey_id: int, *, limit: int) -> list[TrackingRun]:
    """The journey's runs, newest first."""
    query = select(TrackingRun).where(TrackingRun.journey_id == journey_id)
    newest = query.order_by(col(TrackingRun.started_at).desc(), col(TrackingRun.id).desc())
    return list(await session.exec(newest.limit(limit)))


async def find_run(session: AsyncSession, journey_id: int, run_id: int) -> TrackingRun | None:
    """The journey's run of that id."""
    return (
        await session.exec(select(TrackingRun).where(TrackingRun.id == run_id, TrackingRun.journey_id == journey_id))
    ).first()


async def finish_run(
    session: AsyncSession, run_id: int, *, stop_reason: str | None = None, now: datetime
) -> TrackingRun:
    """End a run, done or stopped for a reason; one that has ended keeps its end.

    A run that has not considered everybody cannot be done: it is stopped, and the next one goes back to its window.
    """
    run = await lock_run(session, run_id)
    if run.state is not RunState.RUNNING:
        return run
    if stop_reason is None and run.selected_at is None:
        stop_reason = "not everybody was considered"
    run.state = RunState.DONE if stop_reason is None else RunState.STOPPED
    run.stop_reason = stop_reason[:60] if stop_reason is not None else None
    run.finished_at = now
    session.add(run)
    return run
