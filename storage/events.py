"""What happened to a customer, and who must hear of it: event and signal intent are one transaction (promise 3)."""

from datetime import datetime

from sqlalchemy import bindparam, func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.orchestration import AttemptSettled, ExitNotice, Released
from models.tables import Customer, CustomerEvent, Enrollment, SignalIntent
from storage.stores import required_id


async def record_event(
    session: AsyncSession,
    customer: Customer,
    *,
    kind: EventKind,
    exit_reason: ExitReason | None,
    occurred_at: datetime,
    received_at: datetime,
    source: str,
    dedupe_key: str,
    order_id: int | None = None,
    enrollment_id: str | None = None,
) -> CustomerEvent | None:
    """Store an event of a locked customer and, if it ends a journey, the intent that tells the journey.

    Args:
        customer: the locked row (`lock_customer`); the lock is what orders the event against claims (promise 2).
        dedupe_key: the same key is applied once a store.
        enrollment_id: narrows the event to one enrollment.

    Returns:
        The event, or None when it was known already.
    """
    known = await session.exec(
        select(CustomerEvent.id).where(
            CustomerEvent.store_id == customer.store_id, CustomerEvent.dedupe_key == dedupe_key
        )
    )
    if known.first() is not None:
        return None
    event = CustomerEvent(
        store_id=customer.store_id,
        customer_id=required_id(customer.id),
        kind=kind,
        exit_reason=exit_reason,
        enrollment_id=enrollment_id,
        occurred_at=occurred_at,
        received_at=received_at,
        source=source,
        dedupe_key=dedupe_key,
        order_id=order_id,
    )
    session.add(event)
    await session.flush()
    if exit_reason is not None:
        target = enrollment_id or await _running_enrollment(session, required_id(customer.id))
        if target is not None:
            notice = ExitNotice(reason=exit_reason, at=occurred_at, event_id=required_id(event.id))
            add_intent(session, target, kind.value, notice.model_dump(mode="json"), now=received_at)
    return event


async def _running_enrollment(session: AsyncSession, customer_id: int) -> str | None:
    return (
        await session.exec(
            select(Enrollment.id).where(
                Enrollment.customer_id == customer_id,
                col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL]),
            )
        )
    ).first()


_FIRST_EXIT_EVENT = (
    select(CustomerEvent)
    .where(
        CustomerEvent.customer_id == bindparam("customer_id"),
        col(CustomerEvent.id) > bindparam("after_event_id"),
        col(CustomerEvent.exit_reason).is_not(None),
        or_(col(CustomerEvent.enrollment_id).is_(None), CustomerEvent.enrollment_id == bindparam("enrollment_id")),
    )
    .order_by(col(CustomerEvent.id))
    .limit(1)
)


async def first_exit_event(session: AsyncSession, enrollment: Enrollment) -> CustomerEvent | None:
    """The event that ends the enrollment: the first one with an exit reason since it was selected."""
    asked = {
        "customer_id": enrollment.customer_id,
        "after_event_id": enrollment.after_event_id,
        "enrollment_id": enrollment.id,
    }
    return (await session.exec(_FIRST_EXIT_EVENT, params=asked)).first()


async def last_event_id(session: AsyncSession, customer_id: int) -> int:
    """The customer's newest event, 0 if there is none."""
    newest = select(func.max(col(CustomerEvent.id))).where(CustomerEvent.customer_id == customer_id)
    return (await session.exec(newest)).one() or 0


def add_intent(
    session: AsyncSession, enrollment_id: str, signal: str, payload: dict[str, object], *, now: datetime
) -> None:
    """Write down a signal that Temporal must accept."""
    session.add(
        SignalIntent(enrollment_id=enrollment_id, signal=signal, payload=payload, created_at=now, next_try_at=now)
    )


def add_attempt_settled(session: AsyncSession, enrollment_id: str, attempt_id: str, *, now: datetime) -> None:
    """Tell a journey that waits for it that a status has settled its attempt."""
    notice = AttemptSettled(attempt_id=attempt_id)
    add_intent(session, enrollment_id, "attempt_settled", notice.model_dump(mode="json"), now=now)


def add_broadcast(session: AsyncSession, hold_key: str, *, now: datetime) -> None:
    """Release everybody who holds for the key; the relay expands the one row in pages."""
    session.add(
        SignalIntent(
            broadcast_key=hold_key,
            signal="released",
            payload=Released(key=hold_key).model_dump(mode="json"),
            created_at=now,
            next_try_at=now,
        )
    )
