"""Telling a store's own systems: what happened is written down with its cause, a delivery for each endpoint beside it.

The relay starts a workflow for each delivery, as it delivers signals, so that nothing is lost while Temporal is away
and nothing is told that was rolled back (promise 3).
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, DeliveryState, OutgoingKind
from models.tables import OutgoingEvent, Send, SendAttempt, Store, WebhookDelivery, WebhookEndpoint
from storage.events import add_intent
from storage.ingest import insert_new
from storage.intents import START_DELIVERY
from storage.stores import required_id

_MESSAGE: Final = "msg_"
_ID_BYTES: Final = 10
_TOLD_LATE: Final = timedelta(days=7)
_TELLS: Final = "stores with endpoints"


def delivery_workflow_id(message_id: str, endpoint_id: int, sent_again: int) -> str:
    """The one WebhookDeliveryWorkflow of a round of a delivery.

    Named by the message's random id: a database that was made anew counts its rows from 1, and Temporal remembers.
    """
    return f"webhook-{message_id.removeprefix(_MESSAGE)}-{endpoint_id}-{sent_again}"


async def announce(
    session: AsyncSession,
    store_id: int,
    kind: OutgoingKind,
    *,
    key: str,
    at: datetime,
    journey_id: int | None = None,
    customer_id: int | None = None,
    enrollment_id: str | None = None,
    send_id: int | None = None,
    analysis_id: int | None = None,
    store_event_id: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Let the store's endpoints that want this kind be told; where there is none, nothing is written.

    Args:
        session: the transaction of the cause.
        store_id: whose event it is.
        kind: what happened.
        key: names this one occurrence; the same key is told once a store.
        at: when it happened.
        journey_id: the journey that it is about, if it is about one. The ids after it likewise.
        customer_id: whom it is about.
        enrollment_id: which passage through a journey.
        send_id: which message.
        analysis_id: which verdict about a conversation.
        store_event_id: the store event with its figures.
        detail: codes, names and figures of ours; nothing personal.
    """
    if not await _tells(session, store_id):
        return
    rows = await session.exec(
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.store_id == store_id,
            col(WebhookEndpoint.disabled_at).is_(None),
            col(WebhookEndpoint.removed_at).is_(None),
        )
        .order_by(col(WebhookEndpoint.id))
    )
    wanting = [required_id(one.id) for one in rows if not one.kinds or kind.value in one.kinds]
    if not wanting:
        return
    message_id = new_message_id()
    event = {
        "store_id": store_id,
        "kind": kind,
        "key": key,
        "message_id": message_id,
        "at": at,
        "journey_id": journey_id,
        "customer_id": customer_id,
        "enrollment_id": enrollment_id,
        "send_id": send_id,
        "analysis_id": analysis_id,
        "store_event_id": store_event_id,
        "detail": detail or {},
    }
    await session.flush()
    new = await insert_new(session, OutgoingEvent, [event], returning="id")
    if new:
        await deliver_to(session, store_id, new.pop(), message_id, wanting, now=at)


async def announce_failure(session: AsyncSession, send: Send, *, code: int | None, at: datetime) -> None:
    """Tell that a message has failed for good; once for its newest attempt, whoever learns of it."""
    await announce(
        session,
        send.store_id,
        OutgoingKind.MESSAGE_FAILED,
        key=f"failed:{send.id}:{send.attempt}",
        at=at,
        journey_id=send.journey_id,
        customer_id=send.customer_id,
        enrollment_id=send.enrollment_id,
        send_id=send.id,
        detail={"code": code},
    )


async def announce_unmended(session: AsyncSession, store_id: int, enrollment_id: str, *, now: datetime) -> None:
    """Tell of messages that failed after WhatsApp took them, where the journey ends before it could try again."""
    if not await _tells(session, store_id):
        return
    failed = await session.exec(
        select(Send, SendAttempt.error_code)
        .join(SendAttempt, and_(col(SendAttempt.send_id) == col(Send.id), SendAttempt.number == Send.attempt))
        .where(
            Send.enrollment_id == enrollment_id,
            SendAttempt.status == AttemptStatus.FAILED,
            col(SendAttempt.wamid).is_not(None),
            # What failed earlier was told then, and that may be forgotten by now.
            col(SendAttempt.failed_at) > now - _TOLD_LATE,
        )
        .order_by(col(Send.id))
    )
    for send, code in failed.all():
        await announce_failure(session, send, code=code, at=now)


async def deliver_to(
    session: AsyncSession, store_id: int, event_id: int, message_id: str, endpoint_ids: list[int], *, now: datetime
) -> list[int]:
    """Write down the deliveries of an event and that their workflows must start; their ids."""
    deliveries = [
        WebhookDelivery(
            store_id=store_id,
            event_id=event_id,
            endpoint_id=endpoint_id,
            state=DeliveryState.WAITING,
            made_at=now,
            next_try_at=now,
        )
        for endpoint_id in endpoint_ids
    ]
    session.add_all(deliveries)
    await session.flush()
    for delivery in deliveries:
        start(session, delivery, message_id, now=now)
    return [required_id(delivery.id) for delivery in deliveries]


def start(session: AsyncSession, delivery: WebhookDelivery, message_id: str, *, now: datetime) -> None:
    """Write down that the workflow of the delivery's round must start."""
    delivery_id = required_id(delivery.id)
    add_intent(
        session,
        delivery_workflow_id(message_id, delivery.endpoint_id, delivery.round),
        START_DELIVERY,
        {"delivery_id": delivery_id, "store_id": delivery.store_id},
        now=now,
    )


def new_message_id() -> str:
    """A fresh id of an event, by which receivers tell repetitions."""
    return f"{_MESSAGE}{secrets.token_hex(_ID_BYTES)}"


async def _tells(session: AsyncSession, store_id: int) -> bool:
    """Whether the store has endpoints; read once a transaction, and not at all where the store is loaded."""
    known: dict[int, bool] = session.info.setdefault(_TELLS, {})
    if store_id not in known:
        store = await session.get(Store, store_id)
        known[store_id] = store is not None and store.has_endpoints
    return known[store_id]
