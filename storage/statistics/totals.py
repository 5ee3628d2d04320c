"""All numbers of a journey at once, for all of it or row by row."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, ColumnElement, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttributedBy
from storage.statistics.costs import charges
from storage.statistics.facts import Fact, Source, flag
from storage.statistics.grouping import PLACE, WHOLE, By, Grouping, RowLabel, grouping_of
from storage.statistics.messages import FAILED, failure_key, message_key, messages
from storage.statistics.orders import orders
from storage.statistics.outside import left_out, paced
from storage.statistics.passages import passages
from storage.statistics.period import EVER, Period
from storage.statistics.scope import Scope, fetch, scope_of
from storage.statistics.times import NOBODY, Times, times


@dataclass(slots=True)
class Revenue:
    """What is left of one currency's orders, in minor units, by what credits them; `with_code` used the coupon."""

    window: int = 0
    coupon: int = 0
    with_code: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.window + self.coupon


@dataclass(slots=True)
class Totals:
    """The numbers of a journey, or of one row of it.

    Attributes:
        counts: by key, as `lists` opens them; a key that is missing counts nothing.
        revenue: by currency; those of different currencies are never added.
        credits: what was charged.
        to_reply: from an accepted message to the customer's first words after it.
        to_order: from the last accepted message before an attributed order to the order.
    """

    counts: Counter[str] = field(default_factory=Counter)
    revenue: dict[str, Revenue] = field(default_factory=lambda: defaultdict(Revenue))
    credits: int = 0
    to_reply: Times = NOBODY
    to_order: Times = NOBODY

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened at all."""
        return not self.counts and not self.credits


async def totals(session: AsyncSession, journey_id: int, period: Period = EVER) -> Totals:
    """A journey's numbers, over all its versions."""
    scope = await scope_of(session, journey_id, period)
    return (await _count(session, scope, WHOLE)).get(0, Totals())


async def totals_by(
    session: AsyncSession, journey_id: int, by: By, *, zone: ZoneInfo, period: Period = EVER
) -> list[tuple[RowLabel, Totals]]:
    """The same split into rows, in order; days and weeks (`zone`'s own) on which nothing happened are left out.

    Counts, revenue and credits add up to those of `totals`; times do not.
    """
    scope = await scope_of(session, journey_id, period)
    grouping = await grouping_of(session, scope, by, zone)
    if not grouping.labels:
        return []
    found = await _count(session, scope, grouping)
    rows = [(label, found.get(place, Totals())) for place, label in enumerate(grouping.labels)]
    return [row for row in rows if not (grouping.by_time and row[1].is_empty)]


async def _count(session: AsyncSession, scope: Scope, grouping: Grouping) -> dict[int, Totals]:
    found: dict[int, Totals] = defaultdict(Totals)
    for source in (passages(scope), left_out(scope)):
        for place, counts in await _facts(session, source, grouping):
            found[place].counts.update(counts)
    await _count_paced(session, scope, grouping, found)
    await _count_messages(session, scope, grouping, found)
    await _count_orders(session, scope, grouping, found)
    for place, amount in await _sum(session, charges(scope), grouping):
        found[place].credits = -amount
    return found


async def _facts(session: AsyncSession, source: Source, grouping: Grouping) -> list[tuple[int, Counter[str]]]:
    """Count facts; where each has the row of its own moment, those of one moment at a time."""
    by_moment: dict[str, dict[str, Fact]] = defaultdict(dict)
    for key, fact in source.facts.items():
        by_moment[str(fact.at.key) if grouping.by_time else ""][key] = fact
    found = []
    for facts in by_moment.values():
        at = next(iter(facts.values())).at
        place = grouping.place(source.rows.c.version_id, at)
        statement = select(place, *_sums(facts)).group_by(PLACE)
        if grouping.by_time:
            statement = statement.where(at.is_not(None))
        found += [(row[0], _counter(facts, row[1:])) for row in await fetch(session, statement)]
    return found


async def _count_paced(session: AsyncSession, scope: Scope, grouping: Grouping, found: dict[int, Totals]) -> None:
    """Who waits for a day counts on that day, which is a day already and has no moment."""
    source = paced(scope)
    if scope.watches:
        for place, counts in await _facts(session, source, grouping):
            found[place].counts.update(counts)
        return
    rows = source.rows
    key = rows.c.day.label("place") if grouping.by_time else grouping.place(rows.c.version_id, rows.c.day)
    for place, number in await fetch(session, select(key, func.count()).select_from(rows).group_by(PLACE)):
        found[grouping.place_of_day(place) if grouping.by_time else place].counts["paced"] += number


async def _count_messages(session: AsyncSession, scope: Scope, grouping: Grouping, found: dict[int, Totals]) -> None:
    source = messages(scope)
    row = source.rows.c
    place = grouping.place(row.version_id, row.at)
    statement = select(place, row.stage, row.code, *_sums(source.facts)).group_by(PLACE, row.stage, row.code)
    for where, stage, code, *sums in await fetch(session, statement):
        counts = _counter(source.facts, sums)
        if code is not None:
            counts[failure_key(code)] = counts[FAILED]
        for word, number in counts.items():
            found[where].counts[message_key(word)] += number
            found[where].counts[message_key(word, stage)] += number
    replied = await times(
        session, scope, grouping, source, fact=source.facts["replied"], since=row.at, until=row.replied_at
    )
    for where, taken in replied.items():
        found[where].to_reply = taken


async def _count_orders(session: AsyncSession, scope: Scope, grouping: Grouping, found: dict[int, Totals]) -> None:
    source = orders(scope)
    row = source.rows.c
    for where, counts in await _facts(session, source, grouping):
        found[where].counts.update(counts)
    place = grouping.place(row.version_id, row.ordered_at)
    keys = (row.currency, row.attributed_by, row.with_code)
    for where, currency, by, with_code, minor in await fetch(
        session, select(place, *keys, func.sum(row.total_minor)).group_by(PLACE, *keys)
    ):
        revenue = found[where].revenue[currency]
        if by == AttributedBy.WINDOW:
            revenue.window += int(minor)
        else:
            revenue.coupon += int(minor)
        revenue.with_code += int(minor) if with_code else 0
    timed = source.facts["orders:after_message"]
    taken_times = await times(session, scope, grouping, source, fact=timed, since=row.message_at, until=row.ordered_at)
    for where, taken in taken_times.items():
        found[where].to_order = taken


async def _sum(session: AsyncSession, lines: CTE, grouping: Grouping) -> list[tuple[int, int]]:
    place = grouping.place(lines.c.version_id, lines.c.at)
    rows = await fetch(session, select(place, func.sum(lines.c.amount)).group_by(PLACE))
    return [(where, int(amount)) for where, amount in rows]


def _sums(facts: Mapping[str, Fact]) -> list[ColumnElement[Any]]:
    return [func.sum(flag(fact.where)) for fact in facts.values()]


def _counter(facts: Mapping[str, Fact], sums: Iterable[int | None]) -> Counter[str]:
    return Counter({key: int(number) for key, number in zip(facts, sums, strict=True) if number})
