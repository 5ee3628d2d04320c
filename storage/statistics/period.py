"""The stretch of time that numbers are asked for: whole days of the store's own calendar."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement

from policies.calendar import start_of_local_day

_UTC = ZoneInfo("UTC")
_EARLIEST, _LATEST = date(2, 1, 1), date(9998, 12, 31)


@dataclass(frozen=True, slots=True)
class Period:
    """Store-local days from `first`, and before `end`; either may be left open."""

    first: date | None = None
    end: date | None = None
    zone: ZoneInfo = _UTC

    @property
    def start_at(self) -> datetime | None:
        """The first moment of it."""
        return None if self.first is None else start_of_local_day(_within_the_calendar(self.first), self.zone)

    @property
    def end_at(self) -> datetime | None:
        """The first moment after it."""
        return None if self.end is None else start_of_local_day(_within_the_calendar(self.end), self.zone)

    def holds(self, at: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """The conditions under which a moment lies within it."""
        found = [] if self.start_at is None else [at >= self.start_at]
        return found if self.end_at is None else [*found, at < self.end_at]

    def holds_day(self, day: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """The conditions under which a local day lies within it."""
        found = [] if self.first is None else [day >= self.first]
        return found if self.end is None else [*found, day < self.end]


def _within_the_calendar(day: date) -> date:
    """A day whose first moment can be told: near the ends of the calendar there is none in UTC."""
    return min(max(day, _EARLIEST), _LATEST)


EVER = Period()
