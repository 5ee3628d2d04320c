"""A store's credits: reserved before something that costs, settled or released after it, never below zero.

What is available is one number on the store's row, taken from by compare-and-set; each charge has one line, keyed by
its cause, so that a repetition is not charged again. A store without a ledger is asked for nothing.

A line that its cause left behind (a crash between a reservation and its outcome) is put right from what the send itself
says.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import and_, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import CreditKind, CreditState, SendState, StoreEventKind
from models.tables import AnalysisCall, ConversationAnalysis, CreditEntry, ModelCall, Send, Store
from storage.customers import lock_customer
from storage.engine import LARGEST_ID
from storage.events import add_broadcast
from storage.store_events import record_store_event
from storage.stores import required_id

_LEFT_BEHIND = timedelta(hours=1)
"""An activity with its retries is over by then, so a reserved generation that old has lost its caller."""
_AT_ONCE = 500
_CALLS = (CreditKind.GENERATION, CreditKind.ANALYSIS)
_UNDER_WAY = (SendState.IN_FLIGHT, SendState.UNKNOWN, SendState.PARKED)


class NoLedgerError(Exception):
    """The store has no ledger, so nothing is counted."""


class LedgerOpenError(Exception):
    """The store has a ledger already."""


def credits_key(store_id: int) -> str:
    """The key of everybody who waits for credits."""
    return f"credits:{store_id}"


def message_cause(send_id: int) -> str:
    """One message is charged once, however many attempts it takes."""
    return f"send:{send_id}"


def generation_cause(send_id: int, number: int) -> str:
    """Each call of the model is charged; a repetition of the same call is not."""
    return f"generation:{send_id}:{number}"


def analysis_cause(analysis_id: int, number: int) -> str:
    """Each call of the model about a conversation is charged; a repetition of the same call is not."""
    return f"analysis:{analysis_id}:{number}"


async def open_ledger(session: AsyncSession, store_id: int, balance: int, *, now: datetime) -> Store:
    """Begin to count: from now on nothing is sent or written that is not covered.

    Raises:
        LedgerOpenError: the store has one.
    """
    store = await _locked(session, store_id)
    if store.credits is not None:
        raise LedgerOpenError
    store.credits = balance
    session.add(await _line(session, store_id, CreditKind.OPENING, balance, None, now=now))
    await session.flush()
    return store


async def close_ledger(session: AsyncSession, store_id: int, *, now: datetime) -> Store:
    """Stop counting; the lines stay, and whoever waited for credits goes on.

    Raises:
        NoLedgerError: the store has none.
    """
    store = await _counted(session, store_id)
    store.credits = None
    # Whoever has a line locked ends it, and waits for the store, which we have: no waiting for them.
    reserved = (
        select(CreditEntry.id)
        .where(CreditEntry.store_id == store_id, CreditEntry.state == CreditState.RESERVED)
        .with_for_update(skip_locked=True)
    )
    await session.exec(
        update(CreditEntry)
        .where(col(CreditEntry.id).in_(reserved))
        .values(state=CreditState.SETTLED, settled_at=now)
        .execution_options(synchronize_session=False)
    )
    add_broadcast(session, credits_key(store_id), now=now, again=True)
    await session.flush()
    return store


async def add_credits(
    session: AsyncSession, store_id: int, amount: int, *, note: str | None, now: datetime
) -> tuple[Store, CreditEntry]:
    """Pay in, and release whoever waits.

    Raises:
        NoLedgerError: the store has no ledger.
    """
    store = await _counted(session, store_id)
    store.credits = (store.credits or 0) + amount
    line = await _line(session, store_id, CreditKind.TOP_UP, amount, note, now=now)
    session.add(line)
    add_broadcast(session, credits_key(store_id), now=now, again=True)
    await session.flush()
    return store, line


async def set_prices(
    session: AsyncSession,
    store_id: int,
    *,
    message: int | None,
    generation: int | None,
    analysis: int | None = None,
    now: datetime,
) -> Store:
    """Change what a message or a call of the model costs from now on; what is reserved keeps its price."""
    store = await _locked(session, store_id)
    store.message_credits = store.message_credits if message is None else message
    store.generation_credits = store.generation_credits if generation is None else generation
    store.analysis_credits = store.analysis_credits if analysis is None else analysis
    if store.credits is not None:
        # Somebody may wait for more than is asked now.
        add_broadcast(session, credits_key(store_id), now=now, again=True)
    await session.flush()
    return store


async def reserve(
    session: AsyncSession,
    store_id: int,
    kind: CreditKind,
    cause: str,
    amount: int,
    *,
    now: datetime,
    send_id: int | None = None,
    analysis_id: int | None = None,
    beside: int = 0,
) -> bool:
    """Take credits out for one cause, unless they do not suffice.

    The caller holds a lock under which nobody else reserves for the same cause (the customer's).

    Args:
        session: a writing transaction.
        store_id: a store with a ledger; without one the answer is yes and nothing is written.
        kind: what they are for.
        cause: names it once and for all; a cause that was charged already costs nothing more.
        amount: whole credits.
        now: the time.
        send_id: the message that it belongs to, if it belongs to one.
        analysis_id: the analysis of a conversation that it belongs to, likewise.
        beside: how many more must be left for what follows, which are not taken.

    Returns:
        Whether the cause is covered.
    """
    line = (
        await session.exec(select(CreditEntry).where(CreditEntry.store_id == store_id, CreditEntry.cause == cause))
    ).first()
    if line is not None and line.state is not CreditState.RELEASED:
        return True
    if not await _take(session, store_id, amount, beside=beside):
        return await _has_no_ledger(session, store_id, now=now)
    if line is not None:
        line.state, line.amount, line.at, line.settled_at = CreditState.RESERVED, -amount, now, None
        return True
    session.add(
        CreditEntry(
            store_id=store_id,
            cause=cause,
            kind=kind,
            state=CreditState.RESERVED,
            amount=-amount,
            send_id=send_id,
            analysis_id=analysis_id,
            at=now,
        )
    )
    return True


async def settle_charge(session: AsyncSession, store_id: int, cause: str, *, now: datetime) -> None:
    """What was reserved has been used."""
    await session.exec(
        update(CreditEntry)
        .where(
            col(CreditEntry.store_id) == store_id,
            col(CreditEntry.cause) == cause,
            col(CreditEntry.state) == CreditState.RESERVED,
        )
        .values(state=CreditState.SETTLED, settled_at=now)
        .execution_options(synchronize_session=False)
    )


async def release_charge(session: AsyncSession, store_id: int, cause: str, *, now: datetime) -> bool:
    """Give back what a cause took, because nothing came of it; whether there was anything to give back.

    What was charged to a ledger that has been closed since is nothing to the one that was opened after it.
    """
    line = (
        await session.exec(
            select(CreditEntry)
            .where(CreditEntry.store_id == store_id, CreditEntry.cause == cause)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).first()
    if line is None or line.state is CreditState.RELEASED:
        return False
    line.state, line.settled_at = CreditState.RELEASED, now
    await session.flush()
    opened_at = select(func.max(CreditEntry.at)).where(
        CreditEntry.store_id == store_id, CreditEntry.kind == CreditKind.OPENING
    )
    await session.exec(
        update(Store)
        .where(
            col(Store.id) == store_id,
            col(Store.credits).is_not(None),
            func.coalesce(opened_at.scalar_subquery(), line.at) <= line.at,
        )
        .values(credits=col(Store.credits) - line.amount)
        .execution_options(synchronize_session=False)
    )
    add_broadcast(session, credits_key(store_id), now=now)
    return True


async def left_behind(session: AsyncSession, store_id: int, *, now: datetime) -> list[int]:
    """Lines that are reserved although what they were for is over: a crash, or an outcome that a webhook told.

    A message whose outcome nobody knows, and one that is parked, stay reserved until somebody knows.
    """
    rows = await session.exec(
        select(CreditEntry.id)
        .join(Send, col(Send.id) == CreditEntry.send_id, isouter=True)
        .where(
            CreditEntry.store_id == store_id,
            CreditEntry.state == CreditState.RESERVED,
            or_(
                and_(col(CreditEntry.kind) == CreditKind.MESSAGE, col(Send.state).not_in(_UNDER_WAY)),
                and_(col(CreditEntry.kind).in_(_CALLS), col(CreditEntry.at) <= now - _LEFT_BEHIND),
            ),
        )
        .order_by(col(CreditEntry.id))
        .limit(_AT_ONCE)
    )
    return [required_id(one) for one in rows]


async def put_right(session: AsyncSession, line_id: int, *, now: datetime) -> None:
    """Settle or release a line that was left behind, by what it is for says under the customer's lock."""
    entry = await session.get_one(CreditEntry, line_id)
    if entry.analysis_id is not None:
        await _put_analysis_right(session, entry, entry.analysis_id, now=now)
        return
    of_line = select(CreditEntry, Send).where(CreditEntry.id == line_id, Send.id == CreditEntry.send_id)
    _, send = (await session.exec(of_line)).one()
    await lock_customer(session, send.customer_id)
    line, send = (await session.exec(of_line.execution_options(populate_existing=True))).one()
    if line.state is not CreditState.RESERVED:
        return
    if await _is_used(session, line, send):
        await settle_charge(session, line.store_id, line.cause, now=now)
    elif send.state not in _UNDER_WAY or line.kind is CreditKind.GENERATION:
        await release_charge(session, line.store_id, line.cause, now=now)


async def _put_analysis_right(session: AsyncSession, line: CreditEntry, analysis_id: int, *, now: datetime) -> None:
    analysis = await session.get_one(ConversationAnalysis, analysis_id)
    await lock_customer(session, analysis.customer_id)
    numbers = await session.exec(select(AnalysisCall.number).where(AnalysisCall.analysis_id == analysis_id))
    if line.cause in {analysis_cause(analysis_id, number) for number in numbers}:
        await settle_charge(session, line.store_id, line.cause, now=now)
    else:
        await release_charge(session, line.store_id, line.cause, now=now)


async def _is_used(session: AsyncSession, line: CreditEntry, send: Send) -> bool:
    if line.kind is CreditKind.MESSAGE:
        return send.state is SendState.ACCEPTED
    called = select(ModelCall.id).where(ModelCall.send_id == line.send_id, ModelCall.at >= line.at).limit(1)
    return (await session.exec(called)).first() is not None


async def reserved_credits(session: AsyncSession, store_id: int) -> int:
    """How much is taken out for what is under way."""
    total = select(func.sum(CreditEntry.amount)).where(
        CreditEntry.store_id == store_id, CreditEntry.state == CreditState.RESERVED
    )
    return -((await session.exec(total)).one() or 0)


async def ledger_lines(
    session: AsyncSession, store_id: int, *, limit: int, before: int | None
) -> Sequence[CreditEntry]:
    """The newest lines, newest first; with `before` those older than that line."""
    query = select(CreditEntry).where(CreditEntry.store_id == store_id)
    if before is not None:
        query = query.where(col(CreditEntry.id) < min(before, LARGEST_ID))
    return (await session.exec(query.order_by(col(CreditEntry.id).desc()).limit(limit))).all()


async def _take(session: AsyncSession, store_id: int, amount: int, *, beside: int) -> bool:
    taken = await session.exec(
        update(Store)
        .where(col(Store.id) == store_id, col(Store.credits) >= amount + beside)
        .values(credits=col(Store.credits) - amount)
        .execution_options(synchronize_session=False)
    )
    return int(taken.rowcount) == 1


async def _has_no_ledger(session: AsyncSession, store_id: int, *, now: datetime) -> bool:
    """Whether nothing could be taken because nothing is counted; if the credits do not suffice, people are told."""
    left = (await session.exec(select(Store.credits).where(Store.id == store_id))).one()
    if left is None:
        return True
    paid_in = (CreditKind.OPENING, CreditKind.TOP_UP)
    newest = select(func.max(CreditEntry.id)).where(
        CreditEntry.store_id == store_id, col(CreditEntry.kind).in_(paid_in)
    )
    # Once for each time that somebody paid in.
    key = f"credits:{(await session.exec(newest)).one()}"
    await record_store_event(
        session, store_id, StoreEventKind.CREDITS_EXHAUSTED, dedupe_key=key, at=now, detail={"left": left}
    )
    return False


async def _line(
    session: AsyncSession, store_id: int, kind: CreditKind, amount: int, note: str | None, *, now: datetime
) -> CreditEntry:
    """A line of what was paid in, under the store's lock."""
    count = select(func.count()).where(CreditEntry.store_id == store_id, CreditEntry.kind == kind)
    return CreditEntry(
        store_id=store_id,
        cause=f"{kind}:{(await session.exec(count)).one() + 1}",
        kind=kind,
        state=CreditState.SETTLED,
        amount=amount,
        note=note,
        at=now,
        settled_at=now,
    )


async def _locked(session: AsyncSession, store_id: int) -> Store:
    query = select(Store).where(Store.id == store_id).with_for_update(key_share=True)
    return (await session.exec(query.execution_options(populate_existing=True))).one()


async def _counted(session: AsyncSession, store_id: int) -> Store:
    store = await _locked(session, store_id)
    if store.credits is None:
        raise NoLedgerError
    return store


def covers(store: Store, messages: int, *, beside: int = 0) -> bool:
    """Whether what is left suffices for so many messages that no model writes, and for so many credits beside them."""
    return store.credits is None or store.credits >= messages * store.message_credits + beside


async def reserve_message(session: AsyncSession, store: Store, send: Send, *, now: datetime) -> bool:
    """Reserve for a message that is about to be claimed."""
    if store.credits is None:
        return True
    send_id = required_id(send.id)
    return await reserve(
        session,
        required_id(store.id),
        CreditKind.MESSAGE,
        message_cause(send_id),
        store.message_credits,
        now=now,
        send_id=send_id,
    )


async def note_outcome(session: AsyncSession, store: Store, send: Send, *, now: datetime) -> None:
    """Settle or release a message's charge by what is known of the message; unknown leaves it reserved."""
    if store.credits is None or send.state in _UNDER_WAY:
        return
    cause = message_cause(required_id(send.id))
    if send.state is SendState.ACCEPTED:
        await settle_charge(session, required_id(store.id), cause, now=now)
    else:
        await release_charge(session, required_id(store.id), cause, now=now)
