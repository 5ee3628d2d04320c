"""A launch's order: where its limit cuts, and everybody's place in the queue for days.

Two orders are meant. The limit takes customers by the shop's own id, so that it takes the same ones whenever it is
asked; days go to the longest silence first. The control group stands in both orders like everybody else and takes
nothing away: neither room under the limit nor room of a day. Everything is sorted by the database, page by page.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, case, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer, Launch, LaunchCandidate, Paced
from storage.launches import ELIGIBLE, ENTERED, PACED, PENDING

_CANDIDATES = cast("Table", LaunchCandidate.__table__)  # type: ignore[attr-defined]
_EXTERNAL_ID = func.coalesce(col(Customer.external_id), "")
# Ids of digits are compared as numbers do: the shorter is the smaller.
_BY_SHOP_ID: tuple[ColumnElement[Any], ...] = (func.length(_EXTERNAL_ID), _EXTERNAL_ID)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the order of the shop's customer ids."""

    length: int
    external_id: str


BEFORE_ALL = Position(-1, "")


@dataclass(frozen=True, slots=True)
class Cut:
    """Behind which customer a limit leaves out those who are to be written to, and those who are held out."""

    treated_after: Position
    control_after: Position


async def cut_at(session: AsyncSession, launch: Launch, limit: int) -> Cut | None:
    """Where the limit cuts a launch; None if it takes everybody.

    Whoever entered before, or has a later day, counts among the taken: a launch that a pause has cut off goes on. The
    last of those taken, by id, is the last person that the launch would ever have looked at.
    """
    before = await _taken_before(session, launch)
    left = max(limit - before.count, 0)
    if left == 0:
        return Cut(BEFORE_ALL, before.last)
    query = _positions(launch).where(LaunchCandidate.outcome == ELIGIBLE).order_by(*_BY_SHOP_ID)
    row = (await session.exec(query.offset(left - 1).limit(1))).first()
    if row is None:
        return None
    last = Position(*row)
    return Cut(last, max(last, before.last))


@dataclass(frozen=True, slots=True)
class _Taken:
    """How many to be written to a launch has taken already, and the last one's place."""

    count: int
    last: Position


async def _taken_before(session: AsyncSession, launch: Launch) -> _Taken:
    waits_as_control = (
        select(Paced.id)
        .where(
            Paced.journey_id == launch.journey_id,
            Paced.customer_id == LaunchCandidate.customer_id,
            col(Paced.control),
        )
        .correlate(LaunchCandidate)
        .exists()
    )
    taken = or_(col(LaunchCandidate.outcome) == ENTERED, and_(col(LaunchCandidate.outcome) == PACED, ~waits_as_control))
    count = select(func.count()).where(LaunchCandidate.launch_id == launch.id, taken)
    last = _positions(launch).where(taken).order_by(*(one.desc() for one in _BY_SHOP_ID)).limit(1)
    row = (await session.exec(last)).first()
    return _Taken((await session.exec(count)).one(), Position(*row) if row is not None else BEFORE_ALL)


def _positions(launch: Launch) -> Any:
    return (
        select(*_BY_SHOP_ID)
        .join(LaunchCandidate, col(LaunchCandidate.customer_id) == col(Customer.id))
        .where(LaunchCandidate.launch_id == launch.id)
    )


async def beyond(
    session: AsyncSession, launch_id: int, outcome: str, position: Position, *, after: int, limit: int
) -> list[int]:
    """Customers of a pending outcome who stand behind a position; a page of them, by customer id beyond `after`."""
    length, external_id = _BY_SHOP_ID
    rows = await session.exec(
        select(LaunchCandidate.customer_id)
        .join(Customer, col(Customer.id) == col(LaunchCandidate.customer_id))
        .where(
            LaunchCandidate.launch_id == launch_id,
            LaunchCandidate.outcome == outcome,
            col(LaunchCandidate.customer_id) > after,
            or_(length > position.length, and_(length == position.length, external_id > position.external_id)),
        )
        .order_by(col(LaunchCandidate.customer_id))
        .limit(limit)
    )
    return list(rows)


async def give_places(session: AsyncSession, launch: Launch) -> int:
    """Rank everybody who passed the rules, the longest silence first.

    Returns:
        The last place: how many of them are to be written to and have no day of an earlier launch yet.
    """
    at = col(Customer.last_order_at)
    order = (case((at.is_(None), 1), else_=0), at, col(LaunchCandidate.customer_id))
    needs_a_day = and_(col(LaunchCandidate.outcome) == ELIGIBLE, ~_waits(launch).exists())
    ranked = (
        select(
            col(LaunchCandidate.customer_id).label("customer_id"),
            func.sum(case((needs_a_day, 1), else_=0)).over(order_by=order, rows=(None, 0)).label("place"),
        )
        .join(Customer, col(Customer.id) == col(LaunchCandidate.customer_id))
        .where(LaunchCandidate.launch_id == launch.id, col(LaunchCandidate.outcome).in_(PENDING))
        .subquery()
    )
    await (await session.connection()).execute(
        update(_CANDIDATES)
        .where(_CANDIDATES.c.launch_id == launch.id, _CANDIDATES.c.customer_id == ranked.c.customer_id)
        .values(place=ranked.c.place)
    )
    last = select(func.max(col(LaunchCandidate.place))).where(
        LaunchCandidate.launch_id == launch.id, col(LaunchCandidate.outcome).in_(PENDING)
    )
    return (await session.exec(last)).one() or 0


def _waits(launch: Launch) -> Any:
    """The later day that the candidate at hand has had since an earlier launch."""
    return (
        select(col(Paced.day))
        .where(Paced.journey_id == launch.journey_id, Paced.customer_id == LaunchCandidate.customer_id)
        .correlate(LaunchCandidate)
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A customer's place, and the day of an earlier launch, which they keep."""

    customer_id: int
    place: int
    day: date | None


async def places(session: AsyncSession, launch: Launch, outcome: str, *, after: int, limit: int) -> list[Place]:
    """Customers of a pending outcome with their places; a page of them, by customer id beyond `after`."""
    rows = await session.exec(
        select(col(LaunchCandidate.customer_id), col(LaunchCandidate.place), _waits(launch).scalar_subquery())
        .where(
            LaunchCandidate.launch_id == launch.id,
            LaunchCandidate.outcome == outcome,
            col(LaunchCandidate.customer_id) > after,
        )
        .order_by(col(LaunchCandidate.customer_id))
        .limit(limit)
    )
    return [Place(customer_id, place or 0, day) for customer_id, place, day in rows]
