"""What happened to a customer, and who must hear of it: event and signal intent are one transaction (promise 3)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, insert
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.orchestration import AttemptSettled, ExitNotice, Released
from models.tables import Customer, CustomerEvent, Enrollment, SignalIntent
from storage.engine import is_sqlite
from storage.stores import required_id

_LONGEST_DETAIL = 80
_HELD_BY_THEN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """An event that is to be recorded.

    Attributes:
        customer: the locked row (`lock_customer`); the lock is what orders the event against claims (promise 2).
        exit_reason: what it does to a journey; None if it ends none.
        dedupe_key: the same key is applied once a store.
        enrollment_id: narrows the event to one enrollment.
        detail: names the winner of a take-over, or the column that a conversation moved to.
    """

    customer: Customer
    kind: EventKind
    exit_reason: ExitReason | None
    occurred_at: datetime
    source: str
    dedupe_key: str
    order_id: int | None = None
    enrollment_id: str | None = None
    detail: str | None = None


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
    detail: str | None = None,
) -> CustomerEvent | None:
    """Store an event of a locked customer and, if it ends a journey, the intent that tells the journey.

    The arguments are those of `News`.

    Returns:
        The event, or None when it was known already.
    """
    news = News(
        customer=customer,
        kind=kind,
        exit_reason=exit_reason,
        occurred_at=occurred_at,
        source=source,
        dedupe_key=dedupe_key,
        order_id=order_id,
        enrollment_id=enrollment_id,
        detail=detail,
    )
    events = await record_events(session, [news], received_at=received_at)
    return events[0] if events else None


async def record_events(session: AsyncSession, news: Sequence[News], *, received_at: datetime) -> list[CustomerEvent]:
    """Store the events that are not known yet, in their order, with their intents, in a few statements for all."""
    known = await _known_keys(session, news)
    fresh: dict[tuple[int, str], News] = {}
    for one in news:
        key = (one.customer.store_id, one.dedupe_key)
        if key not in known:
            fresh.setdefault(key, one)
    if not fresh:
        return []
    events = await _insert(session, list(fresh.values()), received_at=received_at)
    ending = [event for event in events if event.exit_reason is not None]
    running = await _running_enrollments(session, {one.customer_id for one in ending if one.enrollment_id is None})
    intents = []
    for event in ending:
        target = event.enrollment_id or running.get(event.customer_id)
        if target is not None and event.exit_reason is not None:
            notice = ExitNotice(reason=event.exit_reason, at=event.occurred_at, event_id=required_id(event.id))
            intents.append(_intent(target, event.kind.value, notice.model_dump(mode="json"), now=received_at))
    await _add_all(session, intents)
    return events


async def _insert(session: AsyncSession, fresh: Sequence[News], *, received_at: datetime) -> list[CustomerEvent]:
    events = [
        CustomerEvent(
            store_id=one.customer.store_id,
            customer_id=required_id(one.customer.id),
            kind=one.kind,
            exit_reason=one.exit_reason,
            enrollment_id=one.enrollment_id,
            occurred_at=one.occurred_at,
            received_at=received_at,
            source=one.source,
            dedupe_key=one.dedupe_key,
            order_id=one.order_id,
            detail=one.detail[:_LONGEST_DETAIL] if one.detail is not None else None,
        )
        for one in fresh
    ]
    await _add_all(session, events)
    if len(events) == 1:
        await session.flush()
        return events
    written = await session.exec(
        select(CustomerEvent)
        .where(
            col(CustomerEvent.store_id).in_({event.store_id for event in events}),
            col(CustomerEvent.dedupe_key).in_({event.dedupe_key for event in events}),
        )
        .order_by(col(CustomerEvent.id))
    )
    return list(written)


async def _add_all(session: AsyncSession, rows: Sequence[CustomerEvent] | Sequence[SignalIntent]) -> None:
    """Several rows as one statement: SQLite would insert them one by one to tell their ids."""
    if len(rows) <= 1:
        session.add_all(rows)
        return
    model: Any = type(rows[0])
    table = cast("Table", model.__table__)
    await (await session.connection()).execute(insert(table), [row.model_dump(exclude={"id"}) for row in rows])


async def _known_keys(session: AsyncSession, news: Sequence[News]) -> set[tuple[int, str]]:
    if not news:
        return set()
    rows = await session.exec(
        select(CustomerEvent.store_id, CustomerEvent.dedupe_key).where(
            col(CustomerEvent.store_id).in_({one.customer.store_id for one in news}),
            col(CustomerEvent.dedupe_key).in_({one.dedupe_key for one in news}),
        )
    )
    return set(rows.all())


async def _running_enrollments(session: AsyncSession, customer_ids: Collection[int]) -> dict[int, str]:
    """The enrollment with a workflow of each customer who has one."""
    if not customer_ids:
        return {}
    rows = await session.exec(
        select(Enrollment.customer_id, Enrollment.id).where(
            col(Enrollment.customer_id).in_(customer_ids),
            col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL]),
        )
    )
    return dict(rows.all())


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
    return (await last_event_ids(session, [customer_id])).get(customer_id, 0)


async def last_event_ids(session: AsyncSession, customer_ids: Sequence[int]) -> dict[int, int]:
    """Each customer's newest event; who has none is left out."""
    rows = await session.exec(
        select(col(CustomerEvent.customer_id), func.max(col(CustomerEvent.id)))
        .where(col(CustomerEvent.customer_id).in_(list(customer_ids)))
        .group_by(col(CustomerEvent.customer_id))
    )
    return {customer_id: newest for customer_id, newest in rows if newest is not None}


def add_intent(
    session: AsyncSession, enrollment_id: str, signal: str, payload: dict[str, object], *, now: datetime
) -> None:
    """Write down a signal that Temporal must accept."""
    session.add(_intent(enrollment_id, signal, payload, now=now))


def _intent(enrollment_id: str, signal: str, payload: dict[str, object], *, now: datetime) -> SignalIntent:
    return SignalIntent(enrollment_id=enrollment_id, signal=signal, payload=payload, created_at=now, next_try_at=now)


def add_attempt_settled(session: AsyncSession, enrollment_id: str, attempt_id: str, *, now: datetime) -> None:
    """Tell a journey that waits for it that a status has settled its attempt."""
    notice = AttemptSettled(attempt_id=attempt_id)
    payload = notice.model_dump(mode="json", exclude_defaults=True)
    add_intent(session, enrollment_id, "attempt_settled", payload, now=now)


def add_attempt_failed(session: AsyncSession, enrollment_id: str, attempt_id: str, *, now: datetime) -> None:
    """Tell a journey that the last message, which Meta had taken, has failed: its stage may not be done."""
    notice = AttemptSettled(attempt_id=attempt_id, failed=True)
    add_intent(session, enrollment_id, "attempt_settled", notice.model_dump(mode="json"), now=now)


def add_broadcast(session: AsyncSession, hold_key: str, *, now: datetime, again: bool = False) -> None:
    """Release everybody who holds for the key; the relay expands the one row in pages.

    Args:
        session: a writing transaction.
        hold_key: the key.
        now: when.
        again: for a key that nobody looks after by themselves: on PostgreSQL, where a claim that saw the cause a
            moment ago may write down its hold after the first look, a second one follows.
    """
    for at in (now, now + _HELD_BY_THEN) if again and not is_sqlite(session) else (now,):
        session.add(
            SignalIntent(
                broadcast_key=hold_key,
                signal="released",
                payload=Released(key=hold_key).model_dump(mode="json"),
                created_at=now,
                next_try_at=at,
            )
        )
