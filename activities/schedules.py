"""The Temporal Schedules of journeys: made, changed, paused and deleted as the database has them.

One schedule per tracking journey and per always-on win-back, in the store's zone (`activities.schedule_specs`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleUpdate,
)
from temporalio.common import (
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from activities import queues
from activities.schedule_specs import (
    SECOND,
    TRACKING_WORKFLOW,
    Scheduled,
    attributes,
    catch_up,
    run_times,
    schedule_of,
)
from activities.services import Services
from models.enums import JourneyState, RunTrigger
from models.orchestration import TrackingInput
from storage.daily_selections import (
    PlannedSelection,
    daily_schedule_id,
    planned_selections,
)
from storage.schedules import WITH_SCHEDULE
from storage.tracking_schedules import (
    Planned,
    asked_run_id,
    planned_journeys,
    tracking_schedule_id,
)

log = structlog.get_logger(__name__)

_ANSWER_WITHIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as Temporal has it.

    Attributes:
        next_at: when its next run begins; None while it is paused.
        running: the workflow id of a run of it that is under way.
    """

    paused: bool
    next_at: datetime | None
    running: str | None


def schedule_id(one: Scheduled) -> str:
    """The journey's one schedule."""
    match one:
        case Planned():
            return tracking_schedule_id(one.store_id, one.journey_id)
        case PlannedSelection():
            return daily_schedule_id(one.store_id, one.journey_id)
        case _:
            assert_never(one)


def has_schedule(one: Scheduled) -> bool:
    """Whether the journey should have its schedule now."""
    return one.state in WITH_SCHEDULE and (isinstance(one, Planned) or one.on)


async def ensure_schedules(services: Services, store_id: int, *, now: datetime) -> None:
    """See that each of the store's journeys has the schedule that it should have, and no other one has one.

    One that Temporal calls wrong is left out, so that it holds nothing else up.

    Raises:
        RPCError: Temporal could not be asked.
    """
    async with services.database.read() as session:
        found: list[Scheduled] = [
            *await planned_journeys(session, store_id),
            *await planned_selections(session, store_id),
        ]
    for one in found:
        try:
            await ensure_schedule(services.temporal, one, now=now)
        except RPCError as error:
            if error.status is RPCStatusCode.UNIMPLEMENTED:
                # The time-skipping server of simulations has no schedules; the simulation begins the runs itself.
                log.debug("this Temporal server has no schedules", store=store_id)
                return
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            # Asked again it would say the same, of a zone that it does not know; the store's other upkeep goes on.
            why = error.message
            log.warning("Temporal refuses a journey's schedule", store=store_id, journey=one.journey_id, why=why)


async def ensure_schedule(client: Client, one: Scheduled, *, now: datetime) -> None:
    """Make, change, pause or delete the journey's schedule so that it is as the database has it.

    A run that was due while an active journey's schedule was missing or still paused is made good on the same day.

    Raises:
        RPCError: Temporal did not accept it.
    """
    handle = client.get_schedule_handle(schedule_id(one))
    if not has_schedule(one):
        await _delete(handle)
        return
    wanted = schedule_of(one, now=now)
    found = await _describe(handle)
    if found is None:
        try:
            await client.create_schedule(handle.id, wanted, rpc_timeout=_ANSWER_WITHIN)
        except ScheduleAlreadyRunningError:  # somebody else has just made it
            return
    elif found.schedule.state.note != wanted.state.note or found.schedule.state.paused != wanted.state.paused:
        # Written only where something differs: a change makes the server forget what is due and not yet begun.
        await handle.update(lambda _: _instead(wanted), rpc_timeout=_ANSWER_WITHIN)
    else:
        return
    if (found is None or found.schedule.state.paused) and _missed(one, found, now=now):
        await handle.trigger(rpc_timeout=_ANSWER_WITHIN)


async def look_at_schedule(client: Client, store_id: int, journey_id: int) -> ScheduleView | None:
    """A tracking journey's schedule; None if there is none.

    Raises:
        RPCError: Temporal cannot say.
    """
    return await _view(client.get_schedule_handle(tracking_schedule_id(store_id, journey_id)))


async def look_at_daily(client: Client, store_id: int, journey_id: int) -> ScheduleView | None:
    """An always-on win-back's schedule; None if there is none.

    Raises:
        RPCError: Temporal cannot say.
    """
    return await _view(client.get_schedule_handle(daily_schedule_id(store_id, journey_id)))


async def _view(handle: ScheduleHandle) -> ScheduleView | None:
    found = await _describe(handle)
    if found is None:
        return None
    paused = found.schedule.state.paused
    running = [one for one in found.info.running_actions if isinstance(one, ScheduleActionExecutionStartWorkflow)]
    return ScheduleView(
        paused=paused,
        next_at=None if paused else next(iter(found.info.next_action_times), None),
        running=running[0].workflow_id if running else None,
    )


async def start_run_now(client: Client, one: Planned, *, now: datetime) -> str:
    """Begin a run that somebody asked for; the id of its workflow.

    Raises:
        WorkflowAlreadyStartedError: one was begun in the same second.
        RPCError: Temporal did not accept it.
    """
    workflow_id = asked_run_id(one.store_id, one.journey_id, now)
    await client.start_workflow(
        TRACKING_WORKFLOW,
        TrackingInput(journey_id=one.journey_id, trigger=RunTrigger.STAFF),
        id=workflow_id,
        task_queue=queues.MAIN,
        priority=queues.in_turns(one.store_id),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        search_attributes=attributes(one),
        rpc_timeout=_ANSWER_WITHIN,
    )
    return workflow_id


def _missed(one: Scheduled, found: ScheduleDescription | None, *, now: datetime) -> bool:
    """Whether a run of this day was due while the journey was active and nobody began one."""
    times = run_times(one)
    due = times.latest(now)
    if one.state is not JourneyState.ACTIVE or one.active_since is None or due - SECOND <= one.active_since:
        return False
    begun = [action.scheduled_at for action in found.info.recent_actions] if found is not None else []
    begun += [one.ran_at] if one.ran_at is not None else []
    return now - due < catch_up(times) and all(at < due for at in begun)


def _instead(wanted: Schedule) -> ScheduleUpdate:
    return ScheduleUpdate(schedule=wanted)


async def _describe(handle: ScheduleHandle) -> ScheduleDescription | None:
    try:
        return await handle.describe(rpc_timeout=_ANSWER_WITHIN)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _delete(handle: ScheduleHandle) -> None:
    try:
        await handle.delete(rpc_timeout=_ANSWER_WITHIN)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
