"""The corner of Shopify's segment language that we speak: comparisons of two attributes, joined by AND.

    last_order_date <= -60d AND last_order_date >= -180d AND number_of_orders >= 1

Dates are whole days of one time zone: `-60d` is the day sixty days before today there. Somebody without an order has
no last order date and matches no comparison of it. Shopify counts every order here, tests and cancelled ones too.
"""

import operator
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from zoneinfo import ZoneInfo

from sandbox.shopify.state import ShopState

_CLAUSE = re.compile(r"\s*(?P<attribute>last_order_date|number_of_orders)\s*(?P<op><=|>=|!=|=|<|>)\s*(?P<value>\S+)\s*")
_OFFSET = re.compile(r"-(\d{1,5})([dw])")
_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


class SegmentSyntaxError(ValueError):
    """The query is not one that this stand-in reads; the text says where, as Shopify's does."""


@dataclass(frozen=True, slots=True)
class Member:
    """A customer in the segment.

    Attributes:
        last_order_at: newest order that exists.
        last_order_id: that order.
        number_of_orders: of those that exist.
    """

    customer_id: int
    last_order_at: datetime
    last_order_id: int
    number_of_orders: int

    @property
    def position(self) -> tuple[float, int]:
        """Place in a list by last order: somewhere to go on from even when the list has changed meanwhile."""
        return (self.last_order_at.timestamp(), self.customer_id)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; a date's value is its ordinal day."""

    attribute: str
    op: str
    value: int

    def holds(self, actual: int) -> bool:
        """Whether an actual value satisfies it."""
        return _OPERATORS[self.op](actual, self.value)


def parse(query: str, today: date) -> tuple[Condition, ...]:
    """Read a query, with offsets counted back from today.

    Raises:
        SegmentSyntaxError: it is outside our corner of the language.
    """
    conditions: list[Condition] = []
    # Where each clause starts and the next AND (or the end) stands.
    joints = [(0, 0), *((joint.start(), joint.end()) for joint in re.finditer(r"\bAND\b", query)), (len(query), 0)]
    for (_, start), (end, _) in pairwise(joints):
        clause = _CLAUSE.fullmatch(query, start, end)
        value = None if clause is None else _value(clause["attribute"], clause["value"], today)
        if clause is None or value is None:
            told = query[start:end].split()[:1]
            where, what = (query.find(told[0], start), f"'{told[0]}'") if told else (end, "end of query")
            raise SegmentSyntaxError(f"Line 1 Column {where}: {what} is unexpected.")
        conditions.append(Condition(clause["attribute"], clause["op"], value))
    return tuple(conditions)


def members(shop: ShopState, query: str, time_zone: str, now: datetime) -> list[Member]:
    """Whoever is in the segment now, the longest silence first.

    Raises:
        SegmentSyntaxError: see `parse`.
        ZoneInfoNotFoundError: there is no such time zone.
    """
    zone = ZoneInfo(time_zone)
    conditions = parse(query, now.astimezone(zone).date())
    by_date = [one for one in conditions if one.attribute == "last_order_date"]
    by_number = [one for one in conditions if one.attribute == "number_of_orders"]
    found: list[Member] = []
    for customer_id in shop.customers:
        history = shop.histories[customer_id]
        number = history.count_until(now)
        if number == 0 or not all(one.holds(number) for one in by_number):
            continue
        last = history.orders[number - 1]
        day = last.created_at.astimezone(zone).date().toordinal()
        if all(one.holds(day) for one in by_date):
            found.append(Member(customer_id, last.created_at, last.id, number))
    found.sort(key=_POSITION)
    return found


class SegmentLists:
    """Segments that are being paged through, so that the next page need not look at every customer again."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, str, str], tuple[date, list[Member]]] = {}

    def after(
        self, place: tuple[float, int] | None, shop: ShopState, query: str, time_zone: str, now: datetime
    ) -> tuple[list[Member], int]:
        """The segment and the index at which the members after a place begin.

        The first page always looks afresh; a later one does when the list is another day's.

        Raises:
            SegmentSyntaxError: see `parse`.
            ZoneInfoNotFoundError: there is no such time zone.
        """
        key = (shop.domain, query, time_zone)
        made_on, listed = self._lists.get(key, (None, []))
        if place is None or made_on != now.date():
            listed = members(shop, query, time_zone, now)
            self._lists[key] = (now.date(), listed)
        return listed, 0 if place is None else bisect_right(listed, place, key=_POSITION)


_POSITION = attrgetter("position")


def _value(attribute: str, text: str, today: date) -> int | None:
    """The number to compare with: a count or a day; None if the text is neither."""
    if attribute == "number_of_orders":
        return int(text) if text.isdecimal() else None
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        return (today - timedelta(days=int(offset[1]) * (7 if offset[2] == "w" else 1))).toordinal()
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return None
