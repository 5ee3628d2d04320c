"""What privacy law asks of a store through its shop: requests on record, and the erasing of a whole shop in pages.

Requests must be met within 30 days (Shopify's mandatory compliance webhooks). A customer's erasure happens while the
request is taken in. A request to know is answered by a person, with `starter.py customers export`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import PrivacyRequestKind
from models.tables import Customer, PrivacyRequest
from storage.erasure import erase_rows, erase_unowned
from storage.ingest import insert_new, lock_customers
from storage.raw_bodies import empty_all_bodies, empty_bodies

TERM: Final = timedelta(days=30)
"""How long a request may stay open."""

PAGE: Final = 50


async def note_request(
    session: AsyncSession,
    store_id: int,
    kind: PrivacyRequestKind,
    *,
    dedupe_key: str,
    customer_id: int | None,
    received_at: datetime,
    fulfilled_at: datetime | None,
) -> bool:
    """Write a request down; False when it is known already."""
    row = {
        "store_id": store_id,
        "kind": kind,
        "dedupe_key": dedupe_key,
        "customer_id": customer_id,
        "received_at": received_at,
        "fulfilled_at": fulfilled_at,
    }
    return bool(await insert_new(session, PrivacyRequest, [row], returning="id"))


async def open_requests(session: AsyncSession, store_id: int) -> Sequence[PrivacyRequest]:
    """The store's requests that are not fulfilled yet, oldest first."""
    return (
        await session.exec(
            select(PrivacyRequest)
            .where(PrivacyRequest.store_id == store_id, col(PrivacyRequest.fulfilled_at).is_(None))
            .order_by(col(PrivacyRequest.received_at), col(PrivacyRequest.id))
        )
    ).all()


async def who_asked(session: AsyncSession, requests: Sequence[PrivacyRequest]) -> list[str]:
    """The shop's numbers of the customers whom the requests are about."""
    ids = [one.customer_id for one in requests if one.customer_id is not None]
    numbers = await session.exec(
        select(Customer.external_id).where(col(Customer.id).in_(ids)).order_by(col(Customer.id))
    )
    return [number for number in numbers if number is not None]


async def answered(session: AsyncSession, customer_id: int, *, now: datetime) -> int:
    """Everything stored about a customer was written out: their open requests to know are fulfilled; how many."""
    done = await session.exec(
        update(PrivacyRequest)
        .where(
            col(PrivacyRequest.customer_id) == customer_id,
            col(PrivacyRequest.kind) == PrivacyRequestKind.DATA_REQUEST,
            col(PrivacyRequest.fulfilled_at).is_(None),
        )
        .values(fulfilled_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)


async def fulfil_page(
    session: AsyncSession, store_id: int, *, suppression_key: bytes, now: datetime, limit: int = PAGE
) -> bool:
    """Erase the next page of customers of a shop that asked for everything to be erased.

    Safe to repeat and to break off between pages. A store without such a request is left alone.

    Returns:
        Whether there is another page.
    """
    asked = [one for one in await open_requests(session, store_id) if one.kind is PrivacyRequestKind.SHOP_REDACT]
    if not asked:
        return False
    page = await session.exec(
        select(Customer.id)
        .where(Customer.store_id == store_id, col(Customer.erased_at).is_(None))
        .order_by(col(Customer.id))
        .limit(limit)
    )
    ids = [one for one in page if one is not None]
    customers = list((await lock_customers(session, ids)).values())
    traces = await erase_rows(session, customers, suppression_key=suppression_key, now=now)
    await empty_bodies(session, store_id, traces)
    if len(ids) == limit:
        return True
    await erase_unowned(session, store_id)
    await empty_all_bodies(session, store_id)
    for request in asked:
        request.fulfilled_at = now
    await session.flush()
    return False
