"""What a store's upkeep takes from the database and gives back: withdrawn consents to tell, old records, the cursor.

What is thrown away has done its work: raw updates after the time that the operator set, the dedupe keys of pieces and
the settled intents long after anybody would send them again (Meta repeats for seven days, Shopify for four hours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState
from models.tables import (
    AppliedPiece,
    ConsentWriteBack,
    ConversationRef,
    Customer,
    NumberMove,
    OutgoingEvent,
    Review,
    Shop,
    SignalIntent,
    UnmatchedStatus,
    WebhookDelivery,
    WebhookUpdate,
)
from storage.launch_upkeep import forget_candidates
from storage.review_upkeep import is_old
from storage.stores import required_id

PAGE = 100
_PRUNED_AT_ONCE = 2000
_REPEATS_UNTIL = timedelta(days=30)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_TRIES = 40
_IN_DELIVERY = exists().where(col(WebhookDelivery.event_id) == col(OutgoingEvent.id))


@dataclass(frozen=True, slots=True)
class DueConsent:
    """A withdrawn consent that the shop is to be told of now.

    Attributes:
        holds: whether it still stands: the customer may have consented anew since.
        tries: counts this one.
    """

    id: int
    customer_external_id: str | None
    holds: bool
    state: ConsentState
    at: datetime
    tries: int


async def due_consents(session: AsyncSession, store_id: int, *, now: datetime) -> list[DueConsent]:
    """The next page of what the shop must be told, oldest first."""
    rows = await session.exec(
        select(ConsentWriteBack, Customer)
        .where(
            ConsentWriteBack.store_id == store_id,
            col(ConsentWriteBack.settled_at).is_(None),
            ConsentWriteBack.next_try_at <= now,
            Customer.id == ConsentWriteBack.customer_id,
        )
        .order_by(col(ConsentWriteBack.id))
        .limit(PAGE)
    )
    return [
        DueConsent(
            required_id(row.id),
            customer.external_id if customer.erased_at is None else None,
            customer.opted_out_at is not None,
            row.state,
            row.at,
            row.tries + 1,
        )
        for row, customer in rows
    ]


async def settle_consent(session: AsyncSession, write_back_id: int, *, outcome: str, now: datetime) -> None:
    """The shop knows, or cannot be told."""
    row = await session.get(ConsentWriteBack, write_back_id)
    if row is not None:
        row.settled_at, row.outcome = now, outcome[:80]


async def put_off_consent(session: AsyncSession, due: DueConsent, *, why: str, now: datetime) -> None:
    """Try again later, after a pause that doubles; given up after about a day and a half, which the outcome says."""
    row = await session.get(ConsentWriteBack, due.id)
    if row is None:
        return
    row.tries = due.tries
    row.next_try_at = now + min(timedelta(seconds=10 * 2 ** min(due.tries - 1, 10)), _LONGEST_PAUSE)
    if due.tries >= _MOST_TRIES:
        row.settled_at, row.outcome = now, f"given up: {why}"[:80]


async def next_consent_at(session: AsyncSession, store_id: int) -> datetime | None:
    """When the earliest consent that waits is to be told; None when none waits."""
    earliest = select(func.min(ConsentWriteBack.next_try_at)).where(
        ConsentWriteBack.store_id == store_id, col(ConsentWriteBack.settled_at).is_(None)
    )
    return (await session.exec(earliest)).one()


async def move_orders_cursor(session: AsyncSession, shop_id: int, read_until: datetime, *, now: datetime) -> None:
    """Orders changed up to this moment have been read; the cursor never goes back."""
    shop = (await session.exec(select(Shop).where(Shop.id == shop_id).with_for_update())).one()
    if shop.orders_cursor is None or read_until > shop.orders_cursor:
        shop.orders_cursor = read_until
    shop.reconciled_at = now


def _forlorn(before: datetime) -> Any:
    """A chat tool's conversation of which nobody has said whose it is, and nothing else for as long."""
    times = (ConversationRef.open_at, ConversationRef.column_at, ConversationRef.context_at)
    quiet = [or_(col(time).is_(None), col(time) < before) for time in times]
    told = [col(time).is_not(None) for time in times]
    return and_(col(ConversationRef.conversation_id).is_(None), or_(*told), *quiet)


async def prune(session: AsyncSession, *, raw_before: datetime, now: datetime) -> int:
    """Throw one page of old records away.

    Args:
        session: a writing transaction.
        raw_before: raw updates that came in earlier go.
        now: the dedupe keys, settled intents, deliveries and changes of number of a month before it go, and the
            candidates of daily launches.

    Returns:
        How many rows went; 0 when nothing old is left.
    """
    before = now - _REPEATS_UNTIL
    pages: Sequence[tuple[Any, Any, Any]] = (
        (WebhookUpdate, WebhookUpdate.id, col(WebhookUpdate.received_at) < raw_before),
        (AppliedPiece, AppliedPiece.key, col(AppliedPiece.at) < before),
        (UnmatchedStatus, UnmatchedStatus.id, col(UnmatchedStatus.at) < before),
        (SignalIntent, SignalIntent.id, col(SignalIntent.settled_at) < before),
        (NumberMove, NumberMove.id, col(NumberMove.at) < before),
        (ConversationRef, ConversationRef.id, _forlorn(raw_before)),
        (Review, Review.id, is_old(now)),
        (WebhookDelivery, WebhookDelivery.id, col(WebhookDelivery.settled_at) < before),
        (OutgoingEvent, OutgoingEvent.id, and_(col(OutgoingEvent.at) < before, ~_IN_DELIVERY)),
    )
    gone = 0
    for table, key, old in pages:
        page = select(key).where(old).limit(_PRUNED_AT_ONCE)
        result = await session.exec(delete(table).where(col(key).in_(page)))
        gone += int(result.rowcount)
    return gone + await forget_candidates(session, now=now)
