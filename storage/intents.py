"""Signal intents on their way to Temporal: taken in pages, settled after the answer, never lost (promise 3).

Taking a page pushes its rows' next try into the future and commits, so that the signals go out with no transaction
open and a relay that dies in between only delays them. A signal may therefore arrive twice; workflows do not mind.
"""

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, event, func
from sqlalchemy.orm import Mapper, object_session
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState
from models.tables import Enrollment, SignalIntent
from storage.stores import required_id

PAGE = 200
BROADCAST_PAGE = 500
JITTER = timedelta(seconds=30)
"""Over how long the releases of one broadcast are spread at least, so that thousands do not send in one second."""
RELEASED_PER_SECOND = 80
"""How many of one broadcast are released in a second on average: what a number sends, unless Meta says more."""
LEASE = timedelta(seconds=60)
"""How long a taken intent is left to the relay that took it."""
RELEASED: Final = "released"
"""The signal that a broadcast sends: go on, nothing else has happened."""
START_DELIVERY: Final = "start_delivery"
"""The word that starts the workflow of a delivery to a store's own system, instead of signalling one."""
_PATIENT: Final = (RELEASED, START_DELIVERY)
_LONGEST_PAUSE = timedelta(minutes=5)
_AFTER = "after"
_SPREAD = "spread_seconds"
_WROTE = "wrote intents"


@event.listens_for(SignalIntent, "before_insert")
def _note(_mapper: Mapper[SignalIntent], _connection: Connection, intent: SignalIntent) -> None:
    session = object_session(intent)
    if session is not None:
        session.info[_WROTE] = True


async def wrote_intents(session: AsyncSession) -> bool:
    """Whether the transaction tells anybody anything, so that the relay must look after its commit."""
    await session.flush()
    return bool(session.info.get(_WROTE))


@dataclass(frozen=True, slots=True)
class DueIntent:
    """A signal to deliver now. `tries` counts this one."""

    id: int
    enrollment_id: str
    signal: str
    payload: dict[str, Any]
    tries: int


async def take_due(session: AsyncSession, *, now: datetime, limit: int = PAGE) -> list[DueIntent]:
    """The next intents that are due, oldest first, taken out of other relays' sight for the length of the lease.

    Releases come last, and what stores' own systems are told: thousands of them may be due at once, and a reply or an
    order must not wait behind them.
    """
    rows = (
        await session.exec(
            select(SignalIntent)
            .where(
                col(SignalIntent.settled_at).is_(None),
                SignalIntent.next_try_at <= now,
                col(SignalIntent.enrollment_id).is_not(None),
            )
            .order_by(col(SignalIntent.signal).in_(_PATIENT), col(SignalIntent.next_try_at), col(SignalIntent.id))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for row in rows:
        row.next_try_at = now + LEASE
        row.tries += 1
    return [DueIntent(required_id(row.id), row.enrollment_id or "", row.signal, row.payload, row.tries) for row in rows]


async def settle_delivered(session: AsyncSession, ids: Collection[int], *, now: datetime) -> None:
    """Temporal has accepted these."""
    await _settle(session, ids, outcome="delivered", now=now)


async def settle_not_found(session: AsyncSession, intents: Sequence[DueIntent], *, now: datetime) -> int:
    """Temporal knows no running workflow for these: over for closed enrollments, tried again for all others.

    An enrollment that is still `starting` gets its workflow any moment now, and its signal must not be lost.

    Returns:
        How many are over.
    """
    states = dict(
        (
            await session.exec(
                select(Enrollment.id, Enrollment.state).where(
                    col(Enrollment.id).in_({intent.enrollment_id for intent in intents})
                )
            )
        ).all()
    )
    final = {intent.id for intent in intents if states.get(intent.enrollment_id) in (EnrollmentState.CLOSED, None)}
    await _settle(session, final, outcome="closed", now=now)
    await put_off(session, [intent for intent in intents if intent.id not in final], now=now)
    return len(final)


async def put_off(session: AsyncSession, intents: Sequence[DueIntent], *, now: datetime) -> None:
    """Try these again later, after a pause that doubles with every try."""
    by_pause: dict[timedelta, list[int]] = {}
    for intent in intents:
        pause = min(timedelta(seconds=2 ** min(intent.tries - 1, 10)), _LONGEST_PAUSE)
        by_pause.setdefault(pause, []).append(intent.id)
    for pause, ids in by_pause.items():
        await session.exec(
            update(SignalIntent)
            .where(col(SignalIntent.id).in_(ids), col(SignalIntent.settled_at).is_(None))
            .values(next_try_at=now + pause)
        )


async def expand_broadcast(session: AsyncSession, *, now: datetime) -> bool:
    """Turn one page of one due broadcast into an intent for each who holds for its key.

    How far it came is kept in the broadcast's payload, so that a crash neither loses nor repeats a page; so is over how
    long the releases are spread, which grows with how many hold.

    Returns:
        Whether there was a broadcast to work on.
    """
    broadcast = (
        await session.exec(
            select(SignalIntent)
            .where(
                col(SignalIntent.settled_at).is_(None),
                SignalIntent.next_try_at <= now,
                col(SignalIntent.broadcast_key).is_not(None),
            )
            .order_by(col(SignalIntent.id))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).first()
    if broadcast is None:
        return False
    payload = {key: value for key, value in broadcast.payload.items() if key not in (_AFTER, _SPREAD)}
    holds = (Enrollment.hold_key == broadcast.broadcast_key, Enrollment.state == EnrollmentState.HOLDING)
    spread = broadcast.payload.get(_SPREAD)
    if spread is None:
        count = (await session.exec(select(func.count()).select_from(Enrollment).where(*holds))).one()
        spread = max(JITTER.total_seconds(), count / RELEASED_PER_SECOND)
    holding = (
        await session.exec(
            select(Enrollment.id)
            .where(*holds, Enrollment.id > broadcast.payload.get(_AFTER, ""))
            .order_by(Enrollment.id)
            .limit(BROADCAST_PAGE)
        )
    ).all()
    for enrollment_id in holding:
        session.add(
            SignalIntent(
                enrollment_id=enrollment_id,
                signal=broadcast.signal,
                payload=payload,
                created_at=now,
                next_try_at=now + _jitter(enrollment_id, timedelta(seconds=spread)),
            )
        )
    if len(holding) < BROADCAST_PAGE:
        broadcast.settled_at = now
        broadcast.outcome = "expanded"
    else:
        broadcast.payload = {**payload, _AFTER: holding[-1], _SPREAD: spread}
    return True


@dataclass(frozen=True, slots=True)
class Backlog:
    """What Temporal has yet to accept. `oldest` is the age of the oldest, zero if there is none."""

    pending: int
    oldest: timedelta


async def backlog(session: AsyncSession, *, now: datetime) -> Backlog:
    """How much waits, and for how long at most."""
    pending = select(func.count(), func.min(SignalIntent.created_at)).where(col(SignalIntent.settled_at).is_(None))
    count, oldest = (await session.exec(pending)).one()
    return Backlog(count, max(now - oldest, timedelta(0)) if oldest is not None else timedelta(0))


async def next_try_at(session: AsyncSession) -> datetime | None:
    """When the earliest pending intent is due; None when nothing is pending."""
    earliest = select(func.min(SignalIntent.next_try_at)).where(col(SignalIntent.settled_at).is_(None))
    return (await session.exec(earliest)).one()


async def _settle(session: AsyncSession, ids: Collection[int], *, outcome: str, now: datetime) -> None:
    if ids:
        await session.exec(
            update(SignalIntent)
            .where(col(SignalIntent.id).in_(sorted(ids)), col(SignalIntent.settled_at).is_(None))
            .values(settled_at=now, outcome=outcome)
        )


def _jitter(enrollment_id: str, spread: timedelta) -> timedelta:
    """Spread by a hash, so that a repetition gives the same moment."""
    return spread * (zlib.crc32(enrollment_id.encode()) / 2**32)
