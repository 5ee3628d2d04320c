"""Deliveries to a store's own systems: taken for a try, settled or put off after it, listed, sent again.

A try is counted before its request leaves. A worker that dies in between has it sent again under the same id.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DeliveryState, EndpointEnd, OutgoingKind
from models.tables import OutgoingEvent, WebhookDelivery, WebhookEndpoint
from policies.deliveries import next_try
from storage.endpoints import UnknownEndpointError, disable_endpoint, disable_if_failing
from storage.engine import LARGEST_ID
from storage.outgoing import start
from storage.outgoing_bodies import render
from storage.stores import required_id

_LOST_AFTER: Final = timedelta(hours=1)
"""How long after its time a try may come: Temporal and the workers may have been away."""


class UnknownDeliveryError(LookupError):
    """The store has no such delivery."""


class NotRetriableError(ValueError):
    """A delivery cannot be sent again; the text says why."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that is to be tried now.

    Attributes:
        secrets: what signs it, newest first, as ciphertexts.
        tries: counts this one.
        is_test: what becomes of it says nothing about the endpoint.
    """

    id: int
    store_id: int
    endpoint_id: int
    url: str
    secrets: tuple[str, ...]
    message_id: str
    body: str
    tries: int
    first_try_at: datetime
    is_test: bool


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """One delivery with its event and endpoint."""

    delivery: WebhookDelivery
    event: OutgoingEvent
    endpoint: WebhookEndpoint


_LISTED = (
    select(WebhookDelivery, OutgoingEvent, WebhookEndpoint)
    .join(OutgoingEvent, col(OutgoingEvent.id) == col(WebhookDelivery.event_id))
    .join(WebhookEndpoint, col(WebhookEndpoint.id) == col(WebhookDelivery.endpoint_id))
    .execution_options(populate_existing=True)
)


async def take_delivery(session: AsyncSession, delivery_id: int, *, now: datetime) -> DueDelivery | DeliveryState:
    """Count a try and say what is to be sent; the state where nothing is.

    What was meant for an endpoint that is disabled or removed is withdrawn.
    """
    row = (await session.exec(_LISTED.where(WebhookDelivery.id == delivery_id))).first()
    if row is None:
        return DeliveryState.WITHDRAWN
    delivery, event, endpoint = row
    if delivery.state is not DeliveryState.WAITING:
        return delivery.state
    is_test = event.kind is OutgoingKind.WEBHOOK_TEST
    if endpoint.removed_at is not None or (endpoint.disabled_at is not None and not is_test):
        _settle(delivery, DeliveryState.WITHDRAWN, now=now)
        return DeliveryState.WITHDRAWN
    delivery.tries += 1
    delivery.first_try_at = delivery.first_try_at or now
    delivery.last_try_at = now
    secrets = [endpoint.secret]
    if endpoint.old_secret is not None and endpoint.old_secret_until is not None and now < endpoint.old_secret_until:
        secrets.append(endpoint.old_secret)
    return DueDelivery(
        id=delivery_id,
        store_id=delivery.store_id,
        endpoint_id=required_id(endpoint.id),
        url=endpoint.url,
        secrets=tuple(secrets),
        message_id=event.message_id,
        body=await render(session, event),
        tries=delivery.tries,
        first_try_at=delivery.first_try_at,
        is_test=is_test,
    )


async def note_delivered(session: AsyncSession, due: DueDelivery, *, status: int, now: datetime) -> None:
    """The endpoint has taken it."""
    delivery = await session.get_one(WebhookDelivery, due.id)
    delivery.last_status, delivery.last_error = status, None
    _settle(delivery, DeliveryState.DELIVERED, now=now)
    await session.exec(
        update(WebhookEndpoint)
        .where(col(WebhookEndpoint.id) == due.endpoint_id)
        .values(failing_since=None, last_delivered_at=now)
        .execution_options(synchronize_session=False)
    )


async def note_not_delivered(
    session: AsyncSession,
    due: DueDelivery,
    *,
    status: int | None,
    error: str | None,
    asked: timedelta | None,
    is_final: bool,
    now: datetime,
) -> datetime | None:
    """The endpoint has not taken it: when it is tried again, or None when it is given up.

    Args:
        session: a writing transaction.
        due: what was tried.
        status: of the answer, if one came.
        error: a word for what was wrong.
        asked: how long the endpoint asks us to wait.
        is_final: no further try is wanted.
        now: the time.
    """
    delivery = await session.get_one(WebhookDelivery, due.id)
    if delivery.state is not DeliveryState.WAITING or delivery.first_try_at != due.first_try_at:
        return None  # a try that was thought lost has settled it, or staff have begun another round since
    delivery.last_status, delivery.last_error = status, error
    again = next_try(first=due.first_try_at, now=now, tries=due.tries, asked=asked, key=f"{due.id}:{due.tries}")
    if is_final or again is None:
        _settle(delivery, DeliveryState.FAILED, now=now)
        again = None
    else:
        delivery.next_try_at = again
    if not due.is_test:
        await session.exec(
            update(WebhookEndpoint)
            .where(col(WebhookEndpoint.id) == due.endpoint_id, col(WebhookEndpoint.failing_since).is_(None))
            .values(failing_since=now)
            .execution_options(synchronize_session=False)
        )
    return again


async def heed_failure(
    session: AsyncSession, due: DueDelivery, *, gone: bool, patience: timedelta, now: datetime
) -> bool:
    """What a failure says of the endpoint, in a transaction of its own; whether the endpoint is disabled now.

    Args:
        session: a writing transaction that has locked nothing yet.
        due: what was tried.
        gone: the endpoint says that it wants nothing more.
        patience: how long an endpoint may take nothing before it is disabled.
        now: the time.
    """
    if due.is_test:
        return False
    try:
        if gone:
            await disable_endpoint(session, due.store_id, due.endpoint_id, reason=EndpointEnd.GONE, now=now)
            return True
        return await disable_if_failing(session, due.store_id, due.endpoint_id, patience=patience, now=now)
    except UnknownEndpointError:  # removed in the meantime
        return True


async def list_deliveries(
    session: AsyncSession,
    store_id: int,
    *,
    states: Collection[DeliveryState] = (),
    endpoint_id: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[ListedDelivery]:
    """The store's deliveries, newest first.

    Args:
        session: any transaction.
        store_id: whose.
        states: only those in one of these, if any is given.
        endpoint_id: only those to this endpoint.
        before: only those with a smaller id.
        limit: at most so many.
    """
    query = _LISTED.where(WebhookDelivery.store_id == store_id)
    if states:
        query = query.where(col(WebhookDelivery.state).in_(states))
    if endpoint_id is not None:
        query = query.where(WebhookDelivery.endpoint_id == min(endpoint_id, LARGEST_ID))
    if before is not None:
        query = query.where(col(WebhookDelivery.id) < min(before, LARGEST_ID))
    rows = await session.exec(query.order_by(col(WebhookDelivery.id).desc()).limit(limit))
    return [ListedDelivery(*row) for row in rows]


async def find_delivery(session: AsyncSession, store_id: int, delivery_id: int) -> ListedDelivery:
    """One delivery.

    Raises:
        UnknownDeliveryError: the store has no such delivery.
    """
    query = _LISTED.where(WebhookDelivery.store_id == store_id, WebhookDelivery.id == min(delivery_id, LARGEST_ID))
    row = (await session.exec(query)).first()
    if row is None:
        raise UnknownDeliveryError(f"there is no delivery {delivery_id}")
    return ListedDelivery(*row)


async def send_again(session: AsyncSession, store_id: int, delivery_id: int, *, now: datetime) -> ListedDelivery:
    """Begin a further round of a delivery that is over, under the same id of its event.

    Over is also what should have been tried long ago: its workflow is lost, and nothing else would ever settle it.

    Raises:
        UnknownDeliveryError: the store has no such delivery.
        NotRetriableError: it is on its way, or its endpoint is told of nothing.
    """
    wanted = select(WebhookDelivery.id).where(
        WebhookDelivery.store_id == store_id, WebhookDelivery.id == min(delivery_id, LARGEST_ID)
    )
    await session.exec(wanted.with_for_update())
    found = await find_delivery(session, store_id, delivery_id)
    delivery = found.delivery
    if delivery.state is DeliveryState.WAITING and (
        delivery.next_try_at is None or now - delivery.next_try_at < _LOST_AFTER
    ):
        raise NotRetriableError("it is on its way, and is tried again by itself")
    if found.endpoint.removed_at is not None:
        raise NotRetriableError("its endpoint was removed")
    if found.endpoint.disabled_at is not None and found.event.kind is not OutgoingKind.WEBHOOK_TEST:
        raise NotRetriableError("its endpoint is disabled; enable it first")
    delivery.state, delivery.settled_at = DeliveryState.WAITING, None
    delivery.round, delivery.tries, delivery.first_try_at = delivery.round + 1, 0, None
    delivery.next_try_at = now
    start(session, delivery, found.event.message_id, now=now)
    await session.flush()
    return found


def _settle(delivery: WebhookDelivery, state: DeliveryState, *, now: datetime) -> None:
    delivery.state, delivery.settled_at, delivery.next_try_at = state, now, None
