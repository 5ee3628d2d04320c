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
    entries = _entries(journey_id, percents, held)
    firsts = _firsts(entries, now)
    standings, sizes = await _people(session, firsts)
    sales = _sales(entries, firsts, now)
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


def _entries(journey_id: int, percents: dict[int, int], held: set[int]) -> CTE:
    """Every entry of either arm with whose it is now, its percentage, and its place among those of the person."""
    person = func.coalesce(Customer.merged_into_id, Customer.id)
    percent: Any = case(percents, value=col(Enrollment.version_id), else_=0) if percents else literal(0)
    drawn = case((percent.in_(held), 1), else_=0) if held else literal(0)
    query = (
        select(
            person.label("person"),
            col(Enrollment.control).label("control"),
            col(Enrollment.entered_at).label("entered_at"),
            col(Enrollment.horizon_at).label("horizon_at"),
            percent.label("percent"),
            drawn.label("drawn"),
            func.row_number()
            .over(partition_by=person, order_by=(drawn.desc(), col(Enrollment.entered_at), col(Enrollment.id)))
            .label("place"),
        )
        .join(Customer, col(Customer.id) == col(Enrollment.customer_id))
        .where(col(Enrollment.journey_id) == journey_id)
    )
    return computed_once(query, "entries")


def _firsts(entries: CTE, now: datetime) -> CTE:
    """The first drawn entry of each person, and how it stands; of who was never drawn, the first."""
    one = entries.c
    stands = case(
        (one.drawn == 0, literal("unheld")),
        (or_(one.horizon_at.is_(None), one.horizon_at > now), literal("running")),
        else_=literal(_COMPARED),
    )
    query = select(one.person, one.control, one.percent, one.entered_at, stands.label("stands")).where(one.place == 1)
    return computed_once(query, "firsts")


def _sales(entries: CTE, firsts: CTE, now: datetime) -> CTE:
    """Every order within a horizon that is over of the compared, once, in the arm of the person's first entry."""
    query = (
        select(
            col(Order.id).label("order_id"),
            firsts.c.person,
            firsts.c.percent,
            firsts.c.control,
            col(Order.currency).label("currency"),
            col(Order.total_minor).label("minor"),
        )
        .select_from(firsts)
        .join(entries, and_(entries.c.person == firsts.c.person, entries.c.entered_at >= firsts.c.entered_at))
        .join(
            Order,
            and_(
                col(Order.customer_id) == firsts.c.person,
                col(Order.ordered_at) >= entries.c.entered_at,
                col(Order.ordered_at) < entries.c.horizon_at,
            ),
        )
        .where(firsts.c.stands == _COMPARED, entries.c.horizon_at <= now, counted())
        .distinct()
    )
    return computed_once(query, "sales")


async def _people(session: AsyncSession, firsts: CTE) -> tuple[dict[bool, Standing], dict[tuple[int, bool], int]]:
    """How the people of each arm stand, and how many of each stratum's arms are compared."""
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    sizes: dict[tuple[int, bool], int] = {}
    keys = (firsts.c.control, firsts.c.stands, firsts.c.percent)
    for control, stands, percent, people in await fetch(session, select(*keys, func.count()).group_by(*keys)):
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
