"""When the runs of a daily review begin: a local time on chosen weekdays, right across clock changes.

A local time that does not come on a day gives the first moment after the gap, one that comes twice the first of the
two; so every active day has exactly one run. Temporal's own calendars answer such days differently from zone to zone
(`activities.schedule_specs`), which is why those days are told apart here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from models.sending import Weekday
from models.tracking import Tracking
from policies.calendar import first_moment, local_date

_DAY = timedelta(days=1)
_WEEKDAYS = tuple(Weekday)


class Oddity(StrEnum):
    """What a clock change does to a time of day."""

    MISSING = "missing"
    TWICE = "twice"


@dataclass(frozen=True, slots=True)
class OddDay:
    """A day on which the clocks jump over the time of the run, or show it twice, and when the run begins on it."""

    day: date
    oddity: Oddity
    at: datetime


@dataclass(frozen=True, slots=True)
class RunTimes:
    """When runs begin.

    Attributes:
        clock: local time of day, to the minute.
        weekdays: the local days that have a run; at least one.
        zone: the store's.
    """

    clock: time
    weekdays: frozenset[Weekday]
    zone: ZoneInfo

    @classmethod
    def of(cls, definition: Tracking, zone: ZoneInfo) -> "RunTimes":
        """As the definition has them."""
        return cls(definition.run_time, frozenset(definition.weekdays), zone)

    def has(self, day: date) -> bool:
        """Whether a run begins on this local day."""
        return _WEEKDAYS[day.weekday()] in self.weekdays

    def on(self, day: date) -> datetime | None:
        """When the day's run begins; None if it has none, or if the zone skipped the day or the rest of it."""
        if not self.has(day):
            return None
        at = first_moment(day, self.clock, self.zone)
        return at if local_date(at, self.zone) == day else None

    def runs(self, after: datetime) -> Iterator[datetime]:
        """Every run from a moment on, without end.

        Raises:
            ValueError: `after` is naive.
        """
        day = local_date(after, self.zone) - _DAY  # a zone may go back over midnight
        while True:
            at = self.on(day)
            if at is not None and at >= after:
                yield at
            day += _DAY

    def following(self, after: datetime) -> datetime:
        """The first run at a moment or after it."""
        return next(self.runs(after))

    def latest(self, before: datetime) -> datetime:
        """The last run at a moment or before it."""
        day = local_date(before, self.zone) + _DAY
        while True:
            at = self.on(day)
            if at is not None and at <= before:
                return at
            day -= _DAY

    def odd_days(self, since: datetime, *, days: int) -> list[OddDay]:
        """The days with a run that a clock change touches, from a moment's local day on."""
        first = local_date(since, self.zone)
        found = []
        for day in (first + number * _DAY for number in range(days)):
            at = self.on(day)
            if at is None:
                continue
            local = at.astimezone(self.zone)
            if local.time() != self.clock:
                found.append(OddDay(day, Oddity.MISSING, at))
            elif _second(day, self.clock, self.zone) != at:
                found.append(OddDay(day, Oddity.TWICE, at))
        return found


def _second(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The last moment at which the wall shows this time of this day, for a time that comes at all."""
    return datetime.combine(day, clock).replace(tzinfo=zone, fold=1).astimezone(UTC)
