"""What a journey's Temporal Schedule says: the calendar, the action, what becomes of runs that overlap or are late.

Temporal's calendars are right on nearly every day; on a day on which the clocks change over the very time of the run
they are not alike from zone to zone. Asked for its next action times, a server 1.32 skips the day in Madrid, New York
and Santiago when the time is jumped over, and runs late on Lord Howe; when the time comes twice it runs twice in New
York and Santiago, and only the second time in Madrid. So each such day of the next year is taken out of the calendar,
and put back as the one moment that `policies.run_times` gives.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities import queues
from activities.search_attributes import JOURNEY, STORE, VERSION
from models.enums import JourneyState
from models.orchestration import JourneyRef, TrackingInput
from models.sending import Weekday
from policies.run_times import RunTimes
from storage.daily_selections import PlannedSelection, daily_run_id, selection_times
from storage.tracking_schedules import Planned, scheduled_run_id

TRACKING_WORKFLOW: Final = "TrackingWorkflow"
"""The workflow's type: activities know it by name, since imports run downward only."""

DAILY_WORKFLOW: Final = "DailySelectionWorkflow"

Scheduled = Planned | PlannedSelection
"""A journey that runs by the clock."""

_LOOK_AHEAD_DAYS: Final = 400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONCE_IN: Final = timedelta(days=10_000)
"""An interval that is met once in the life of a schedule stands for one moment, which a calendar cannot name in UTC.

Longer ones overflow, or begin in the future, where the server's reckoning passes over the first.
"""
SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_LEAST_CATCH_UP: Final = timedelta(hours=1)


def run_times(one: Scheduled) -> RunTimes:
    """When the journey's runs begin."""
    match one:
        case Planned():
            return RunTimes.of(one.definition, ZoneInfo(one.time_zone))
        case PlannedSelection():
            return selection_times(one.at, one.time_zone)
        case _:
            assert_never(one)


def schedule_of(one: Scheduled, *, now: datetime) -> Schedule:
    """The schedule that the journey should have; its note tells one that is out of date by the digest of all of it.

    A run that lasts until the next one is due is followed by that one at once, and by no more: the window of a run
    reaches back to the beginning of the last. What was due while the server was away is run late on the same day.
    """
    times = run_times(one)
    spec = _spec(times, now)
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=catch_up(times))
    digest = hashlib.sha256(repr((spec, policy, one.store, one.journey)).encode()).hexdigest()[:16]
    return Schedule(
        action=_action(one),
        spec=spec,
        policy=policy,
        state=ScheduleState(note=f"version {one.version}, {digest}", paused=one.state is JourneyState.PAUSED),
    )


def _action(one: Scheduled) -> ScheduleActionStartWorkflow:
    workflow_type: str
    asked: Any
    match one:
        case Planned():
            workflow_type, asked = TRACKING_WORKFLOW, TrackingInput(journey_id=one.journey_id)
            run_id = scheduled_run_id(one.store_id, one.journey_id)
        case PlannedSelection():
            workflow_type, asked = DAILY_WORKFLOW, JourneyRef(journey_id=one.journey_id)
            run_id = daily_run_id(one.store_id, one.journey_id)
        case _:
            assert_never(one)
    return ScheduleActionStartWorkflow(
        workflow_type,
        asked,
        id=run_id,
        task_queue=queues.MAIN,
        priority=queues.in_turns(one.store_id),
        typed_search_attributes=attributes(one),
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
        intervals=[ScheduleIntervalSpec(every=_ONCE_IN, offset=(one.at + SECOND - _EPOCH) % _ONCE_IN) for one in odd],
        time_zone_name=times.zone.key,
    )


def _days_of_week(weekdays: frozenset[Weekday]) -> Sequence[ScheduleRange]:
    """Temporal counts from Sunday, which is 0."""
    return [ScheduleRange((number + 1) % 7) for number, day in enumerate(Weekday) if day in weekdays]


def catch_up(times: RunTimes) -> timedelta:
    """The rest of the day after a run's time."""
    passed = timedelta(hours=times.clock.hour, minutes=times.clock.minute)
    return max(_DAY - passed, _LEAST_CATCH_UP)


def attributes(one: Scheduled) -> TypedSearchAttributes:
    """What the runs are found by."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(STORE, one.store),
            SearchAttributePair(JOURNEY, one.journey),
            SearchAttributePair(VERSION, one.version),
        ]
    )
