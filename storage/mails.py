"""Mails about store events: which are due, and what became of them.

A mail is taken before it is sent and settled after it. A worker that dies in between has it sent again: for a store's
own people a second copy is better than none, and both have the same Message-ID.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import StoreEventKind
from models.tables import Journey, Number, StoreEvent
from storage.stores import required_id

PAGE: Final = 20
SENT: Final = "sent"
_LEASE: Final = timedelta(minutes=5)
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=4)
_GIVEN_UP_AFTER: Final = timedelta(hours=24)
_LONGEST_OUTCOME: Final = 120


@dataclass(frozen=True, slots=True)
class DueMail:
    """An event that somebody is to read of now. `tries` counts this one."""

    event_id: int
    kind: StoreEventKind
    at: datetime
    detail: dict[str, Any]
    journey: str | None
    number: str | None
    tries: int


async def take_mails(session: AsyncSession, store_id: int, *, now: datetime) -> list[DueMail]:
    """The next mails of a store, oldest first, taken out of other workers' sight for a while."""
    rows = (
        await session.exec(
            select(StoreEvent)
            .where(StoreEvent.store_id == store_id, col(StoreEvent.mail_next_at) <= now)
            .order_by(col(StoreEvent.id))
            .limit(PAGE)
            .with_for_update(skip_locked=True)
        )
    ).all()
    journeys = await _names(session, col(Journey.id), col(Journey.name), {row.journey_id for row in rows})
    numbers = await _names(session, col(Number.id), col(Number.phone_number_id), {row.number_id for row in rows})
    taken = []
    for row in rows:
        row.mail_next_at = now + _LEASE
        row.mail_tries += 1
        taken.append(
            DueMail(
                required_id(row.id),
                row.kind,
                row.at,
                row.detail,
                journeys.get(row.journey_id),
                numbers.get(row.number_id),
                row.mail_tries,
            )
        )
    return taken


async def _names(session: AsyncSession, key: Any, name: Any, ids: Collection[int | None]) -> dict[int | None, str]:
    wanted = [one for one in ids if one is not None]
    return dict((await session.exec(select(key, name).where(key.in_(wanted)))).all()) if wanted else {}


async def settle_mail(session: AsyncSession, event_id: int, *, outcome: str, now: datetime) -> None:
    """The mail has gone, or is not to be sent; `outcome` says which."""
    row = await session.get_one(StoreEvent, event_id)
    row.mail_next_at, row.mail_outcome = None, outcome[:_LONGEST_OUTCOME]
    if outcome == SENT:
        row.mailed_at = now


async def put_off_mail(session: AsyncSession, due: DueMail, *, why: str, now: datetime) -> None:
    """Try again later, after a pause that doubles; given up a day after the event."""
    row = await session.get_one(StoreEvent, due.event_id)
    pause = min(_FIRST_PAUSE * 2 ** min(due.tries - 1, 10), _LONGEST_PAUSE)
    if now + pause > due.at + _GIVEN_UP_AFTER:
        row.mail_next_at, row.mail_outcome = None, f"given up: {why}"[:_LONGEST_OUTCOME]
        return
    row.mail_next_at, row.mail_outcome = now + pause, f"later: {why}"[:_LONGEST_OUTCOME]


async def next_mail_at(session: AsyncSession, store_id: int) -> datetime | None:
    """When the next mail is due; None when none waits."""
    earliest = select(func.min(StoreEvent.mail_next_at)).where(
        StoreEvent.store_id == store_id, col(StoreEvent.mail_next_at).is_not(None)
    )
    return (await session.exec(earliest)).one()
