"""How long people took, as percentiles worked out by the database: no list of them is ever read."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, cast, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.statistics.facts import Fact, Source
from storage.statistics.grouping import Grouping
from storage.statistics.scope import Scope, fetch


@dataclass(frozen=True, slots=True)
class Times:
    """Lengths of time in whole seconds: how many there are, the middle one, and the one that nine in ten do not exceed.

    Both are of the nearest rank: one that really occurred.
    """

    number: int = 0
    median: int | None = None
    ninetieth: int | None = None


NOBODY = Times()


async def times(
    session: AsyncSession,
    scope: Scope,
    grouping: Grouping,
    source: Source,
    *,
    fact: Fact,
    since: ColumnElement[Any],
    until: ColumnElement[Any],
) -> dict[int, Times]:
    """The time from one moment to another of the rows that a fact counts, by the grouping's place."""
    rows = source.rows
    lengths = (
        select(
            grouping.place(rows.c.version_id, fact.at),
            (_seconds(scope, until) - _seconds(scope, since)).label("seconds"),
        )
        .where(fact.where)
        .cte("lengths")
    )
    ranked = select(
        lengths.c.place,
        lengths.c.seconds,
        func.row_number().over(partition_by=lengths.c.place, order_by=lengths.c.seconds).label("rank"),
        func.count().over(partition_by=lengths.c.place).label("number"),
    ).subquery("ranked")
    row = ranked.c
    median, ninetieth = _nearest(row.number, 50), _nearest(row.number, 90)
    found = await fetch(
        session,
        select(row.place, row.number, row.seconds, (row.rank == median), (row.rank == ninetieth)).where(
            (row.rank == median) | (row.rank == ninetieth)
        ),
    )
    answers: dict[int, Times] = {}
    for place, number, seconds, is_median, is_ninetieth in found:
        before = answers.get(place, NOBODY)
        answers[place] = Times(
            number, seconds if is_median else before.median, seconds if is_ninetieth else before.ninetieth
        )
    return answers


def _nearest(number: ColumnElement[int], percent: int) -> ColumnElement[int]:
    return (number * percent + 99) // 100


def _seconds(scope: Scope, at: ColumnElement[Any]) -> ColumnElement[int]:
    """Whole seconds since 1970: the same on both databases, so that both say the same."""
    if scope.is_sqlite:
        return cast(func.strftime("%s", at), Integer)
    return cast(func.floor(func.extract("epoch", at)), BigInteger)
