"""How far a run looks back, who waits for the next one, and which contact of an opportunity comes."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import ConsentState, LeftOut, RunState
from models.tracking import Tracking
from policies.eligibility import Candidate, first_failure
from policies.schedule import Whereabouts
from policies.tracking import (
    LastRun,
    Reviewed,
    analysed_lately,
    attempt_number,
    bought_since,
    evaluate_detected,
    evaluate_review,
    first_contact_at,
    heard_since,
    opportunity_start,
    window_start,
)
from tests.reviewing import tracking

NINE = datetime(2027, 3, 15, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def last(at: datetime, since: datetime | None = None, state: RunState = RunState.DONE) -> LastRun:
    """A run that looked back a day."""
    return LastRun(started_at=at, since=since or at - DAY, state=state)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (None, NINE - DAY),
        (last(NINE - DAY), NINE - DAY),
        (last(NINE - 3 * DAY), NINE - 3 * DAY),
        (last(NINE - 2 * HOUR), NINE - DAY),
        (last(NINE - 20 * HOUR, NINE - 4 * DAY), NINE - DAY),
        (last(NINE - DAY, NINE - 4 * DAY, RunState.STOPPED), NINE - 4 * DAY),
        (last(NINE - DAY, NINE - 2 * DAY, RunState.RUNNING), NINE - 2 * DAY),
        (last(NINE - 2 * HOUR, NINE - 2 * HOUR, RunState.STOPPED), NINE - DAY),
    ],
    ids=["first", "daily", "weekend", "run-now", "late", "stopped", "running", "stopped-short"],
)
def test_a_run_looks_back_its_window_or_to_the_last_run(before: LastRun | None, expected: datetime) -> None:
    """Whichever is further; a run that has not covered its window hands it on."""
    assert window_start(NINE, 24, before) == expected


@given(
    st.lists(
        st.tuples(st.integers(1, 24 * 60 * 9), st.sampled_from([RunState.DONE, RunState.STOPPED, RunState.RUNNING])),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([12, 24, 48, 72]),
)
def test_no_moment_falls_between_the_windows_of_runs(gaps: list[tuple[int, RunState]], hours: int) -> None:
    """Whatever days are off and whichever runs are stopped, the runs that are done cover all time between them."""
    at, before, covered = NINE, None, None
    for minutes, state in gaps:
        at += timedelta(minutes=minutes)
        since = window_start(at, hours, before)
        before = LastRun(started_at=at, since=since, heard_since=heard_since(before), state=state)
        assert since <= at - timedelta(hours=hours)
        if state is RunState.DONE:
            assert covered is None or since <= covered
            covered = at


def test_late_news_count_from_the_last_run_that_was_done() -> None:
    """What came in just before that run, or was being stored then, may have been seen by nobody."""
    done = last(NINE - DAY)
    assert heard_since(None) is None
    assert heard_since(done) == NINE - DAY - timedelta(minutes=10)
    stopped = LastRun(started_at=NINE, since=NINE - DAY, heard_since=heard_since(done), state=RunState.STOPPED)
    assert heard_since(stopped) == heard_since(done)


@pytest.mark.parametrize(
    ("earlier", "lately"),
    [(DAY, False), (DAY - timedelta(seconds=50), False), (23.9 * HOUR, True), (2 * HOUR, True), (-HOUR, True)],
)
def test_a_conversation_is_not_analysed_twice_a_day(earlier: timedelta, lately: bool) -> None:  # noqa: FBT001 - a table
    """A day is 24 hours less a run's jitter; where the clocks go forward daily runs are too close."""
    assert analysed_lately(NINE, NINE - earlier) is lately
    assert not analysed_lately(NINE, None)


def test_an_opportunity_begins_anew_after_the_customers_own_silence() -> None:
    """Contacts count from the first message after the last silence of so many days."""
    first, second = NINE - 200 * DAY, NINE - 95 * DAY
    wrote = [first, first + DAY, second, NINE]
    assert opportunity_start(wrote, 90) == NINE
    assert opportunity_start(wrote, 96) == second
    assert attempt_number([first, second], wrote, 90) == 1
    assert attempt_number([first, second], wrote, 96) == 2
    assert attempt_number([first, second], wrote, 365) == 3
    assert attempt_number([], wrote, 90) == 1


@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(30, 365))
def test_within_an_opportunity_no_silence_is_long_enough(days: list[int], restart_days: int) -> None:
    """From its first message on every gap is shorter than the restart, and the gap before it is not."""
    wrote = [NINE + one * DAY for one in days]
    start = opportunity_start(wrote, restart_days)
    assert start is not None
    inside = sorted(at for at in wrote if at >= start)
    assert all(b - a < restart_days * DAY for a, b in itertools.pairwise(inside))
    before = [at for at in wrote if at < start]
    assert not before or start - max(before) >= restart_days * DAY


WHERE = Whereabouts(None, "+447700900123", "Europe/London")


def judged(
    definition: Tracking | None = None, *, candidate: dict[str, Any] | None = None, **changes: Any
) -> LeftOut | None:
    """The first reason that keeps a conversation out; without changes there is none."""
    who = Candidate.model_validate(
        {
            "customer_id": 1,
            "phone": "+447700900123",
            "consent": ConsentState.NEVER_SUBSCRIBED,
            "last_inbound_at": NINE - 2 * HOUR,
        }
        | (candidate or {})
    )
    facts: dict[str, Any] = {
        "wrote_at": NINE - 2 * HOUR,
        "text_at": NINE - 2 * HOUR,
        "text_since": NINE - DAY,
        "where": WHERE,
    }
    failed = first_failure(
        evaluate_review(
            who, Reviewed(**(facts | changes)), definition or tracking(), started_at=NINE, now=NINE + timedelta(hours=1)
        )
    )
    return failed.reason if failed is not None else None


@pytest.mark.parametrize(
    ("candidate", "changes", "expected"),
    [
        ({}, {}, None),
        ({"erased": True}, {}, LeftOut.ERASED),
        ({"phone": None}, {}, LeftOut.NO_PHONE),
        ({"phone": None, "has_user_id": True}, {}, None),
        ({"opted_out": True}, {}, LeftOut.UNSUBSCRIBED),
        ({"suppressed": True}, {}, LeftOut.UNSUBSCRIBED),
        ({"consent": ConsentState.REDACTED}, {}, LeftOut.NO_CONSENT),
        ({"phone": "+12025550123", "last_inbound_at": NINE - 2 * DAY}, {}, LeftOut.MARKETING_NOT_DELIVERABLE),
        ({"phone": "+12025550123"}, {}, None),
        ({}, {"text_at": None}, LeftOut.NO_TEXT),
        ({}, {"text_at": NINE - 25 * HOUR}, LeftOut.NO_TEXT),
        ({}, {"is_analysed": True}, LeftOut.ANALYSED),
        ({}, {"analysed_by_run_at": NINE - 23 * HOUR}, LeftOut.ANALYSED_LATELY),
        ({}, {"analysed_by_run_at": NINE - DAY}, None),
        ({}, {"bought_at": NINE - 26 * HOUR}, LeftOut.ALREADY_BOUGHT),
        ({}, {"bought_at": NINE - 26 * HOUR - timedelta(seconds=1)}, None),
        ({}, {"attempt": 4}, LeftOut.MAX_ATTEMPTS),
        ({}, {"attempt": 3}, None),
        ({"open_enrollment_journey": "cart", "open_enrollment_priority": 100}, {}, LeftOut.IN_OTHER_JOURNEY),
        ({"open_enrollment_journey": "back", "open_enrollment_priority": 50}, {}, None),
        ({"open_enrollment_journey": "daily-review", "open_enrollment_priority": 50}, {}, LeftOut.IN_OTHER_JOURNEY),
    ],
)
def test_who_is_left_out_before_the_model_is_paid(
    candidate: dict[str, Any], changes: dict[str, Any], expected: LeftOut | None
) -> None:
    """Each rule keeps out alone, with its word."""
    assert judged(candidate=candidate, **changes) is expected


def test_recent_orders_and_messages_count_as_the_file_says() -> None:
    """Smart sending takes no notice of a reply into the open session, nor of an event that sends nothing."""
    busy = {"last_marketing_at": NINE - DAY, "last_any_order_at": NINE - 3 * DAY}
    asks = tracking(sending={"smart_sending_days": 5})
    assert judged(asks, candidate=busy) is None
    closed = busy | {"last_inbound_at": NINE - 2 * DAY}
    assert judged(asks, candidate=closed) is LeftOut.SMART_SENDING
    later = tracking(sending={"smart_sending_days": 5}, wait_days=2)
    assert judged(later, candidate=busy) is LeftOut.SMART_SENDING
    event = tracking(sending={"smart_sending_days": 5}, act="event")
    assert judged(event, candidate=closed) is None
    assert judged(event, candidate={"opted_out": True}) is LeftOut.UNSUBSCRIBED
    rests = tracking(sending={"recent_order_days": 5, "smart_sending_days": 0})
    assert judged(rests, candidate=busy) is LeftOut.RECENT_ORDER


def test_a_finding_is_entered_for_once() -> None:
    """Right before somebody enters the rules are asked again, what was analysed is not, and one entry is made."""
    who = Candidate(customer_id=1, phone="+447700900123", last_inbound_at=NINE, last_entry_key="analysis-7")
    facts = Reviewed(
        wrote_at=NINE, text_at=None, text_since=NINE, is_analysed=True, analysed_by_run_at=NINE, where=WHERE
    )
    assert first_failure(evaluate_detected(who, facts, tracking(), entry_key="analysis-8", now=NINE)) is None
    failed = first_failure(evaluate_detected(who, facts, tracking(), entry_key="analysis-7", now=NINE))
    assert failed is not None
    assert failed.reason is LeftOut.RE_ENTRY


def test_the_first_contact_waits_in_calendar_days() -> None:
    """So many days after the customer's message at the same local time, across a change of the clocks; never past."""
    wrote_at = datetime(2027, 3, 27, 9, tzinfo=UTC)
    waits = tracking(wait_days=2)
    at = first_contact_at(waits, wrote_at, WHERE, now=wrote_at)
    assert at == datetime(2027, 3, 29, 8, tzinfo=UTC)
    assert first_contact_at(waits, wrote_at, WHERE, now=wrote_at + 5 * DAY) == wrote_at + 5 * DAY
    assert bought_since(wrote_at, 24) == wrote_at - DAY
