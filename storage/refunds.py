"""Refunds: money given back for an order, which may be told before the order itself."""

import zlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.money import Money
from models.tables import Order, Refund
from storage.engine import is_sqlite
from storage.ingest import insert_new

_ORDER_LOCK_CLASS = 7302
_ORDER_LOCKS = 64


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """A refund as the shop tells it."""

    external_id: str
    order_external_id: str
    amount: Money
    at: datetime


class OrderedMeanwhileError(Exception):
    """The order of a refund was stored while it was looked for: the transaction must be run again."""


async def record_refund(session: AsyncSession, store_id: int, facts: RefundFacts) -> bool:
    """Write a refund down; False when it is known already.

    The caller holds the lock of the order's customer, or calls `expect_order` after this.
    """
    row = {
        "store_id": store_id,
        "external_id": facts.external_id,
        "order_external_id": facts.order_external_id,
        "minor": facts.amount.minor,
        "currency": facts.amount.currency,
        "at": facts.at,
    }
    return bool(await insert_new(session, Refund, [row], returning="id"))


async def refunded(session: AsyncSession, order: Order) -> int:
    """What was given back for the order so far, in minor units of its currency."""
    given_back = select(func.coalesce(func.sum(Refund.minor), 0)).where(
        Refund.store_id == order.store_id,
        Refund.order_external_id == order.external_id,
        Refund.currency == order.currency,
    )
    return int((await session.exec(given_back)).one())


async def lock_order_key(session: AsyncSession, store_id: int, order_external_id: str) -> None:
    """On PostgreSQL, order the storing of an order against that of a refund that does not find it.

    Without it each could miss the other's uncommitted row. It is the last lock that either of the two takes.
    """
    if not is_sqlite(session):
        key = zlib.crc32(f"{store_id}:{order_external_id}".encode()) % _ORDER_LOCKS
        await session.exec(select(func.pg_advisory_xact_lock(_ORDER_LOCK_CLASS, key)))


async def expect_order(session: AsyncSession, store_id: int, order_external_id: str) -> None:
    """Leave a refund for an order that is not known yet.

    Raises:
        OrderedMeanwhileError: it is known by now.
    """
    await lock_order_key(session, store_id, order_external_id)
    if await find_order(session, store_id, order_external_id) is not None:
        raise OrderedMeanwhileError


async def find_order(session: AsyncSession, store_id: int, external_id: str) -> Order | None:
    """The store's order with that id of the shop's."""
    return (
        await session.exec(
            select(Order)
            .where(Order.store_id == store_id, Order.external_id == external_id)
            .execution_options(populate_existing=True)
        )
    ).first()
