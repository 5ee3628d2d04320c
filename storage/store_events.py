"""What a store's people are told of: written once, in the transaction of its cause."""

from datetime import datetime
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import StoreEventKind
from models.tables import StoreEvent


async def record_store_event(
    session: AsyncSession,
    store_id: int,
    kind: StoreEventKind,
    *,
    dedupe_key: str,
    at: datetime,
    journey_id: int | None = None,
    number_id: int | None = None,
    detail: dict[str, Any] | None = None,
    mail: bool = True,
) -> StoreEvent | None:
    """Write an event down, and that a mail about it is wanted.

    Args:
        session: the transaction of the cause, which holds the lock of what the event is about.
        store_id: whose event it is.
        kind: what happened.
        dedupe_key: names this one occurrence; the same key is written once a store.
        at: when it happened.
        journey_id: the journey that it is about, if it is about one.
        number_id: the number that it is about, if it is about one.
        detail: codes, names and figures; nothing personal.
        mail: whether somebody should read of it soon.

    Returns:
        The event, or None when it was known already.
    """
    known = select(StoreEvent.id).where(StoreEvent.store_id == store_id, StoreEvent.dedupe_key == dedupe_key)
    if (await session.exec(known)).first() is not None:
        return None
    event = StoreEvent(
        store_id=store_id,
        kind=kind,
        dedupe_key=dedupe_key,
        journey_id=journey_id,
        number_id=number_id,
        at=at,
        detail=detail or {},
        mail_next_at=at if mail else None,
    )
    session.add(event)
    await session.flush()
    return event
