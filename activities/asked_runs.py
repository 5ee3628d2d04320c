"""A run that somebody asks for: what must be so before it begins, for the command line and for the staff API."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.schedules import look_at_schedule, start_run_now
from models.enums import JourneyState, RunState
from models.tables import TrackingRun
from storage.engine import Database
from storage.journeys import find_journey
from storage.stores import StoreParts
from storage.tracking_runs import runs_of
from storage.tracking_schedules import Planned, planned


class NotNowError(Exception):
    """No run can begin now; the text says why, in a sentence."""


class NoTemporalError(Exception):
    """A run could begin, and this process speaks to no Temporal."""


@dataclass(frozen=True, slots=True)
class AskedRun:
    """A run that has begun; its workflow's id is the run's key."""

    journey: str
    workflow_id: str


async def run_now(
    database: Database, client: Client | None, parts: StoreParts, name: str, *, now: datetime
) -> AskedRun:
    """Begin a run of a tracking journey at once.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
        NotNowError: it is of another kind, it is not active, or a run of it is under way.
        NoTemporalError: nothing is in its way, but there is no client.
        RPCError: Temporal did not accept it.
    """
    async with database.read() as session:
        one, latest = await _look(session, parts, name)
    if client is None:
        raise NoTemporalError
    if latest is not None and latest.state is RunState.RUNNING and await _lives(client, latest.run_key):
        raise NotNowError(_under_way(name, latest.run_key))
    schedule = await look_at_schedule(client, one.store_id, one.journey_id)
    if schedule is not None and schedule.running is not None:  # begun, and not on record yet
        raise NotNowError(_under_way(name, schedule.running))
    try:
        return AskedRun(name, await start_run_now(client, one, now=now))
    except WorkflowAlreadyStartedError as error:
        raise NotNowError(_under_way(name, error.workflow_id)) from None


async def _look(session: AsyncSession, parts: StoreParts, name: str) -> tuple[Planned, TrackingRun | None]:
    """The journey as it runs, and its latest run."""
    journey = await find_journey(session, parts.id, name)
    one = await planned(session, parts.store, journey)
    if one is None:
        raise NotNowError(f"{name} is a journey of kind {journey.kind.value}; only a tracking journey has runs")
    match one.state:
        case JourneyState.ACTIVE:
            return one, next(iter(await runs_of(session, one.journey_id, limit=1)), None)
        case JourneyState.PAUSED:
            raise NotNowError(f"{name} is paused; `resume {name}` first")
        case JourneyState.PENDING:
            raise NotNowError(f"{name} is pending: it waits for its template and goes live by itself")
        case _:
            raise NotNowError(f"{name} is {one.state.value}; `launch` starts it")


async def _lives(client: Client, workflow_id: str) -> bool:
    """Whether the run's workflow still runs: the database may not have heard of an end by force."""
    try:
        status = (await client.get_workflow_handle(workflow_id).describe()).status
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return status is WorkflowExecutionStatus.RUNNING


def _under_way(name: str, workflow_id: str) -> str:
    return f"a run of {name} is under way ({workflow_id}); `runs {name}` shows how far it is"
