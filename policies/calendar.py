"""Local time, done once: sending hours, calendar spans and local days, correct across clock changes.

Every moment that comes in is aware and every moment that goes out is aware UTC. Two facts of time zones shape the
code. In a *gap* (clocks go forward) some local times never happen; in a *fold* (clocks go back) some happen twice.
Sending hours follow the recipient's wall clock at each instant, so `is_open` is the definition and the two searches
only look for the instants at which it can change: an edge of the window on the wall clock, or a change of the offset.
"""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from models.hours import BUSINESS_WEEKDAYS, BUSINESS_WORD, MINUTES_A_DAY, parse_hours
from models.journey import Span, Unit, Weekday

_DAY = timedelta(days=1)
_WEEKDAYS = tuple(Weekday)

# Days to look ahead: nearly every answer is near; the far look covers a weekly window whose own day a zone skipped.
_HORIZONS = (2, 16)

# Offsets are compared at this distance; no zone has changed its offset twice within it.
_PROBE = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class SendingHours:
    """When messages may go: a half-open local interval on chosen weekdays.

    Attributes:
        start: first open minute of the local day, 0 to 1439.
        end: first closed minute, 1 to 1440; smaller than `start` when the window crosses midnight.
        weekdays: days on which a window starts, as `datetime.weekday()` counts them (Monday is 0).
    """

    start: int
    end: int
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str, weekdays: Sequence[Weekday] = _WEEKDAYS) -> "SendingHours":
        """Read hours as a person writes them.

        Args:
            text: `08:00-22:00`, `20:00-02:00` (crosses midnight), `00:00-24:00` (always), or `business`
                (Mon-Fri 08:00-18:00, of which only the given weekdays stay); the grammar is `models.hours`.
            weekdays: the days on which a window starts.

        Raises:
            ValueError: the text is no such interval, the interval is empty, or no day is left.
        """
        days = frozenset(_WEEKDAYS.index(day) for day in weekdays)
        if not days:
            raise ValueError("weekdays is empty; name at least one day, such as [mon, tue]")
        interval = parse_hours(text)
        if text.strip().lower() == BUSINESS_WORD:
            days &= BUSINESS_WEEKDAYS
            if not days:
                raise ValueError("'business' is Monday to Friday, and weekdays names none of them")
        return cls(start=interval.start_minute, end=interval.end_minute, weekdays=days)

    @property
    def crosses_midnight(self) -> bool:
        """Whether the window ends on the day after the one on which it starts."""
        return self.end < self.start

    @property
    def always(self) -> bool:
        """Whether no moment is ever closed."""
        return (self.start, self.end, len(self.weekdays)) == (0, MINUTES_A_DAY, len(_WEEKDAYS))


def is_open(at: datetime, hours: SendingHours, zone: ZoneInfo) -> bool:
    """Whether the wall clock in `zone` stands inside the hours at `at`; the end itself is closed.

    Raises:
        ValueError: `at` is naive.
    """
    local = _utc(at).astimezone(zone)
    minute = local.hour * 60 + local.minute
    today = local.weekday() in hours.weekdays
    if not hours.crosses_midnight:
        return today and hours.start <= minute < hours.end
    yesterday = (local.weekday() - 1) % 7 in hours.weekdays
    return (today and minute >= hours.start) or (yesterday and minute < hours.end)


def next_opening(at: datetime, hours: SendingHours, zone: ZoneInfo) -> datetime:
    """The first open moment from `at` on; `at` itself when it is open.

    Raises:
        ValueError: `at` is naive.
    """
    moment = _utc(at)
    if is_open(moment, hours, zone):
        return moment
    opening = _next_change(moment, hours, zone)
    if opening is None:  # Cannot happen: hours hold at least one minute of at least one weekday.
        raise ValueError(f"no opening within {_HORIZONS[-1]} days")
    return opening


def closes_at(at: datetime, hours: SendingHours, zone: ZoneInfo) -> datetime | None:
    """The end of the open interval that holds `at`, or of the next one when `at` is closed; None if they never close.

    Total on purpose: a message may be ready only after closing time, and is then due to go in the next interval.

    Raises:
        ValueError: `at` is naive.
    """
    return None if hours.always else _next_change(next_opening(at, hours, zone), hours, zone)


def add_span(anchor: datetime, span: Span, zone: ZoneInfo) -> datetime:
    """The moment a span after the anchor (DESIGN section 5).

    Minutes and hours are elapsed time. Days and months keep the local time of day; a month that is too short gives
    its last day. A local time inside a gap moves forward by the gap's length (02:30 becomes 03:30, as in RFC 5545);
    one that happens twice is the first of the two. An empty span is the anchor itself.

    Raises:
        ValueError: the anchor is naive, or the result lies beyond the year 9999.
    """
    moment = _utc(anchor)
    if span.amount == 0:
        return moment
    local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    try:
        match span.unit:
            case Unit.MINUTES:
                return moment + timedelta(minutes=span.amount)
            case Unit.HOURS:
                return moment + timedelta(hours=span.amount)
            case Unit.DAYS:
                return _at_local(local + timedelta(days=span.amount), zone)
            case Unit.MONTHS:
                return _at_local(_add_months(local, span.amount), zone)
            case _:
                assert_never(span.unit)
    except OverflowError:
        raise ValueError(f"{span} after that moment lies beyond the calendar") from None


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """The date on the wall in `zone` at `at`.

    Raises:
        ValueError: `at` is naive.
    """
    return _utc(at).astimezone(zone).date()


def inactive_days(last_order_at: datetime, now: datetime, zone: ZoneInfo) -> int:
    """Calendar dates of `zone` between the last order and now; negative for an order that is still to come.

    Raises:
        ValueError: one of the moments is naive.
    """
    return (local_date(now, zone) - local_date(last_order_at, zone)).days


def start_of_local_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a local day.

    Where clocks jump over midnight the day starts after the jump; a day that a zone skipped altogether starts, and
    ends, with its successor.
    """
    return first_moment(day, time(), zone)


def first_moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first moment at which the wall in `zone` shows this time of this day, or has jumped over it.

    Of a time that comes twice it is the first; one that does not come gives the first moment after the gap, which is
    on a later day where the rest of this one was skipped.
    """
    local = datetime.combine(day, clock)
    moment = _at_local(local, zone)
    if moment.astimezone(zone).replace(tzinfo=None) == local:
        return moment
    before = _offset(moment - 2 * _DAY, zone)
    return _transition(moment - 2 * _DAY, moment, zone, before)


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a naive moment has no place on the calendar; give it its zone")
    return at.astimezone(UTC)


def _at_local(naive: datetime, zone: ZoneInfo) -> datetime:
    """The UTC moment of a local time: the first of two in a fold, moved on by the gap's length in a gap."""
    return naive.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _add_months(local: datetime, months: int) -> datetime:
    years, month = divmod(local.month - 1 + months, 12)
    year, month = local.year + years, month + 1
    if year > MAXYEAR:
        raise OverflowError
    return local.replace(year=year, month=month, day=min(local.day, calendar.monthrange(year, month)[1]))


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _transition(low: datetime, high: datetime, zone: ZoneInfo, before: timedelta | None) -> datetime:
    """The instant in (low, high] from which the offset is no longer `before`; zones change on whole seconds."""
    low = low.replace(microsecond=0)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _next_change(at: datetime, hours: SendingHours, zone: ZoneInfo) -> datetime | None:
    """The first instant after `at` at which `is_open` gives another answer."""
    now_open = is_open(at, hours, zone)
    for horizon in _HORIZONS:
        end = at + horizon * _DAY
        instants = {*_boundaries(at, horizon, hours, zone), *_transitions(at, end, zone)}
        for instant in sorted(instants):
            if at < instant <= end and is_open(instant, hours, zone) != now_open:
                return instant
    return None


def _boundaries(at: datetime, horizon: int, hours: SendingHours, zone: ZoneInfo) -> Iterator[datetime]:
    """Every instant around the horizon at which the wall clock shows an edge of the window.

    Midnight needs no place of its own: a window that does not cross it has an edge there or is closed on both sides.

    A time in a fold gives both its instants, one in a gap two that mean nothing; `_next_change` tests each. Two days
    to either side, for a zone that crosses the date line inside the horizon.
    """
    today = at.astimezone(zone).date()
    for shift in range(-2, horizon + 3):
        midnight = datetime.combine(today + timedelta(days=shift), time())
        for minute in (hours.start, hours.end % MINUTES_A_DAY):
            local = midnight + timedelta(minutes=minute)
            yield local.replace(tzinfo=zone, fold=0).astimezone(UTC)
            yield local.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _transitions(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Every instant in (start, end] at which the zone's offset changes."""
    low, before = start, _offset(start, zone)
    while low < end:
        high = low + _PROBE
        after = _offset(high, zone)
        if after != before:
            yield _transition(low, high, zone, before)
        low, before = high, after
