"""The counts of recipients themselves: their rows, how they are locked, how what is over leaves them.

A count is kept only while something limits what it counts. Where that begins anew, or changed while nobody counted, it
is made again from our own attempts of the last day: what else the portfolio sends, only Meta knows.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import and_, col, or_
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus
from models.tables import Customer, Journey, Number, RecipientWindow, Send, SendAttempt, WindowRecipient
from policies.allowance import COUNTED_FOR, KEPT_KINDS
from storage.engine import is_sqlite
from storage.secrets import Cipher, derive, new_salt

TICK = timedelta(microseconds=1)
"""No two recipients of a count have the same time, so that each place has one moment at which it becomes free."""

_AT_ONCE = 5000
_WINDOWS = cast("Table", RecipientWindow.__table__)  # type: ignore[attr-defined]
_RECIPIENTS = cast("Table", WindowRecipient.__table__)  # type: ignore[attr-defined]

# As rows rather than as objects, and each with the one or two values that there are: a claim asks these every time.
_LOCK = (
    select(_WINDOWS)
    .where(_WINDOWS.c.key.in_([bindparam("one"), bindparam("other")]))
    .order_by(_WINDOWS.c.key)
    .with_for_update()
)
_SAVE = (
    update(_WINDOWS)
    .where(_WINDOWS.c.id == bindparam("window"))
    .values(
        counted_from=bindparam("counted_from"),
        used=bindparam("used"),
        used_kept=bindparam("used_kept"),
        newest_at=bindparam("newest_at"),
        promised_until=bindparam("promised_until"),
        sending_days=bindparam("sending_days"),
        last_day=bindparam("last_day"),
    )
)
_ROWS = select(_RECIPIENTS.c.window_id, _RECIPIENTS.c.at, _RECIPIENTS.c.kept).where(
    _RECIPIENTS.c.window_id.in_([bindparam("one"), bindparam("other")]),
    _RECIPIENTS.c.recipient == bindparam("whom"),
)
_EXPIRE = delete(_RECIPIENTS).where(
    _RECIPIENTS.c.window_id == bindparam("window"),
    _RECIPIENTS.c.at <= bindparam("over"),
    _RECIPIENTS.c.kept == bindparam("is_kept"),
)


@dataclass(slots=True)
class Window:
    """A locked count, as `RecipientWindow` describes it. What is changed is written by `save`."""

    id: int
    key: str
    salt_secret: str | None
    counted_from: datetime | None
    used: int
    used_kept: int
    newest_at: datetime | None
    promised_until: datetime | None
    sending_days: int
    last_day: date | None

    async def save(self, session: AsyncSession) -> None:
        """Write what the count has become."""
        values = {
            "window": self.id,
            "counted_from": self.counted_from,
            "used": self.used,
            "used_kept": self.used_kept,
            "newest_at": self.newest_at,
            "promised_until": self.promised_until,
            "sending_days": self.sending_days,
            "last_day": self.last_day,
        }
        await (await session.connection()).execute(_SAVE, values)


def portfolio_key(number: Number) -> str:
    """The portfolio's count, and those who wait for room in it. A business account belongs to one portfolio."""
    return f"portfolio:{number.portfolio_id}" if number.portfolio_id else f"portfolio:waba-{number.waba_id}"


def allowance_key(number: Number) -> str:
    """The number's own count, and those who wait for room in it."""
    return f"allowance:{number.phone_number_id}"


def recipient_hash(window: Window, address: str, cipher: Cipher) -> str:
    """Who a phone or user id is in the count of a portfolio, whichever of its stores writes to them."""
    if window.salt_secret is None:
        raise ValueError("only a portfolio's count has a key of its own")
    key = derive(cipher.decrypt(window.salt_secret), "recipients")
    return hmac.new(key, address.encode(), hashlib.sha256).hexdigest()


async def lock_windows(session: AsyncSession, keys: list[str], cipher: Cipher) -> list[Window]:
    """The counts of one or two keys, made if they are new, in the order asked for; locked until the transaction ends.

    The customer's lock comes before, the store's after.
    """
    found = await _locked(session, keys)
    if len(found) < len(keys):
        fresh = [
            {
                "key": key,
                "salt_secret": cipher.encrypt(new_salt()) if key.startswith("portfolio:") else None,
                "used": 0,
                "used_kept": 0,
                "sending_days": 0,
            }
            for key in sorted(keys)
            if key not in found
        ]
        dialect = sqlite if is_sqlite(session) else postgresql
        statement: Any = dialect.insert(_WINDOWS).on_conflict_do_nothing()
        await (await session.connection()).execute(statement, fresh)
        found = await _locked(session, keys)
    return [found[key] for key in keys]


async def _locked(session: AsyncSession, keys: list[str]) -> dict[str, Window]:
    rows = await (await session.connection()).execute(_LOCK, {"one": keys[0], "other": keys[-1]})
    return {row.key: Window(**row._mapping) for row in rows}  # noqa: SLF001 - a row's public mapping, by its name


async def recipient_rows(
    session: AsyncSession, windows: Sequence[Window], recipient: str
) -> dict[int, tuple[datetime, bool]]:
    """When the recipient was last counted, and whether for a kind that a share is kept for, by the count's id."""
    asked = {"one": windows[0].id, "other": windows[-1].id, "whom": recipient}
    rows = await (await session.connection()).execute(_ROWS, asked)
    return {window: (at, kept) for window, at, kept in rows}


async def expire(session: AsyncSession, window: Window, *, at: datetime) -> None:
    """Let those leave who were written to too long ago to count. Each leaves once, so it costs nothing on average."""
    connection = await session.connection()
    gone = []
    for kept in (False, True):
        asked = {"window": window.id, "over": at - COUNTED_FOR, "is_kept": kept}
        gone.append((await connection.execute(_EXPIRE, asked)).rowcount)
    if any(gone):
        window.used -= sum(gone)
        window.used_kept -= gone[1]
        await window.save(session)


async def forget_old(session: AsyncSession, number: Number, *, now: datetime) -> None:
    """Let go of whom the number and its portfolio wrote to too long ago, also where nobody counts any more."""
    for window in (await _locked(session, [portfolio_key(number), allowance_key(number)])).values():
        await expire(session, window, at=max(now, window.newest_at or now))


def is_behind(window: Window | RecipientWindow, number: Number) -> bool:
    """Whether the count was not kept all the time that it should have been."""
    if window.counted_from is None:
        return True
    return number.counts_from is not None and window.counted_from < number.counts_from


async def recount(
    session: AsyncSession,
    window: Window,
    number: Number,
    salted: Window,
    cipher: Cipher,
    *,
    at: datetime,
) -> None:
    """Make a count anew from our attempts of the last day; what may have reached somebody counts."""
    since = at - COUNTED_FOR
    found: dict[str, tuple[datetime, bool, int]] = {}
    for customer_id, phone, user_id, kind, claimed_at in (await session.exec(_written_to(window, number, since))).all():
        address = phone or user_id or f"erased:{customer_id}"
        recipient = recipient_hash(salted, address, cipher)
        if recipient not in found or found[recipient][0] < claimed_at:
            found[recipient] = (claimed_at, kind in KEPT_KINDS, customer_id)
    connection = await session.connection()
    window_id = window.id
    await connection.execute(delete(_RECIPIENTS).where(_RECIPIENTS.c.window_id == window_id))
    rows: list[dict[str, Any]] = []
    last = since
    for recipient, (claimed_at, kept, customer_id) in sorted(found.items(), key=lambda item: item[1]):
        last = max(claimed_at, last + TICK)
        rows.append(
            {"window_id": window_id, "recipient": recipient, "at": last, "kept": kept, "customer_id": customer_id}
        )
    for start in range(0, len(rows), _AT_ONCE):
        await connection.execute(insert(_RECIPIENTS), rows[start : start + _AT_ONCE])
    window.used, window.used_kept = len(rows), sum(row["kept"] for row in rows)
    window.newest_at = max(last, window.newest_at or last)
    window.counted_from = max(at, number.counts_from or at)
    await window.save(session)


def _written_to(window: Window, number: Number, since: datetime) -> Any:
    """Who got a message outside a window since then, from any number that counts here, and of what kind."""
    if window.key == allowance_key(number):
        counted = col(Number.id) == number.id
    elif number.portfolio_id:
        counted = col(Number.portfolio_id) == number.portfolio_id
    else:
        counted = and_(col(Number.waba_id) == number.waba_id, col(Number.portfolio_id).is_(None))
    whom = (col(Customer.id), col(Customer.phone), col(Customer.wa_user_id), col(Journey.kind))
    return (
        select(*whom, func.max(SendAttempt.claimed_at))
        .join(Send, col(Send.id) == SendAttempt.send_id)
        .join(Customer, col(Customer.id) == Send.customer_id)
        .join(Journey, col(Journey.id) == Send.journey_id)
        .where(
            col(SendAttempt.number_id).in_(select(col(Number.id)).where(counted)),
            col(SendAttempt.claimed_at) > since,
            col(SendAttempt.used_template),
            or_(col(SendAttempt.status) != AttemptStatus.FAILED, col(SendAttempt.accepted_at).is_not(None)),
        )
        .group_by(*whom)
    )
