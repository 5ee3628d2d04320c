"""How many enter on which day, and when within it: the pacing of new entrants (DESIGN section 5).

Everything here is decided by order and by hash, never by chance, so that a selection that crashes half-way gives the
same days and slots when it runs again.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.journey import SendingRules
from policies.calendar import SendingHours, closes_at, local_date, next_opening, start_of_local_day

_BITS = 64


def assign_days(
    queue: Sequence[object],
    *,
    already_by_day: Mapping[date, int],
    first_day: date,
    max_per_day: int,
    hours: SendingHours | None = None,
) -> list[date]:
    """The day on which each of the queue enters: the earliest with room, in the order of the queue.

    Args:
        queue: the entrants, best first; only their number and order count.
        already_by_day: how many have a day already, by store-local day.
        first_day: the first day that may be given, the store's today as a rule.
        max_per_day: new entrants a day.
        hours: if given, days on which no sending window starts are passed over, so that a weekend's entrants do not
            pile up on Monday.

    Raises:
        ValueError: `max_per_day` is below 1.
    """
    if max_per_day < 1:
        raise ValueError("max_per_day must be at least 1")
    taken = Counter(already_by_day)
    days: list[date] = []
    day = first_day
    for _ in queue:
        while taken[day] >= max_per_day or (hours is not None and day.weekday() not in hours.weekdays):
            day += timedelta(days=1)
        taken[day] += 1
        days.append(day)
    return days


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody with a later day; one of the control group takes no room of it."""

    day: date
    control: bool


def put_off(
    queue: Iterable[Waiter],
    *,
    entered_today: int,
    today: date,
    max_per_day: int,
    hours: SendingHours | None = None,
) -> list[date]:
    """The days of those who wait, where a day has passed without them: during a pause, or while nothing ran.

    All who missed their day at once would be more than a day takes, so that whoever waits is put off behind them, in
    the same order. Nobody's day comes earlier; the control group goes along with the one before.

    Args:
        queue: who waits, in the order of their days.
        entered_today: how many have entered today already.
        today: the first day that may be given.
        max_per_day: new entrants a day.
        hours: as for `assign_days`.

    Raises:
        ValueError: `max_per_day` is below 1.
    """
    if max_per_day < 1:
        raise ValueError("max_per_day must be at least 1")
    days: list[date] = []
    day, room = _open_day(today, hours), max_per_day
    if day == today:
        room -= entered_today
    if room <= 0:
        day, room = _open_day(day + timedelta(days=1), hours), max_per_day
    for one in queue:
        if one.day > day or (room <= 0 and not one.control):
            day, room = _open_day(max(one.day, day + timedelta(days=1)), hours), max_per_day
        room -= not one.control
        days.append(day)
    return days


def _open_day(day: date, hours: SendingHours | None) -> date:
    while hours is not None and day.weekday() not in hours.weekdays:
        day += timedelta(days=1)
    return day


def spread_offset(key: str, open_seconds: int) -> int:
    """A fixed place for the key within so many seconds, 0 (included) to `open_seconds` (not included)."""
    if open_seconds <= 0:
        return 0
    draw = int.from_bytes(hashlib.sha256(key.encode()).digest()[: _BITS // 8])
    return draw * open_seconds >> _BITS


def start_moment(
    key: str, day: date, rules: SendingRules, hours: SendingHours, zone: ZoneInfo, now: datetime
) -> datetime:
    """When an entrant's journey starts on its day.

    Without spread: at once if the day has come, else at the day's first open moment. With `spread: day`: at the
    key's own place within what remains of the day's open hours, or of the next day that has any.

    Args:
        key: what is fixed about the entrant, such as the workflow id.
        day: the local day of `zone` that the entrant was given.
        rules: the journey's sending rules, for `spread`.
        hours: the parsed hours of the same rules.
        zone: in which days and hours are reckoned.
        now: the result is never earlier.

    Raises:
        ValueError: `now` is naive.
    """
    today = local_date(now, zone)
    if rules.spread == "none":
        return now.astimezone(UTC) if day <= today else next_opening(start_of_local_day(day, zone), hours, zone)
    day = max(day, today)
    earliest = max(now.astimezone(UTC), start_of_local_day(day, zone))
    while True:
        day += timedelta(days=1)
        midnight = start_of_local_day(day, zone)
        intervals = list(_open_intervals(earliest, midnight, hours, zone))
        if intervals:
            return _place(key, intervals)
        earliest = midnight


def _open_intervals(
    start: datetime, end: datetime, hours: SendingHours, zone: ZoneInfo
) -> Iterator[tuple[datetime, datetime]]:
    """The open parts of [start, end) that last at least a second, in order."""
    opening = next_opening(start, hours, zone)
    while opening < end:
        closing = min(closes_at(opening, hours, zone) or end, end)
        if closing - opening >= timedelta(seconds=1):
            yield opening, closing
        opening = next_opening(closing, hours, zone)


def _place(key: str, intervals: Sequence[tuple[datetime, datetime]]) -> datetime:
    """The key's moment within the intervals laid end to end, in whole seconds."""
    lengths = [int((closing - opening).total_seconds()) for opening, closing in intervals]
    offset = spread_offset(key, sum(lengths))
    for (opening, _), length in zip(intervals, lengths, strict=True):
        if offset < length:
            return opening + timedelta(seconds=offset)
        offset -= length
    raise AssertionError("spread_offset stays below the open seconds")  # pragma: no cover
