"""Messages of which nobody knows whether they went: which there are, and a person's word for what became of one.

WhatsApp's own word comes first: a status that arrives later corrects what a person said.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, SendState
from models.tables import Customer, Enrollment, Journey, Send, SendAttempt, Store
from storage.attribution import attribute_orders
from storage.credits import note_outcome
from storage.customers import lock_customer
from storage.engine import LARGEST_ID
from storage.events import add_attempt_settled
from storage.sends import latest_attempt, not_sent, settle, settle_as_sent

UNSETTLED = (SendState.UNKNOWN, SendState.PARKED)
"""States in which a person may be asked what became of a message."""


class UnknownSendError(LookupError):
    """The store has no such message."""


class NotOpenError(ValueError):
    """What became of the message is known, or is about to be; the text says which."""


@dataclass(frozen=True, slots=True)
class ListedSend:
    """One message with its newest attempt and whom it is for."""

    send: Send
    attempt: SendAttempt | None
    journey: str
    customer: Customer


_NEWEST = and_(col(SendAttempt.send_id) == col(Send.id), col(SendAttempt.number) == col(Send.attempt))
_LISTED = (
    select(Send, SendAttempt, Journey.name, Customer)
    .join(Journey, col(Journey.id) == Send.journey_id)
    .join(Customer, col(Customer.id) == Send.customer_id)
    .join(SendAttempt, _NEWEST, isouter=True)
    .order_by(col(Send.id))
)


async def list_sends(
    session: AsyncSession,
    store_id: int,
    *,
    states: Collection[SendState] = UNSETTLED,
    journey_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[ListedSend]:
    """The store's messages in one of these states, by id beyond `after`.

    Args:
        since: only those whose newest attempt is not older.
        until: only those whose newest attempt is older.
    """
    query = _LISTED.where(Send.store_id == store_id, col(Send.state).in_(states), col(Send.id) > after)
    if journey_id is not None:
        query = query.where(Send.journey_id == journey_id)
    if since is not None:
        query = query.where(col(SendAttempt.claimed_at) >= since)
    if until is not None:
        query = query.where(col(SendAttempt.claimed_at) < until)
    return [ListedSend(*row) for row in await session.exec(query.limit(limit))]


async def count_parked(session: AsyncSession, store_id: int) -> int:
    """Of how many messages nobody knows whether they went, and no journey waits to hear it."""
    query = select(func.count()).where(Send.store_id == store_id, Send.state == SendState.PARKED)
    return (await session.exec(query)).one()


async def settle_by_staff(
    session: AsyncSession, store_id: int, name: str, *, sent: bool, by: str, now: datetime
) -> ListedSend:
    """Take a person's word for whether a message was sent.

    If its journey still waits to hear it goes on at once: with the next stage, or with a further attempt. A parked
    message's stage is over either way.

    Args:
        session: a writing transaction.
        store_id: whose message.
        name: the message's id, or the id of its newest attempt as WhatsApp was given it.
        sent: what the person says.
        by: who it is.
        now: the time.

    Raises:
        UnknownSendError: the store has no such message.
        NotOpenError: there is nothing to settle.
    """
    query = _LISTED.where(Send.store_id == store_id, _names(name))
    found = (await session.exec(query)).first()
    if found is None:
        raise UnknownSendError(f"there is no message {name}")
    await lock_customer(session, found[0].customer_id)
    listed = ListedSend(*(await session.exec(query.execution_options(populate_existing=True))).one())
    send, attempt = listed.send, listed.attempt
    if attempt is None or send.state not in UNSETTLED:
        raise NotOpenError(_why_not(send, attempt))
    if not name.isdecimal() and name != attempt.id:
        raise NotOpenError(f"a further attempt was made after this one: {attempt.id}")
    before = send.state
    attempt.settled_by, attempt.settled_by_at = by, now
    if sent:
        attempt.status = AttemptStatus.ACCEPTED
        attempt.accepted_at = attempt.claimed_at
        settle_as_sent(send, now=attempt.claimed_at)
    else:
        attempt.status = AttemptStatus.FAILED
        attempt.failed_at = now
        not_sent(send, attempt)
        await _end_if_closed(session, send, now=now)
    await session.flush()
    await note_outcome(session, await session.get_one(Store, store_id), send, now=now)
    await attribute_orders(session, send.customer_id)
    if before is not SendState.PARKED:
        add_attempt_settled(session, send.enrollment_id, attempt.id, now=now)
    return listed


async def park_open_sends(session: AsyncSession, enrollment_id: str, *, now: datetime) -> None:
    """Park what an enrollment that has ended leaves on its way, since nobody waits for the outcome any more.

    A worker that is still at it, or a status, settles it all the same; what stays parked after a crash shows as such.
    """
    rows = await session.exec(
        select(Send).where(
            Send.enrollment_id == enrollment_id, col(Send.state).in_([SendState.IN_FLIGHT, SendState.UNKNOWN])
        )
    )
    for send in rows:
        attempt = await latest_attempt(session, send)
        if attempt is not None and attempt.status is AttemptStatus.CLAIMED:
            attempt.status = AttemptStatus.UNKNOWN
        settle(send, SendState.PARKED, now=now)


async def _end_if_closed(session: AsyncSession, send: Send, *, now: datetime) -> None:
    enrollment = await session.get_one(Enrollment, send.enrollment_id)
    if enrollment.closed_at is not None:
        send.settled_at = send.settled_at or now


def _names(name: str) -> ColumnElement[bool]:
    if name.isdecimal():
        return col(Send.id) == min(int(name[:20]), LARGEST_ID)
    return col(Send.id).in_(select(SendAttempt.send_id).where(SendAttempt.id == name))


def _why_not(send: Send, attempt: SendAttempt | None) -> str:
    match send.state:
        case SendState.DRAFTED:
            return "it was never sent"
        case SendState.IN_FLIGHT:
            return "it is on its way at this moment; wait some minutes"
        case SendState.ACCEPTED if attempt is not None and attempt.settled_by is not None:
            return f"it counts as sent already: {attempt.settled_by} said so"
        case SendState.ACCEPTED:
            return "WhatsApp has taken it"
        case SendState.FAILED if attempt is not None and attempt.settled_by is not None:
            return f"it counts as not sent already: {attempt.settled_by} said so"
        case SendState.FAILED:
            return "it is known that it was not sent"
        case SendState.SKIPPED:
            return "its stage was passed over"
        case SendState.UNKNOWN | SendState.PARKED:
            return "no attempt of it is on record"
