"""What a journey's report is made of, customer by customer in pages, so that its size does not matter.

A page is a handful of statements, each answered by an index, and a transaction of its own: somebody who fetches a
report slowly keeps no transaction open. Whose page comes next is found by the customer's id alone.
"""

from typing import Any, Final

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind
from models.journey import FixedCoupon
from models.tables import Enrollment, EntryDecision, Journey, JourneyVersion, Order, Paced
from storage.journeys import parse_definition
from storage.report_facts import OrderFacts, PersonFacts, Reported, VersionFacts
from storage.report_queries import (
    ORDERS,
    codes_of,
    columns,
    contacts_of,
    decisions_of,
    fetch,
    messages_of,
    orders_of,
    paced_of,
    passages_of,
)
from storage.stores import required_id

PAGE: Final = 1000
"""Customers a page."""
_WATCHING: Final = frozenset({JourneyKind.FOLLOW_UP, JourneyKind.ABANDONED_CART})


async def reported(session: AsyncSession, journey: Journey) -> Reported:
    """The journey's published versions, and the names of the store's journeys."""
    journey_id = required_id(journey.id)
    rows = await session.exec(
        select(JourneyVersion.id, JourneyVersion.number, JourneyVersion.definition).where(
            JourneyVersion.journey_id == journey_id, col(JourneyVersion.published_at).is_not(None)
        )
    )
    versions = {}
    for key, number, text in rows:
        definition = parse_definition(text)
        coupon = definition.resolved_coupon()
        code = coupon.code if isinstance(coupon, FixedCoupon) else None
        versions[required_id(key)] = VersionFacts(number, definition.attribution_days, code)
    names = await session.exec(select(Journey.id, Journey.name).where(Journey.store_id == journey.store_id))
    return Reported(
        journey_id,
        journey.name,
        journey.store_id,
        journey.kind in _WATCHING,
        versions,
        {required_id(key): name for key, name in names},
    )


async def count_people(session: AsyncSession, journey_id: int) -> int:
    """About how many customers the report is about, to show how far it is: the most that one of its tables has."""
    found = 0
    for table in (Enrollment, EntryDecision, Paced):
        key: Any = col(table.customer_id)
        query = select(func.count(func.distinct(key))).where(table.journey_id == journey_id)
        found = max(found, (await session.exec(query)).one())
    return found


async def people_page(session: AsyncSession, about: Reported, *, after: int, limit: int = PAGE) -> list[PersonFacts]:
    """The next customers who were ever considered for the journey, by id beyond `after`."""
    ids = await _next_ids(session, about.journey_id, after=after, limit=limit)
    if not ids:
        return []
    span = (ids[0], ids[-1])
    contacts = await contacts_of(session, ids)
    passages = await passages_of(session, about, span)
    messages = await messages_of(session, about, span)
    orders = await orders_of(session, about, ids, passages)
    decisions = await decisions_of(session, about, span, passages)
    paced = await paced_of(session, about, span)
    codes = await codes_of(session, about, ids)
    return [
        PersonFacts(
            key,
            contacts[key],
            passages.get(key, []),
            messages.get(key, []),
            orders.get(key, []),
            decisions.get(key),
            paced.get(key),
            codes.get(key, []),
        )
        for key in ids
    ]


async def orders_of_others(
    session: AsyncSession, about: Reported, *, after: int, limit: int = PAGE
) -> list[PersonFacts]:
    """Attributed orders whose customers are not enrolled any more, by the order's id beyond `after`.

    There are none unless rows were changed by hand; they count all the same.
    """
    enrolled = columns(Enrollment.id).where(
        col(Enrollment.journey_id) == about.journey_id, col(Enrollment.customer_id) == col(Order.customer_id)
    )
    rows = await fetch(
        session,
        ORDERS.where(col(Order.attributed_journey_id) == about.journey_id, col(Order.id) > after, ~enrolled.exists())
        .order_by(col(Order.id))
        .limit(limit),
    )
    found = [(row[0], OrderFacts(*row[1:])) for row in rows]
    contacts = await contacts_of(session, [customer_id for customer_id, _ in found])
    return [
        PersonFacts(customer_id, contacts[customer_id], [], [], [order], None, None, []) for customer_id, order in found
    ]


async def _next_ids(session: AsyncSession, journey_id: int, *, after: int, limit: int) -> list[int]:
    """From each table its next ids, so that each is read from an index; a union would be sorted whole."""
    found: set[int] = set()
    for table in (Enrollment, EntryDecision, Paced):
        key: Any = col(table.customer_id)
        query = select(key).where(table.journey_id == journey_id, key > after).distinct().order_by(key).limit(limit)
        found.update(await session.exec(query))
    return sorted(found)[:limit]
