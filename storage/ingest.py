"""What every ingest has in common: the stored update, the dedupe of its pieces and the order of its locks (promise 3).

One request is one transaction: the raw update, its effects and the intents that tell the journeys commit together,
and only then does the sender get its 200. Transactions that wait for each other would be dropped by PostgreSQL, so
everybody takes what it needs in the same order: the update's row, the pieces by key, new customers by address, then
the customers' locks by id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Table, bindparam, func
from sqlalchemy import select as sql_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import AppliedPiece, Customer, WebhookUpdate
from storage.engine import is_sqlite, padded
from storage.stores import required_id

# Built once: building one costs more than running it.
_LOCKED = (
    select(Customer)
    .where(col(Customer.id).in_(bindparam("ids", expanding=True)))
    .order_by(col(Customer.id))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_LOCKED_IDS = (
    select(Customer.id)
    .where(col(Customer.id).in_(bindparam("ids", expanding=True)))
    .order_by(col(Customer.id))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook request whose signature was found genuine.

    Attributes:
        source: `whatsapp` or `shopify`.
        topic: what it says that it is about.
        key: the same for every repetition of the request.
        body: the raw text.
        received_at: when it came in.
        store_id: whose it is, where it is one store's.
    """

    source: str
    topic: str
    key: str
    body: str
    received_at: datetime
    store_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did.

    Attributes:
        duplicate: the request was known already and changed nothing.
        applied: how many of its pieces were new.
        told: its transaction has something to tell Temporal.
    """

    duplicate: bool = False
    applied: int = 0
    told: bool = False


async def insert_new(
    session: AsyncSession, model: type[SQLModel], rows: Sequence[Mapping[str, Any]], *, returning: str
) -> set[Any]:
    """Insert the rows that no unique key forbids and tell which those are, by one of their columns.

    A row that another open transaction is inserting is waited for, so two deliveries of one thing never both see it
    as new.
    """
    if not rows:
        return set()
    insert = _insert_new(model, returning, for_sqlite=is_sqlite(session))
    inserted = await session.exec(insert, params=[dict(row) for row in rows])
    return set(inserted.scalars())


async def _insert_new_together(
    session: AsyncSession, model: type[SQLModel], rows: Sequence[Mapping[str, Any]], *, returning: str
) -> set[Any]:
    """As `insert_new`, for rows of plain values with the same columns, which come by the dozen.

    To PostgreSQL the columns go as arrays, because a list of rows would be another statement for each length. `unnest`
    keeps their order, and with it the order of the locks.
    """
    if not rows or is_sqlite(session):
        return await insert_new(session, model, rows, returning=returning)
    columns = tuple(rows[0])
    inserted = await session.exec(
        _insert_arrays(model, columns, returning), params={name: [row[name] for row in rows] for name in columns}
    )
    return set(inserted.scalars())


@cache
def _insert_new(model: type[SQLModel], returning: str, *, for_sqlite: bool) -> ReturningInsert[Any]:
    table = cast("Table", model.__table__)  # type: ignore[attr-defined]
    insert = sqlite.insert(table) if for_sqlite else postgresql.insert(table)
    return insert.on_conflict_do_nothing().returning(table.c[returning])


@cache
def _insert_arrays(model: type[SQLModel], columns: tuple[str, ...], returning: str) -> ReturningInsert[Any]:
    table = cast("Table", model.__table__)  # type: ignore[attr-defined]
    arrays = [bindparam(name, type_=postgresql.ARRAY(table.c[name].type)) for name in columns]
    given = func.unnest(*arrays).table_valued(*columns).render_derived()
    insert = postgresql.insert(table).from_select(list(columns), sql_select(given))
    return insert.on_conflict_do_nothing().returning(table.c[returning])


async def store_deliveries(session: AsyncSession, deliveries: Sequence[Delivery]) -> list[bool]:
    """Keep the raw updates; False for each that was stored before, with all its effects."""
    rows = [
        {
            "source": delivery.source,
            "store_id": delivery.store_id,
            "topic": delivery.topic,
            "delivery_key": delivery.key,
            "body": delivery.body,
            "received_at": delivery.received_at,
        }
        for delivery in sorted(deliveries, key=lambda one: (one.source, one.key))
    ]
    # A key belongs to one source: WhatsApp's are digests of bodies, Shopify's are ids of its own.
    stored = await _insert_new_together(session, WebhookUpdate, rows, returning="delivery_key")
    new = []
    for delivery in deliveries:
        new.append(delivery.key in stored)
        stored.discard(delivery.key)
    return new


async def new_pieces(session: AsyncSession, keys: Iterable[str], *, now: datetime) -> set[str]:
    """Those of the dedupe keys that were never applied; from here on they are."""
    rows = [{"key": key, "at": now} for key in sorted(set(keys))]
    return await _insert_new_together(session, AppliedPiece, rows, returning="key")


async def lock_customers(
    session: AsyncSession, ids: Iterable[int], *, unread: Iterable[int] = ()
) -> dict[int, Customer]:
    """The customers' rows, locked by ascending id until the transaction ends (see `lock_customer`).

    Args:
        session: a writing transaction.
        ids: whose rows are wanted.
        unread: who is to be locked as well, in the same order, without their rows being read.
    """
    wanted = sorted(set(ids))
    others = set(unread).difference(wanted)
    if others and not is_sqlite(session):
        await session.exec(_LOCKED_IDS, params={"ids": padded(others.union(wanted))})
    if not wanted:
        return {}
    rows = await session.exec(_LOCKED, params={"ids": padded(wanted)})
    return {required_id(customer.id): customer for customer in rows}
