"""What a number is: the rows that it counts, and the moment at which each of them counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CTE, ColumnElement, Integer, case, literal_column

from storage.statistics.tables import Query


@dataclass(frozen=True, slots=True)
class Fact:
    """One number.

    Attributes:
        where: which rows count.
        at: the column that says when one counts; never null in a row that counts.
    """

    where: ColumnElement[bool]
    at: ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one subject with the numbers that count them; every row has `id`, `customer_id` and `version_id`.

    Attributes:
        rows: the subject's rows.
        facts: its numbers, by key.
        shown: what a list says of a row beside whom it is about, by the names of `lists.Listed`.
    """

    rows: CTE
    facts: Mapping[str, Fact]
    shown: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)


def computed_once(query: Query, name: str) -> CTE:
    """The query as rows to count: worked out once, where SQLite would ask anew for each mention of a column."""
    return query.cte(name).prefix_with("MATERIALIZED")


def flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """The condition as 1 or 0."""
    return case((condition, literal_column("1", Integer)), else_=literal_column("0", Integer))
