"""Room for one more recipient: looked for under the count's lock, and taken when nothing else can refuse any more.

Whoever finds none is given the moment at which a place of their own becomes free, so that a thousand who wait do not
all wake for one place. When more room is given at once (a higher tier, a better colour, the next day of a warm-up), all
who wait are released by a broadcast and are given new turns.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, bindparam, func, insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, JourneyKind
from models.tables import Enrollment, Number, WindowRecipient
from models.warm_up import WarmUp
from policies.allowance import (
    COUNTED_FOR,
    KEPT_A_TURN,
    KEPT_KINDS,
    TURN_AFTER,
    has_allowance,
    kept_from,
    next_turn,
    number_allowance,
    tier_of,
)
from storage.events import add_broadcast
from storage.recipient_windows import (
    TICK,
    Window,
    allowance_key,
    expire,
    is_behind,
    lock_windows,
    portfolio_key,
    recipient_hash,
    recipient_rows,
    recount,
)
from storage.secrets import Cipher

_KEPT = ":kept"
"""Ends the key of those who wait for the whole of a portfolio's limit, a fifth of which is kept for them."""

_NO_LIMIT = 10**9
"""What a warm-up that is over allows: more than anybody sends."""

_RECIPIENTS = cast("Table", WindowRecipient.__table__)  # type: ignore[attr-defined]
_ADD = insert(_RECIPIENTS)
_REFRESH = (
    update(_RECIPIENTS)
    .where(_RECIPIENTS.c.window_id == bindparam("window"), _RECIPIENTS.c.recipient == bindparam("whom"))
    .values(at=bindparam("now"), kept=bindparam("is_kept"), customer_id=bindparam("customer"))
)
_OTHERS_WAIT = (
    Enrollment.hold_key == bindparam("key"),
    Enrollment.state == EnrollmentState.HOLDING,
    Enrollment.id != bindparam("mine"),
)
_LAST_PROMISED = select(func.max(Enrollment.due_at)).where(*_OTHERS_WAIT)
_DUE_NOW = select(func.count()).where(
    *_OTHERS_WAIT, col(Enrollment.due_at) > bindparam("since"), col(Enrollment.due_at) <= bindparam("until")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A message to somebody outside an open service window.

    Attributes:
        address: where it goes, a phone or a business-scoped user id.
        kind: the journey's.
        enrollment: whose message it is; what it waits for tells whether it is its turn.
        zone: the store's.
        at: now.
    """

    number: Number
    address: str
    customer_id: int
    kind: JourneyKind
    enrollment: Enrollment
    zone: ZoneInfo
    at: datetime


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Wait until then, or until the key is released."""

    until: datetime
    key: str


@dataclass(slots=True)
class _Count:
    """One count with what it allows this message, and when its recipient was counted before."""

    window: Window
    key: str
    limit: int
    share: int
    before: tuple[datetime, bool] | None

    def is_full(self, promised: int) -> bool:
        """Whether there is no place but those that are promised; the recipient's own is free to them."""
        mine, my_kept = self.before is not None, self.before is not None and self.before[1]
        used = self.window.used - mine + promised
        return used >= self.limit or used - (self.window.used_kept - my_kept) >= self.share

    def is_share_full(self) -> bool:
        """Whether it is the share without what is kept that is full."""
        return self.share < self.limit and self.window.used - self.window.used_kept >= self.share


@dataclass(frozen=True, slots=True)
class Room:
    """There is room. It is this transaction's until its end, and consumed by `take`."""

    _session: AsyncSession
    _wanted: Wanted
    _recipient: str
    _at: datetime
    _counts: tuple[_Count, ...]

    async def take(self) -> None:
        """Count the recipient.

        What was taken stays taken, also where the message turns out not to have been sent: a further attempt at the
        same person costs nothing, and a place that is free too early would break Meta's limit, one that is free a day
        late breaks nothing.
        """
        connection = await self._session.connection()
        kept = self._wanted.kind in KEPT_KINDS
        for count in self._counts:
            window, before = count.window, count.before
            if before is None:
                window.used += 1
                window.used_kept += kept
                row = {
                    "window_id": window.id,
                    "recipient": self._recipient,
                    "at": self._at,
                    "kept": kept,
                    "customer_id": self._wanted.customer_id,
                }
                await connection.execute(_ADD, row)
            else:
                # Who is counted already stays under the share that they were counted under.
                is_kept = before[1] if before[0] > self._at - COUNTED_FOR else kept
                window.used_kept += is_kept - before[1]
                row = {
                    "window": window.id,
                    "whom": self._recipient,
                    "now": self._at,
                    "is_kept": is_kept,
                    "customer": self._wanted.customer_id,
                }
                await connection.execute(_REFRESH, row)
            window.newest_at = self._at
            if window.key == allowance_key(self._wanted.number):
                self._note_day(window)
            await window.save(self._session)

    def _note_day(self, window: Window) -> None:
        """A day on which the number sends is a step of its warm-up."""
        today = self._at.astimezone(self._wanted.zone).date()
        if window.last_day == today:
            return
        window.sending_days, window.last_day = window.sending_days + 1, today
        if window.promised_until is not None and window.promised_until > self._at:
            add_broadcast(self._session, window.key, now=self._wanted.at)


async def find_room(session: AsyncSession, wanted: Wanted, cipher: Cipher) -> Room | NoRoom | None:
    """Look for room under the counts' locks; nothing is consumed yet.

    The caller holds the customer's lock.

    Returns:
        None when nothing limits the number, which then is not counted.
    """
    number = wanted.number
    tier = tier_of(number.daily_limit)
    warm_up = WarmUp.parse(number.warm_up) if number.warm_up is not None else None
    has_own = has_allowance(warm_up, number.quality)
    if tier is None and not has_own:
        return None
    keys = [portfolio_key(number), *([allowance_key(number)] if has_own else [])]
    windows = await lock_windows(session, keys, cipher)
    portfolio = windows[0]
    at = max([wanted.at, *(one.newest_at + TICK for one in windows if one.newest_at is not None)])
    # Without a limit of its own the portfolio is there for its key alone, and counts nobody.
    counted = windows if tier is not None else windows[1:]
    for window in counted:
        if is_behind(window, number):
            await recount(session, window, number, portfolio, cipher, at=at)
    recipient = recipient_hash(portfolio, wanted.address, cipher)
    before = await recipient_rows(session, counted, recipient)
    counts = []
    for window in counted:
        if window is portfolio and tier is not None:
            limit, share = tier, kept_from(tier, wanted.kind)
            key = window.key + _KEPT if wanted.kind in KEPT_KINDS else window.key
        else:
            today = at.astimezone(wanted.zone).date()
            before_today = window.sending_days - (window.last_day == today)
            limit = share = number_allowance(tier, warm_up, before_today, number.quality) or _NO_LIMIT
            key = window.key
        counts.append(_Count(window, key, limit, share, before.get(window.id)))
    for count in counts:
        if not await _has_room(session, count, wanted, at=at):
            return NoRoom(await _turn(session, count, wanted, at=at), count.key)
    return Room(session, wanted, recipient, at, tuple(counts))


def release_waiting(session: AsyncSession, number: Number, *, now: datetime) -> None:
    """There is more room than before: everybody who waits for it asks again."""
    for key in (portfolio_key(number), portfolio_key(number) + _KEPT, allowance_key(number)):
        add_broadcast(session, key, now=now)


async def _has_room(session: AsyncSession, count: _Count, wanted: Wanted, *, at: datetime) -> bool:
    if count.before is not None and count.before[0] > at - COUNTED_FOR:
        return True
    promised = await _due_now(session, count, wanted, at=at)
    if not count.is_full(promised):
        return True
    await expire(session, count.window, at=at)
    count.before = None
    return not count.is_full(promised)


async def _due_now(session: AsyncSession, count: _Count, wanted: Wanted, *, at: datetime) -> int:
    """How many others' turn it is just now: a newcomer must not take the place that they are waking up for."""
    until, waits = count.window.promised_until, wanted.enrollment
    if until is None or until <= at - KEPT_A_TURN:
        return 0
    soon = at + (TURN_AFTER - COUNTED_FOR)
    if waits.hold_key == count.key and waits.due_at is not None and waits.due_at <= soon:
        return 0
    asked = {"key": count.key, "mine": waits.id, "since": at - KEPT_A_TURN, "until": soon}
    return (await session.exec(_DUE_NOW, params=asked)).one()


async def _turn(session: AsyncSession, count: _Count, wanted: Wanted, *, at: datetime) -> datetime:
    """The moment at which the next place that nobody was promised becomes free."""
    window = count.window
    last = None
    if window.promised_until is not None and window.promised_until > at:
        asked = {"key": count.key, "mine": wanted.enrollment.id}
        last = (await session.exec(_LAST_PROMISED, params=asked)).one()
    after, rounds = next_turn(at, last)
    places: Any = select(WindowRecipient.at).where(WindowRecipient.window_id == window.id)
    if count.is_share_full():
        places = places.where(col(WindowRecipient.kept).is_(False))
    places = places.order_by(col(WindowRecipient.at)).limit(1)
    if after is None:
        # Usually the oldest; where a limit was lowered, as many must leave first as are too many.
        over = max(window.used - count.limit, window.used - window.used_kept - count.share, 0)
        found = (await session.exec(places.offset(over))).first()
    else:
        found = (await session.exec(places.where(WindowRecipient.at > after))).first()
        if found is None:
            rounds += 1
            found = (await session.exec(places)).first()
    until: datetime = (found or at) + (rounds + 1) * TURN_AFTER
    window.promised_until = max(until, window.promised_until or until)
    await window.save(session)
    return until
