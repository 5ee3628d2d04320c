"""Which conversations a daily review looks at: how far back, who is left out before the model is paid, which attempt.

A conversation is analysed at most once per last message, and not twice within a day; what that puts off, and what a
run did not get to, is carried over to the next run, so that nobody falls between two.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from models.enums import LeftOut, RunState
from models.tracking import Tracking
from policies.calendar import add_span
from policies.eligibility import Candidate, RuleResult, ago, frequency, in_other_journey, reachability, rule_result
from policies.schedule import Whereabouts, zone_at
from policies.windows import service_window_open

ONCE_IN: Final = timedelta(hours=24)
"""No conversation is analysed twice within this, whatever has been written since."""

LEEWAY: Final = timedelta(minutes=1)
"""How much earlier than `ONCE_IN` a run still counts as the next day's: yesterday's may have begun seconds late."""

LATEST_NEWS: Final = timedelta(hours=72)
"""How much older than the window a message may be of which the store has heard only since the last run."""

_STORED_BY_THEN: Final = timedelta(minutes=10)
"""A message that was being stored when the last run looked may have been seen by nobody."""


class LastRun(BaseModel):
    """The run of the same journey that began last before this one.

    Attributes:
        started_at: when it began.
        since: how far it looked back.
        heard_since: from when on news counted for it that came after their time.
        state: how it ended. Only one that is done has covered its window: one that was stopped, or is running still
            (perhaps for good, because somebody terminated it), counts for nothing yet.
    """

    model_config = ConfigDict(frozen=True)

    started_at: AwareDatetime
    since: AwareDatetime
    heard_since: AwareDatetime | None = None
    state: RunState


def window_start(started_at: datetime, window_hours: int, last: LastRun | None) -> datetime:
    """How far back a run looks: `window_hours`, or to the start of the last run, whichever is further.

    After a run that has not covered its window it goes back to where that one began to look. The bound is inclusive.
    """
    least = started_at - timedelta(hours=window_hours)
    if last is None:
        return least
    return min(least, last.started_at if last.state is RunState.DONE else last.since)


def heard_since(last: LastRun | None) -> datetime | None:
    """From when on news count that came after their time; None in a first run, which has missed nothing yet."""
    if last is None:
        return None
    if last.state is not RunState.DONE and last.heard_since is not None:
        return last.heard_since
    return last.started_at - _STORED_BY_THEN


def analysed_lately(started_at: datetime, analysed_by_run_at: datetime | None) -> bool:
    """Whether the last analysis belongs to a run that began less than a day before this one.

    Where the clocks go forward two daily runs are 23 hours apart: then it is lately.
    """
    return analysed_by_run_at is not None and started_at - analysed_by_run_at < ONCE_IN - LEEWAY


def text_since(since: datetime, wrote_at: datetime, window_hours: int) -> datetime:
    """From when on the customer's words count: the window, and for a message from before it the hours up to that."""
    return since if wrote_at >= since else wrote_at - timedelta(hours=window_hours)


def bought_since(wrote_at: datetime, window_hours: int) -> datetime:
    """An order from this moment on answers the conversation: its customer has bought already."""
    return wrote_at - timedelta(hours=window_hours)


def opportunity_start(wrote: Iterable[datetime], restart_days: int) -> datetime | None:
    """The first message of the opportunity that the newest one belongs to: the one after the last long silence.

    Args:
        wrote: when the customer wrote, in any order.
        restart_days: blocks of 24 hours in which the customer wrote nothing, after which it begins anew.
    """
    start: datetime | None = None
    for at in sorted(wrote, reverse=True):
        if start is not None and start - at >= timedelta(days=restart_days):
            break
        start = at
    return start


def attempt_number(contacts: Iterable[datetime], wrote: Sequence[datetime], restart_days: int) -> int:
    """Which contact of the opportunity another one would be, from 1.

    Args:
        contacts: of each earlier contact the customer's last message that it answered.
        wrote: when the customer wrote, in any order, at least since the earliest contact.
        restart_days: as in `opportunity_start`.
    """
    start = opportunity_start(wrote, restart_days)
    return 1 + sum(start is not None and at >= start for at in contacts)


class Reviewed(BaseModel):
    """What the rules look at in a conversation, beside its customer.

    Attributes:
        wrote_at: the customer's newest message.
        text_at: the newest that has words.
        text_since: from when on words count.
        is_analysed: there is a verdict about this last message already.
        analysed_by_run_at: when the run began that the last analysis of the conversation belongs to.
        bought_at: the customer's latest order that stands.
        attempt: which contact of the opportunity it would be.
        where: what tells the customer's zone.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    wrote_at: AwareDatetime
    text_at: AwareDatetime | None
    text_since: AwareDatetime
    is_analysed: bool = False
    analysed_by_run_at: AwareDatetime | None = None
    bought_at: AwareDatetime | None = None
    attempt: int = 1
    where: Whereabouts


def evaluate_review(
    candidate: Candidate, reviewed: Reviewed, definition: Tracking, *, started_at: datetime, now: datetime
) -> list[RuleResult]:
    """Every rule that is asked before the model is, in the order in which the first failure counts.

    Args:
        candidate: the customer.
        reviewed: the conversation.
        definition: the journey.
        started_at: when the run began.
        now: the moment of the question.
    """
    reply = _is_reply(candidate, reviewed, definition, now)
    return [
        *reachability(candidate, definition.conversations.consent, template_needed=not reply, by_user_id=True),
        _text(reviewed),
        _analysed(reviewed),
        lately(reviewed.analysed_by_run_at, started_at),
        *_of_the_customer(candidate, reviewed, definition, reply=reply, now=now),
    ]


def evaluate_detected(
    candidate: Candidate, reviewed: Reviewed, definition: Tracking, *, entry_key: str | None, now: datetime
) -> list[RuleResult]:
    """What is asked once more of a customer whose conversation shows an open sale, right before they enter."""
    reply = _is_reply(candidate, reviewed, definition, now)
    entered = entry_key is not None and candidate.last_entry_key == entry_key
    return [
        *reachability(candidate, definition.conversations.consent, template_needed=not reply, by_user_id=True),
        *_of_the_customer(candidate, reviewed, definition, reply=reply, now=now),
        rule_result(
            LeftOut.RE_ENTRY,
            passed=not entered,
            seen="entered for it before" if entered else "no entry for it",
            threshold="one entry a finding",
        ),
    ]


def first_contact_at(definition: Tracking, wrote_at: datetime, where: Whereabouts, *, now: datetime) -> datetime:
    """The earliest moment of a follow-up: `wait_days` calendar days after the customer's last message, or now."""
    return max(now, add_span(wrote_at, definition.wait, zone_at(definition, where, wrote_at)))


def _is_reply(candidate: Candidate, reviewed: Reviewed, definition: Tracking, now: datetime) -> bool:
    """Whether nothing but free text into the open session is at stake; where only an event goes out nothing is sent."""
    if definition.act == "event":
        return True
    at = first_contact_at(definition, reviewed.wrote_at, reviewed.where, now=now)
    return service_window_open(candidate.last_inbound_at, at)


def _of_the_customer(
    candidate: Candidate, reviewed: Reviewed, definition: Tracking, *, reply: bool, now: datetime
) -> Iterable[RuleResult]:
    yield _bought(reviewed, definition)
    yield from frequency(candidate, definition, now, is_reply=reply)
    yield _attempts(reviewed, definition)
    yield in_other_journey(candidate, definition)


def _text(reviewed: Reviewed) -> RuleResult:
    at = reviewed.text_at
    return rule_result(
        LeftOut.NO_TEXT,
        passed=at is not None and at >= reviewed.text_since,
        seen="no words of the customer" if at is None else f"last words of the customer {_moment(at)}",
        threshold=f"words of the customer since {_moment(reviewed.text_since)}",
    )


def _analysed(reviewed: Reviewed) -> RuleResult:
    return rule_result(
        LeftOut.ANALYSED,
        passed=not reviewed.is_analysed,
        seen="analysed up to its last message" if reviewed.is_analysed else "not analysed since its last message",
        threshold="one analysis for each last message",
    )


def lately(analysed_by_run_at: datetime | None, started_at: datetime) -> RuleResult:
    """No conversation is analysed by two runs of one day: asked by who is considered, and right before the model is."""
    return rule_result(
        LeftOut.ANALYSED_LATELY,
        passed=not analysed_lately(started_at, analysed_by_run_at),
        seen=ago(analysed_by_run_at, started_at, "analysis"),
        threshold="no analysis by a run of the 24 hours before; the next run looks again",
    )


def _bought(reviewed: Reviewed, definition: Tracking) -> RuleResult:
    since = bought_since(reviewed.wrote_at, definition.window_hours)
    return rule_result(
        LeftOut.ALREADY_BOUGHT,
        passed=reviewed.bought_at is None or reviewed.bought_at < since,
        seen="no order" if reviewed.bought_at is None else f"an order {_moment(reviewed.bought_at)}",
        threshold=f"no order since {_moment(since)}",
    )


def _attempts(reviewed: Reviewed, definition: Tracking) -> RuleResult:
    earlier = reviewed.attempt - 1
    return rule_result(
        LeftOut.MAX_ATTEMPTS,
        passed=reviewed.attempt <= definition.max_attempts,
        seen=f"{earlier} follow-up{'' if earlier == 1 else 's'} of this journey for the same opportunity",
        threshold=f"fewer than {definition.max_attempts}, "
        f"or {definition.restart_days} x 24 hours in which the customer wrote nothing",
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
