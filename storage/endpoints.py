"""The addresses of a store's own systems that are told of events: added, disabled, given a new secret, removed.

`Store.has_endpoints` says beforehand whether there is anybody to tell. Whoever changes it holds the store's row first.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EndpointEnd, OutgoingKind, StoreEventKind
from models.tables import OutgoingEvent, Store, WebhookEndpoint
from storage.engine import LARGEST_ID
from storage.outgoing import deliver_to, new_message_id
from storage.secrets import Cipher, new_signing_secret
from storage.store_events import record_store_event
from storage.stores import required_id

MOST_ENDPOINTS: Final = 10
OLD_SECRET_HOLDS: Final = timedelta(days=1)
"""How long what is sent is signed with the secret before too."""


class UnknownEndpointError(LookupError):
    """The store has no such endpoint."""


class TooManyEndpointsError(ValueError):
    """The store has as many endpoints as it may have."""


async def add_endpoint(
    session: AsyncSession, store_id: int, *, url: str, kinds: Collection[OutgoingKind], cipher: Cipher, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, and the secret that its receiver checks signatures with, which nobody can read again.

    Args:
        session: a writing transaction.
        store_id: whose endpoint.
        url: an address that was found fit (`providers.addresses.check_url`).
        kinds: what it is told of; none means everything.
        cipher: closes the secret.
        now: the time.

    Raises:
        TooManyEndpointsError: there are enough.
    """
    await _lock_store(session, store_id)
    if len(await list_endpoints(session, store_id)) >= MOST_ENDPOINTS:
        raise TooManyEndpointsError(f"a store has at most {MOST_ENDPOINTS} endpoints")
    secret = new_signing_secret()
    row = WebhookEndpoint(
        store_id=store_id,
        url=url,
        secret=cipher.encrypt(secret),
        kinds=[kind.value for kind in OutgoingKind if kind in kinds],
        created_at=now,
    )
    session.add(row)
    await _recount(session, store_id)
    return row, secret


async def list_endpoints(session: AsyncSession, store_id: int) -> Sequence[WebhookEndpoint]:
    """The store's endpoints, oldest first."""
    rows = await session.exec(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.store_id == store_id, col(WebhookEndpoint.removed_at).is_(None))
        .order_by(col(WebhookEndpoint.id))
    )
    return rows.all()


async def enable_endpoint(session: AsyncSession, store_id: int, endpoint_id: int) -> WebhookEndpoint:
    """Tell it of everything from now on again.

    Raises:
        UnknownEndpointError: the store has no such endpoint.
    """
    row = await _locked(session, store_id, endpoint_id)
    row.disabled_at = row.disabled_reason = row.failing_since = None
    await _recount(session, store_id)
    return row


async def disable_endpoint(
    session: AsyncSession, store_id: int, endpoint_id: int, *, reason: EndpointEnd, now: datetime
) -> WebhookEndpoint:
    """Tell it of nothing more; what is on its way to it is withdrawn. The store's people hear of it unless they did it.

    Raises:
        UnknownEndpointError: the store has no such endpoint.
    """
    row = await _locked(session, store_id, endpoint_id)
    if row.disabled_at is None:
        row.disabled_at, row.disabled_reason = now, reason
        await _recount(session, store_id)
        await record_store_event(
            session,
            store_id,
            StoreEventKind.WEBHOOK_DISABLED,
            dedupe_key=f"webhook:{endpoint_id}:{now.isoformat()}",
            at=now,
            detail={
                "endpoint": endpoint_id,
                "reason": reason.value,
                "failing_since": row.failing_since.isoformat() if row.failing_since is not None else None,
            },
            mail=reason is not EndpointEnd.STAFF,
        )
    return row


async def disable_if_failing(
    session: AsyncSession, store_id: int, endpoint_id: int, *, patience: timedelta, now: datetime
) -> bool:
    """Disable an endpoint that has taken nothing for so long; whether it is disabled now."""
    row = await _locked(session, store_id, endpoint_id)
    if row.disabled_at is None and row.failing_since is not None and now - row.failing_since >= patience:
        await disable_endpoint(session, store_id, endpoint_id, reason=EndpointEnd.FAILING, now=now)
    return row.disabled_at is not None


async def rotate_secret(
    session: AsyncSession, store_id: int, endpoint_id: int, *, cipher: Cipher, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Sign with a new secret, which nobody can read again; for a day with the one before too.

    Raises:
        UnknownEndpointError: the store has no such endpoint.
    """
    row = await _locked(session, store_id, endpoint_id)
    secret = new_signing_secret()
    row.old_secret, row.old_secret_until = row.secret, now + OLD_SECRET_HOLDS
    row.secret = cipher.encrypt(secret)
    await session.flush()
    return row, secret


async def remove_endpoint(session: AsyncSession, store_id: int, endpoint_id: int, *, now: datetime) -> WebhookEndpoint:
    """Forget an endpoint's address and secrets; what is on its way to it is withdrawn.

    Raises:
        UnknownEndpointError: the store has no such endpoint.
    """
    row = await _locked(session, store_id, endpoint_id)
    row.removed_at = now
    row.url = row.secret = ""
    row.old_secret = row.old_secret_until = None
    await _recount(session, store_id)
    return row


async def send_test(session: AsyncSession, store_id: int, endpoint_id: int, *, now: datetime) -> int:
    """Send an endpoint an event that means nothing, also while it is disabled; the delivery's id.

    Raises:
        UnknownEndpointError: the store has no such endpoint.
    """
    row = await _locked(session, store_id, endpoint_id)
    message_id = new_message_id()
    event = OutgoingEvent(
        store_id=store_id,
        kind=OutgoingKind.WEBHOOK_TEST,
        key=f"test:{message_id}",
        message_id=message_id,
        at=now,
        detail={"endpoint": endpoint_id},
    )
    session.add(event)
    await session.flush()
    (delivery_id,) = await deliver_to(
        session, store_id, required_id(event.id), message_id, [required_id(row.id)], now=now
    )
    return delivery_id


async def _lock_store(session: AsyncSession, store_id: int) -> Store:
    # Rows that only name the store go on being written.
    query = select(Store).where(Store.id == store_id).with_for_update(key_share=True)
    return (await session.exec(query.execution_options(populate_existing=True))).one()


async def _locked(session: AsyncSession, store_id: int, endpoint_id: int) -> WebhookEndpoint:
    await _lock_store(session, store_id)
    row = (
        await session.exec(
            select(WebhookEndpoint)
            .where(
                WebhookEndpoint.id == min(endpoint_id, LARGEST_ID),
                WebhookEndpoint.store_id == store_id,
                col(WebhookEndpoint.removed_at).is_(None),
            )
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).first()
    if row is None:
        raise UnknownEndpointError(f"there is no endpoint {endpoint_id}")
    return row


async def _recount(session: AsyncSession, store_id: int) -> None:
    await session.flush()
    told = select(func.count()).where(
        WebhookEndpoint.store_id == store_id,
        col(WebhookEndpoint.disabled_at).is_(None),
        col(WebhookEndpoint.removed_at).is_(None),
    )
    store = await session.get_one(Store, store_id)
    store.has_endpoints = (await session.exec(told)).one() > 0
    await session.flush()
