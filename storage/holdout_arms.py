"""The two arms of a journey's holdout, counted in SQL: who is in them, whose horizon is over, and what they bought.

The unit is the person, as that is what the draw is about: with several entries somebody is in the arm, and in the
stratum, of the first one that was drawn, whatever became of it and whatever later draws said. The one look at the
clock is at that first horizon, which nothing that happens can move. What they bought counts within each of their
horizons from then on, once that is over too. That somebody bought, lapsed and entered again takes nobody out.
"""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CTE, BigInteger, ColumnElement, and_, case, cast, func, literal, not_, or_, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from models.holdout import Arm, Arms, Standing, Stratum
from models.tables import Customer, Enrollment, JourneyVersion, Order
from storage.journeys import parse_definition
from storage.statistics.facts import computed_once
from storage.statistics.scope import fetch

_NO_SALE: Final = ("refunded", "voided")
_COMPARED: Final = "compared"


async def holdout_arms(session: AsyncSession, journey_id: int, *, now: datetime) -> Arms:
    """Both arms of a journey over all its versions, as they stand now."""
    percents = await _percents(session, journey_id)
    # A percentage under which nobody happens to be held out has nobody to compare its customers with.
    held = {percents[version_id] for version_id in await _versions_with_control(session, journey_id)}
    entries = _entries(journey_id, percents, held, now)
    standings, sizes = await _people(session, entries)
    sales = _sales(entries, now)
    buyers = await _buyers(session, sales)
    spent = await _spent(session, sales)

    def arm(percent: int, *, control: bool) -> Arm:
        key = (percent, control)
        return Arm(sizes.get(key, 0), buyers.get(key, 0), spent[key])

    return Arms(
        treated=standings[False],
        control=standings[True],
        strata=tuple(Stratum(one, arm(one, control=False), arm(one, control=True)) for one in sorted(held)),
    )


def counted() -> ColumnElement[bool]:
    """`policies.attribution.counts`, said in SQL."""
    return and_(
        col(Order.test).is_(False),
        col(Order.cancelled_at).is_(None),
        func.lower(func.coalesce(Order.financial_status, "")).not_in(_NO_SALE),
        not_(and_(func.coalesce(Order.original_minor, 0) != 0, col(Order.total_minor) <= 0)),
    )


async def _percents(session: AsyncSession, journey_id: int) -> dict[int, int]:
    query = select(col(JourneyVersion.id), col(JourneyVersion.definition)).where(
        col(JourneyVersion.journey_id) == journey_id
    )
    rows = await fetch(session, query)
    return {version_id: parse_definition(text).control_percent for version_id, text in rows}


async def _versions_with_control(session: AsyncSession, journey_id: int) -> list[int]:
    query = select(col(Enrollment.version_id)).where(
        col(Enrollment.journey_id) == journey_id, col(Enrollment.control).is_(True)
    )
    return [version_id for (version_id,) in await fetch(session, query.distinct())]


def _entries(journey_id: int, percents: dict[int, int], held: set[int], now: datetime) -> CTE:
    """Every entry of either arm: whose it is now, its place among those of the person, and how the person stands.

    Somebody stands as their first drawn entry does, or the first of all where none was drawn; each of their entries
    tells it, as windows see it: joined to itself, this would be read anew for every person.
    """
    person = func.coalesce(Customer.merged_into_id, Customer.id)
    percent: Any = case(percents, value=col(Enrollment.version_id), else_=0) if percents else literal(0)
    drawn = case((percent.in_(held), 1), else_=0) if held else literal(0)
    horizon_at = col(Enrollment.horizon_at)
    stands = case(
        (drawn == 0, literal("unheld")),
        (or_(horizon_at.is_(None), horizon_at > now), literal("running")),
        else_=literal(_COMPARED),
    )
    order = (drawn.desc(), col(Enrollment.entered_at), col(Enrollment.id))

    def first(value: Any) -> ColumnElement[Any]:
        return func.first_value(value, type_=value.type).over(partition_by=person, order_by=order)

    query: Any = (
        select(
            person.label("person"),
            col(Enrollment.entered_at).label("entered_at"),
            horizon_at.label("horizon_at"),
            func.row_number().over(partition_by=person, order_by=order).label("place"),
            first(col(Enrollment.control)).label("control"),
            first(percent).label("percent"),
            first(col(Enrollment.entered_at)).label("since"),
            first(stands).label("stands"),
        )
        .join(Customer, col(Customer.id) == col(Enrollment.customer_id))
        .where(col(Enrollment.journey_id) == journey_id)
    )
    return computed_once(query, "entries")


def _sales(entries: CTE, now: datetime) -> CTE:
    """Every order within a horizon that is over of the compared, once, in the arm of the person's first entry."""
    one = entries.c
    query = (
        select(
            col(Order.id).label("order_id"),
            one.person,
            one.percent,
            one.control,
            col(Order.currency).label("currency"),
            col(Order.total_minor).label("minor"),
        )
        .select_from(entries)
        .join(
            Order,
            and_(
                col(Order.customer_id) == one.person,
                col(Order.ordered_at) >= one.entered_at,
                col(Order.ordered_at) < one.horizon_at,
            ),
        )
        .where(one.stands == _COMPARED, one.entered_at >= one.since, one.horizon_at <= now, counted())
        .distinct()
    )
    return computed_once(query, "sales")


async def _people(session: AsyncSession, entries: CTE) -> tuple[dict[bool, Standing], dict[tuple[int, bool], int]]:
    """How the people of each arm stand, and how many of each stratum's arms are compared."""
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    sizes: dict[tuple[int, bool], int] = {}
    keys = (entries.c.control, entries.c.stands, entries.c.percent)
    query = select(*keys, func.count()).where(entries.c.place == 1).group_by(*keys)
    for control, stands, percent, people in await fetch(session, query):
        counts[bool(control)][stands] += people
        if stands == _COMPARED:
            sizes[percent, bool(control)] = people
    return {control: Standing(**found) for control, found in counts.items()}, sizes


async def _buyers(session: AsyncSession, sales: CTE) -> dict[tuple[int, bool], int]:
    query = select(sales.c.percent, sales.c.control, func.count(sales.c.person.distinct())).group_by(
        sales.c.percent, sales.c.control
    )
    return {(percent, bool(control)): people for percent, control, people in await fetch(session, query)}


async def _spent(session: AsyncSession, sales: CTE) -> dict[tuple[int, bool], dict[str, dict[int, int]]]:
    """How many spent how much: what an interval has to know, and no longer a list of people."""
    spent = cast(func.sum(sales.c.minor), BigInteger)
    each = (
        select(sales.c.percent, sales.c.control, sales.c.currency, spent.label("spent"))
        .group_by(sales.c.percent, sales.c.control, sales.c.currency, sales.c.person)
        .having(func.sum(sales.c.minor) > 0)
        .subquery()
    )
    query = select(each, func.count()).group_by(each.c.percent, each.c.control, each.c.currency, each.c.spent)
    found: dict[tuple[int, bool], dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for percent, control, currency, minor, people in await fetch(session, query):
        found[percent, bool(control)][currency][int(minor)] = people
    return found
