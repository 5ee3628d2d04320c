"""What a store's people are told of: written once, in the transaction of its cause."""

from datetime import datetime
from typing import Any, Final

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import OutgoingKind, StoreEventKind
from models.tables import Store, StoreEvent
from storage.ingest import insert_new
from storage.outgoing import announce
from storage.stores import required_id
from storage.wakes import wake_upkeep

_ANNOUNCED: Final = {
    StoreEventKind.JOURNEY_LIVE: OutgoingKind.JOURNEY_LIVE,
    StoreEventKind.JOURNEY_PAUSED: OutgoingKind.JOURNEY_PAUSED,
    StoreEventKind.TEMPLATE_STATUS_CHANGED: OutgoingKind.TEMPLATE_STATUS_CHANGED,
}
"""What the store's own systems are told of too."""

NO_ADDRESS = "no address"
"""The outcome of a mail that nobody of the store has asked for."""


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
    """Write an event down, and that a mail about it is wanted; the store's upkeep sends it within a second or so.

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
    store = await session.get_one(Store, store_id)
    wanted = mail and bool(store.alert_emails)
    row = {
        "store_id": store_id,
        "kind": kind,
        "dedupe_key": dedupe_key,
        "journey_id": journey_id,
        "number_id": number_id,
        "at": at,
        "detail": detail or {},
        "mail_next_at": at if wanted else None,
        "mail_tries": 0,
        "mail_outcome": NO_ADDRESS if mail and not wanted else None,
    }
    # Two causes may tell of one occurrence at the same moment; neither may fail over it.
    new = await insert_new(session, StoreEvent, [row], returning="id")
    if not new:
        return None
    if wanted:
        wake_upkeep(session, store_id, now=at)
    event = await session.get_one(StoreEvent, new.pop())
    if kind in _ANNOUNCED:
        await announce(
            session,
            store_id,
            _ANNOUNCED[kind],
            key=f"event:{event.id}",
            at=at,
            journey_id=journey_id,
            store_event_id=required_id(event.id),
        )
    return event
