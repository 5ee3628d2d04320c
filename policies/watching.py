"""When a silence or a cart becomes somebody's entry, and when a journey that said no is asked again.

A watch reads conversations and checkouts from the database by the moment at which they went quiet. Days and months
have no fixed length, so what may be due is first bounded (`latest_start`) and then reckoned exactly (`entry_moment`).
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import assert_never

from models.enums import LeftOut
from models.journey import AbandonedCart, FollowUp, JourneyDefinition, Span, Unit
from policies.calendar import add_span, next_opening
from policies.eligibility import Candidate
from policies.schedule import Whereabouts, sending_hours, zone_at

_LEAST_SPACING = timedelta(minutes=1)
_MOST_SPACING = timedelta(minutes=10)
_LOOKS_PER_DELAY = 12
_CLOCK_CHANGE = timedelta(hours=3)
_SHORTEST_MONTHS = timedelta(days=3)
_opening = lru_cache(maxsize=256)(next_opening)
"""A look at night asks the same of everybody who waits for the morning, thousands of times."""


def long_enough_at(definition: FollowUp | AbandonedCart, since: datetime, where: Whereabouts) -> datetime:
    """When what has been quiet since `since` has been so for the journey's delay, whatever its hours."""
    return add_span(since, definition.entry_delay, zone_at(definition, where, since))


def entry_moment(
    definition: FollowUp | AbandonedCart, since: datetime, where: Whereabouts, *, not_before: datetime
) -> datetime:
    """When what has been quiet since `since` may enter: the journey's delay, then the next open hour.

    A silence that is long enough at night enters in the morning, so that the day's number counts those who are written
    to on that day, and whoever answers before is never in the journey at all.

    Args:
        definition: the journey.
        since: when the silence, or the idleness of the cart, began.
        where: what tells the customer's zone.
        not_before: the answer is never earlier, and open then.
    """
    at = max(long_enough_at(definition, since, where), not_before)
    return _opening(at, sending_hours(definition.sending), zone_at(definition, where, at))


def latest_start(span: Span, now: datetime) -> datetime:
    """A bound: what began later has not lasted for the span by `now` in any zone; what began earlier may have."""
    match span.unit:
        case Unit.MINUTES | Unit.HOURS:
            return now - _elapsed(span)
        case Unit.DAYS:
            return min(now, now - _elapsed(span) + _CLOCK_CHANGE)
        case Unit.MONTHS:
            return min(now, now - _elapsed(span) + _SHORTEST_MONTHS)
        case _:
            assert_never(span.unit)


def earliest_due(span: Span, since: datetime) -> datetime:
    """The other bound: what began at `since` has not lasted for the span before this moment in any zone."""
    return since + (since - latest_start(span, since))


def spacing(definition: FollowUp | AbandonedCart) -> timedelta:
    """The least time between two looks of a journey's watch: what becomes due in between is found together."""
    return max(_LEAST_SPACING, min(_elapsed(definition.entry_delay) / _LOOKS_PER_DELAY, _MOST_SPACING))


def covers_column(definition: FollowUp, column: str | None, taken: Collection[str]) -> bool:
    """Whether a follow-up answers conversations of a column; one for all columns leaves out those that are `taken`."""
    own = definition.conversations.column
    return column not in taken if own is None else column == own


def ask_again_at(reason: LeftOut, candidate: Candidate, definition: JourneyDefinition) -> datetime | None:
    """The earliest moment at which a reason can have passed although nothing new happened; None if it cannot.

    The end of another journey of ours is told to the watch when it comes (`storage.watches.ask_again`).
    """
    sending = definition.sending
    match reason:
        case LeftOut.RECENT_ORDER:
            ordered = [at for at in (candidate.last_any_order_at, candidate.last_order_at) if at is not None]
            return max(ordered) + timedelta(days=sending.recent_order_days) if ordered else None
        case LeftOut.SMART_SENDING:
            last = candidate.last_marketing_at
            return last + timedelta(days=sending.smart_sending_days) if last is not None else None
        case LeftOut.IN_OTHER_JOURNEY:
            return candidate.open_enrollment_until
        case _:
            return None


def _elapsed(span: Span) -> timedelta:
    """The span's length, that of months rounded down to thirty days each."""
    match span.unit:
        case Unit.MINUTES:
            return timedelta(minutes=span.amount)
        case Unit.HOURS:
            return timedelta(hours=span.amount)
        case Unit.DAYS:
            return timedelta(days=span.amount)
        case Unit.MONTHS:
            return timedelta(days=30 * span.amount)
        case _:
            assert_never(span.unit)
