"""How numbers are split into rows: by version, by coupon, or by the store's own days and weeks."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Integer, Label, case, func, literal_column
from sqlmodel.ext.asyncio.session import AsyncSession

from policies.calendar import local_date, start_of_local_day
from storage.statistics.scope import Scope, fetch
from storage.statistics.tables import (
    ANALYSES,
    ATTEMPTS,
    CREDITS,
    DECISIONS,
    ENROLLMENTS,
    ORDERS,
    PACED,
    SENDS,
    WATCH_ANSWERS,
    Query,
    pick,
)

_WEEK = 7


class By(StrEnum):
    """What the rows are."""

    VERSION = "version"
    DAY = "day"
    WEEK = "week"
    COUPON = "coupon"


@dataclass(frozen=True, slots=True)
class RowLabel:
    """What a row stands for: one of the three, or none of them for the versions without a coupon.

    Attributes:
        version: a version's number.
        day: a day, or the Monday of a week.
        coupon: a code, or what a personal coupon is worth.
    """

    version: int | None = None
    day: date | None = None
    coupon: str | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows in order, each with its label, and how SQL tells the place of the row that a fact belongs to.

    Attributes:
        places: of each version, by its id.
        starts: the first moments of the rows, where they are stretches of time.
        days: the local days on which they start.
    """

    labels: tuple[RowLabel, ...]
    places: Mapping[int, int] = field(default_factory=dict)
    starts: tuple[datetime, ...] = ()
    days: tuple[date, ...] = ()

    @property
    def by_time(self) -> bool:
        """Whether each fact has the row of its own moment."""
        return bool(self.starts)

    def place(self, version_id: ColumnElement[Any], at: ColumnElement[Any]) -> Label[int]:
        """The place of the row that a fact belongs to, to be grouped by as `PLACE`."""
        found: ColumnElement[int] = literal_column("0", Integer)
        if self.starts:
            found = _bucket(at, self.starts, 0, len(self.starts))
        elif self.places:
            found = case(self.places, value=version_id, else_=found)
        return found.label("place")

    def place_of_day(self, day: date) -> int:
        """The place of the row that a local day belongs to."""
        return max(bisect_right(self.days, day) - 1, 0)


WHOLE = Grouping((RowLabel(),))
"""One row for everything."""

PLACE: Final[ColumnElement[int]] = literal_column("place", Integer)
"""What statements group by: the name, since the expression is long and full of parameters."""


async def grouping_of(session: AsyncSession, scope: Scope, by: By, zone: ZoneInfo) -> Grouping:
    """The rows by which a journey's numbers are split."""
    match by:
        case By.VERSION:
            labels = tuple(RowLabel(version=version.number) for version in scope.versions)
            return Grouping(labels, {version.id: place for place, version in enumerate(scope.versions)})
        case By.COUPON:
            coupons = list(dict.fromkeys(version.coupon_label for version in scope.versions))
            places = {version.id: coupons.index(version.coupon_label) for version in scope.versions}
            return Grouping(tuple(RowLabel(coupon=coupon) for coupon in coupons), places)
        case By.DAY | By.WEEK:
            extent = await _extent(session, scope, zone)
            if extent is None:
                return Grouping(())
            days = _days(*extent, weeks=by is By.WEEK)
            starts = tuple(start_of_local_day(day, zone) for day in days)
            return Grouping(tuple(RowLabel(day=day) for day in days), starts=starts, days=tuple(days))


def _days(first: date, last: date, *, weeks: bool) -> list[date]:
    step = _WEEK if weeks else 1
    first -= timedelta(days=first.weekday() if weeks else 0)
    return [first + timedelta(days=number) for number in range(0, (last - first).days + 1, step)]


def _bucket(at: ColumnElement[Any], starts: Sequence[datetime], low: int, high: int) -> ColumnElement[int]:
    """Which of the stretches holds a moment: halved again and again, so that a year costs nine comparisons a row."""
    if high - low == 1:
        return literal_column(str(low))
    middle = (low + high) // 2
    return case((at < starts[middle], _bucket(at, starts, low, middle)), else_=_bucket(at, starts, middle, high))


async def _extent(session: AsyncSession, scope: Scope, zone: ZoneInfo) -> tuple[date, date] | None:
    """The first and the last local day on which anything happened."""
    of_journey = (
        (ENROLLMENTS.c.journey_id, (ENROLLMENTS.c.entered_at, ENROLLMENTS.c.closed_at)),
        (ORDERS.c.attributed_journey_id, (ORDERS.c.ordered_at,)),
        (DECISIONS.c.journey_id, (DECISIONS.c.at,)),
        (WATCH_ANSWERS.c.journey_id, (WATCH_ANSWERS.c.since,)),
        (SENDS.c.journey_id, (SENDS.c.settled_at, SENDS.c.received_at, SENDS.c.drafted_at, SENDS.c.checked_at)),
    )
    queries = [_ends(*columns).where(journey_id == scope.journey_id) for journey_id, columns in of_journey]
    tries = _ends(ATTEMPTS.c.claimed_at, ATTEMPTS.c.accepted_at, ATTEMPTS.c.failed_at).select_from(ATTEMPTS)
    queries.append(tries.join(SENDS).where(SENDS.c.journey_id == scope.journey_id))
    charged = _ends(CREDITS.c.at).select_from(CREDITS)
    queries += [charged.join(table).where(table.c.journey_id == scope.journey_id) for table in (SENDS, ANALYSES)]
    moments = [moment for query in queries for moment in await _found(session, query)]
    days = {local_date(moment, zone) for moment in moments}
    days.update(await _found(session, _ends(PACED.c.day).where(PACED.c.journey_id == scope.journey_id)))
    return (min(days), max(days)) if days else None


def _ends(*columns: ColumnElement[Any]) -> Query:
    return pick(*(end(column) for column in columns for end in (func.min, func.max)))


async def _found(session: AsyncSession, query: Query) -> list[Any]:
    return [one for row in await fetch(session, query) for one in row if one is not None]
