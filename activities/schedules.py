"""The Temporal Schedules of tracking journeys: made, changed, paused and deleted as the database has them.

One schedule per journey, in the store's zone. Temporal's calendars are right on nearly every day; on a day on which the
clocks change over the very time of the run they are not alike from zone to zone. Asked for its next action times, a
server 1.32 skips the day in Madrid, New York and Santiago when the time is jumped over, and runs late on Lord Howe;
when the time comes twice it runs twice in New York and Santiago, and only the second time in Madrid. So each such day
of the next year is taken out of the calendar, and put back as the one moment that `policies.run_times` gives.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from activities import queues
from activities.search_attributes import JOURNEY, STORE, VERSION
from activities.services import Services
from models.enums import JourneyState, RunTrigger
from models.orchestration import TrackingInput
from models.sending import Weekday
from policies.run_times import RunTimes
from storage.tracking_schedules import (
    WITH_SCHEDULE,
    Planned,
    asked_run_id,
    planned_journeys,
    scheduled_run_id,
    tracking_schedule_id,
)

log = structlog.get_logger(__name__)

TRACKING_WORKFLOW: Final = "TrackingWorkflow"
"""The workflow's type: activities know it by name, since imports run downward only."""

_ANSWER_WITHIN: Final = timedelta(seconds=10)
_LOOK_AHEAD_DAYS: Final = 400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONCE_IN: Final = timedelta(days=10_000)
"""An interval that is met once in the life of a schedule stands for one moment, which a calendar cannot name in UTC.

Longer ones overflow, or begin in the future, where the server's reckoning passes over the first.
"""
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_LEAST_CATCH_UP: Final = timedelta(hours=1)


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


def run_times(one: Planned) -> RunTimes:
    """When the journey's runs begin."""
    return RunTimes.of(one.definition, ZoneInfo(one.time_zone))


async def ensure_schedules(services: Services, store_id: int, *, now: datetime) -> None:
    """See that each of the store's tracking journeys has the schedule that it should have, and no other one has one.

    One that Temporal calls wrong is left out, so that it holds nothing else up.

    Raises:
        RPCError: Temporal could not be asked.
    """
    async with services.database.read() as session:
        found = await planned_journeys(session, store_id)
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


async def ensure_schedule(client: Client, one: Planned, *, now: datetime) -> None:
    """Make, change, pause or delete the journey's schedule so that it is as the database has it.

    A run that was due while an active journey's schedule was missing or still paused is made good on the same day.

    Raises:
        RPCError: Temporal did not accept it.
    """
    handle = client.get_schedule_handle(tracking_schedule_id(one.store_id, one.journey_id))
    if one.state not in WITH_SCHEDULE:
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
    """The journey's schedule; None if there is none.

    Raises:
        RPCError: Temporal cannot say.
    """
    found = await _describe(client.get_schedule_handle(tracking_schedule_id(store_id, journey_id)))
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
        search_attributes=_attributes(one),
        rpc_timeout=_ANSWER_WITHIN,
    )
    return workflow_id


def schedule_of(one: Planned, *, now: datetime) -> Schedule:
    """The schedule that the journey should have; its note tells one that is out of date by the digest of all of it.

    A run that lasts until the next one is due is followed by that one at once, and by no more: the window of a run
    reaches back to the beginning of the last. What was due while the server was away is run late on the same day.
    """
    times = run_times(one)
    spec = _spec(times, now)
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=_catch_up(times))
    digest = hashlib.sha256(repr((spec, policy, one.store, one.journey)).encode()).hexdigest()[:16]
    return Schedule(
        action=ScheduleActionStartWorkflow(
            TRACKING_WORKFLOW,
            TrackingInput(journey_id=one.journey_id),
            id=scheduled_run_id(one.store_id, one.journey_id),
            task_queue=queues.MAIN,
            priority=queues.in_turns(one.store_id),
            typed_search_attributes=_attributes(one),
        ),
        spec=spec,
        policy=policy,
        state=ScheduleState(note=f"version {one.version}, {digest}", paused=one.state is JourneyState.PAUSED),
    )


def _spec(times: RunTimes, now: datetime) -> ScheduleSpec:
    odd = times.odd_days(now - _DAY, days=_LOOK_AHEAD_DAYS)
    calendar = ScheduleCalendarSpec(
        hour=[ScheduleRange(times.clock.hour)],
        minute=[ScheduleRange(times.clock.minute)],
        day_of_week=_days_of_week(times.weekdays),
    )
    return ScheduleSpec(
        calendars=[calendar],
        # Only the whole minutes of the day: what is put back for it begins a second later.
        skip=[
            ScheduleCalendarSpec(
                year=[ScheduleRange(one.day.year)],
                month=[ScheduleRange(one.day.month)],
                day_of_month=[ScheduleRange(one.day.day)],
                hour=[ScheduleRange(0, 23)],
                minute=[ScheduleRange(0, 59)],
            )
            for one in odd
        ],
        intervals=[ScheduleIntervalSpec(every=_ONCE_IN, offset=(one.at + _SECOND - _EPOCH) % _ONCE_IN) for one in odd],
        time_zone_name=times.zone.key,
    )


def _days_of_week(weekdays: frozenset[Weekday]) -> Sequence[ScheduleRange]:
    """Temporal counts from Sunday, which is 0."""
    return [ScheduleRange((number + 1) % 7) for number, day in enumerate(Weekday) if day in weekdays]


def _catch_up(times: RunTimes) -> timedelta:
    """The rest of the day after a run's time."""
    passed = timedelta(hours=times.clock.hour, minutes=times.clock.minute)
    return max(_DAY - passed, _LEAST_CATCH_UP)


def _missed(one: Planned, found: ScheduleDescription | None, *, now: datetime) -> bool:
    """Whether a run of this day was due while the journey was active and nobody began one."""
    times = run_times(one)
    due = times.latest(now)
    if one.state is not JourneyState.ACTIVE or one.active_since is None or due - _SECOND <= one.active_since:
        return False
    begun = [action.scheduled_at for action in found.info.recent_actions] if found is not None else []
    begun += [one.ran_at] if one.ran_at is not None else []
    return now - due < _catch_up(times) and all(at < due for at in begun)


def _attributes(one: Planned) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(STORE, one.store),
            SearchAttributePair(JOURNEY, one.journey),
            SearchAttributePair(VERSION, one.version),
        ]
    )


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
