"""Statuses of our messages: matched to their attempt, merged in any order, and what they settle.

Reports come late, twice, in any order and sometimes before our own record of the message. An attempt therefore only
ever moves forward (sent, delivered, read), a failure stands unless the message arrives after all, and what matches no
attempt yet is kept until the message's id is stored.

A batch may hold a thousand of them, so everything that they touch is loaded in a few queries.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, text
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, EventKind, ExitReason, SendState
from models.tables import Customer, Order, Send, SendAttempt, UnmatchedStatus
from policies.whatsapp_reactions import Reaction, reaction_for
from storage.attribution import attribute_orders
from storage.chats import make_own
from storage.customers import lock_customer
from storage.engine import is_sqlite, padded
from storage.events import add_attempt_settled, record_event
from storage.opt_outs import OptOutSource, opt_out
from storage.sends import is_forgotten, record_failed, settle, take_unmatched
from storage.stores import required_id


class Report(StrEnum):
    """What a status says; WhatsApp's `played` is a `read` here, and its `deleted` says nothing to us."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StatusPiece:
    """One status of one message. `number_id` is the row of the number that it was reported for."""

    dedupe_key: str
    number_id: int
    wamid: str
    report: Report
    at: datetime
    callback_data: str | None = None
    error_code: int | None = None


class MatchedMeanwhileError(Exception):
    """A message's id was stored while its statuses were being looked for: the transaction must be run again."""


_REACHED = {Report.SENT: AttemptStatus.SENT, Report.DELIVERED: AttemptStatus.DELIVERED, Report.READ: AttemptStatus.READ}
_RANK = {
    AttemptStatus.CLAIMED: 0,
    AttemptStatus.UNKNOWN: 0,
    AttemptStatus.HELD_BY_META: 1,
    AttemptStatus.ACCEPTED: 1,
    AttemptStatus.SENT: 2,
    AttemptStatus.DELIVERED: 3,
    AttemptStatus.READ: 4,
}
_ARRIVED = frozenset({AttemptStatus.DELIVERED, AttemptStatus.READ})
_WAMID_LOCK_CLASS = 7301
_WAMID_LOCKS = 64
_OPEN = frozenset({SendState.IN_FLIGHT, SendState.UNKNOWN})

# Built once: building one costs more than running it.
_MATCHING = (
    select(SendAttempt.id, SendAttempt.wamid, SendAttempt.number_id, Send.customer_id)
    .join(Send, col(Send.id) == SendAttempt.send_id)
    .where(
        or_(
            col(SendAttempt.id).in_(bindparam("ids", expanding=True)),
            col(SendAttempt.wamid).in_(bindparam("wamids", expanding=True)),
        )
    )
)
_MATCHED = (
    select(SendAttempt, Send)
    .where(SendAttempt.send_id == Send.id, col(SendAttempt.id).in_(bindparam("ids", expanding=True)))
    .execution_options(populate_existing=True)
)
_LOCK_IN_ORDER = text(
    # The array is sorted, and unnest keeps its order.
    "SELECT pg_advisory_xact_lock(:class, key) FROM unnest(CAST(:keys AS integer[])) AS key"
)
_BUYERS = select(Order.customer_id).where(col(Order.customer_id).in_(bindparam("customers", expanding=True))).distinct()


@dataclass(slots=True)
class Matched:
    """Statuses with the attempts that they are about, and those that are about none that we know of.

    Attributes:
        attempts: what is told of each attempt.
        customers: whose messages these are.
        failing: those of them of whom a failure is told, which may say something of the person.
        unmatched: told of no message that we know of.
    """

    attempts: dict[str, list[StatusPiece]] = field(default_factory=dict)
    customers: set[int] = field(default_factory=set)
    failing: set[int] = field(default_factory=set)
    unmatched: list[StatusPiece] = field(default_factory=list)


async def match(session: AsyncSession, pieces: Sequence[StatusPiece]) -> Matched:
    """Find the attempts, by the id that travelled with our request, else by WhatsApp's id of the message."""
    matched = Matched()
    if not pieces:
        return matched
    asked = {
        "ids": padded(piece.callback_data for piece in pieces if piece.callback_data),
        "wamids": padded(piece.wamid for piece in pieces),
    }
    rows = await session.exec(_MATCHING, params=asked)
    by_id: dict[tuple[int, str | None], tuple[str, int]] = {}
    by_wamid: dict[tuple[int, str | None], tuple[str, int]] = {}
    for attempt_id, wamid, number_id, customer_id in rows:
        by_id[number_id, attempt_id] = (attempt_id, customer_id)
        if wamid is not None:
            by_wamid[number_id, wamid] = (attempt_id, customer_id)
    for piece in pieces:
        found = by_id.get((piece.number_id, piece.callback_data)) or by_wamid.get((piece.number_id, piece.wamid))
        if found is None:
            matched.unmatched.append(piece)
        else:
            matched.attempts.setdefault(found[0], []).append(piece)
            matched.customers.add(found[1])
            if piece.report is Report.FAILED:
                matched.failing.add(found[1])
    return matched


async def apply(
    session: AsyncSession, matched: Matched, customers: Mapping[int, Customer], *, received_at: datetime
) -> set[str]:
    """Merge matched statuses into their attempts and keep the others, under the locks of all their customers.

    Args:
        session: a writing transaction that holds those locks.
        matched: the statuses.
        customers: the rows of those who are failing, at least.
        received_at: when the statuses came in.

    Returns:
        The dedupe keys of those that tell of people who were erased.

    Raises:
        MatchedMeanwhileError: an unmatched one has got its attempt since it was looked for.
    """
    rows = await _load(session, matched.attempts)
    learnt = await _learn_wamids(session, rows, matched.attempts, now=received_at)
    await _lock_wamids(session, learnt.keys() | {piece.wamid for piece in matched.unmatched})
    kept = await _take_kept(session, learnt)
    changed: set[int] = set()
    for attempt, send in rows:
        for piece in (*kept.get(attempt.id, ()), *matched.attempts[attempt.id]):
            counts = _merge(attempt, piece)
            if counts:
                _settle(session, send, attempt, piece, received_at=received_at)
                changed |= _note_receipt(send, piece)
            if piece.report is Report.FAILED:
                customer = customers.get(send.customer_id) or await lock_customer(session, send.customer_id)
                await _react(session, customer, piece, counts=counts, received_at=received_at)
    await session.flush()
    await _attribute(session, changed)
    await _keep(session, matched.unmatched)
    forgotten = (matched.attempts[attempt.id] for attempt, _ in rows if is_forgotten(attempt))
    return {piece.dedupe_key for pieces in forgotten for piece in pieces}


async def _load(session: AsyncSession, attempt_ids: Collection[str]) -> list[tuple[SendAttempt, Send]]:
    if not attempt_ids:
        return []
    rows = await session.exec(_MATCHED, params={"ids": padded(attempt_ids)})
    return [(attempt, send) for attempt, send in rows]


async def _keep(session: AsyncSession, pieces: Sequence[StatusPiece]) -> None:
    """Keep statuses that match nothing yet for the moment at which their message's id is stored."""
    if pieces and not is_sqlite(session) and (await match(session, pieces)).attempts:
        raise MatchedMeanwhileError
    for piece in pieces:
        session.add(
            UnmatchedStatus(wamid=piece.wamid, status=piece.report.value, error_code=piece.error_code, at=piece.at)
        )


async def apply_kept_statuses(session: AsyncSession, attempt: SendAttempt, *, now: datetime) -> None:
    """Apply what was reported about a message before its id was stored; called in the transaction that stores it.

    The caller holds the customer's lock and has written `attempt.wamid`.
    """
    if attempt.wamid is None:
        return
    await session.flush()
    await _lock_wamids(session, {attempt.wamid})
    waiting = await take_unmatched(session, attempt.wamid)
    if not waiting:
        return
    pieces = [_kept_piece(one, attempt.number_id) for one in waiting]
    send = (await session.exec(select(Send).where(Send.id == attempt.send_id))).one()
    customer = await lock_customer(session, send.customer_id)
    await apply(session, Matched({attempt.id: pieces}), {send.customer_id: customer}, received_at=now)


def _merge(attempt: SendAttempt, piece: StatusPiece) -> bool:
    """Write one report into the attempt; False if it says nothing that could still count."""
    match piece.report:
        case Report.FAILED:
            if attempt.status in _ARRIVED:
                return False
            attempt.failed_at = attempt.failed_at or piece.at
            attempt.error_code = piece.error_code
            attempt.status = AttemptStatus.FAILED
            return True
        case Report.SENT:
            if attempt.sent_at is None:
                attempt.sent_at = piece.at
        case Report.DELIVERED:
            if attempt.delivered_at is None:
                attempt.delivered_at = piece.at
        case Report.READ:
            if attempt.read_at is None:
                attempt.read_at = piece.at
    reached = _REACHED[piece.report]
    if attempt.status is AttemptStatus.FAILED:
        if reached not in _ARRIVED:
            return False
        # It arrived on another of the person's devices; whichever was reported first, no failure is left.
        attempt.status, attempt.failed_at, attempt.error_code = reached, None, None
    elif _RANK[reached] > _RANK[attempt.status]:
        attempt.status = reached
    if attempt.accepted_at is None:
        attempt.accepted_at = piece.at
    return True


def _settle(
    session: AsyncSession, send: Send, attempt: SendAttempt, piece: StatusPiece, *, received_at: datetime
) -> None:
    """What the report decides about the send, whose outcome may be open or unknown."""
    awaited = send.state is SendState.UNKNOWN
    if piece.report is Report.FAILED:
        # A failure of an older attempt says nothing about the one that is under way, and one that comes after the
        # message was accepted ends this message alone: its stage is over.
        if attempt.number != send.attempt or send.state not in _OPEN:
            return
        record_failed(send, attempt, code=piece.error_code, now=piece.at)
    else:
        # Whichever attempt arrived: the customer has the message, so no further attempt may follow.
        settle(send, SendState.ACCEPTED, now=piece.at)
    if awaited:
        add_attempt_settled(session, send.enrollment_id, attempt.id, now=received_at)


def _note_receipt(send: Send, piece: StatusPiece) -> set[int]:
    """Remember the first moment of receipt; the customers whose orders must be attributed anew."""
    if piece.report in (Report.DELIVERED, Report.READ) and (send.received_at is None or piece.at < send.received_at):
        send.received_at = piece.at
        return {send.customer_id}
    return set()


async def _react(
    session: AsyncSession, customer: Customer, piece: StatusPiece, *, counts: bool, received_at: datetime
) -> None:
    """What a failure says of the person; that they stopped us holds also where the message itself arrived."""
    match reaction_for(piece.error_code, None, 0, False):  # noqa: FBT003 - a status has no such field
        case Reaction.RECIPIENT_OPTOUT:
            await opt_out(
                session,
                customer,
                source=OptOutSource.WHATSAPP_REFUSAL,
                at=piece.at,
                received_at=received_at,
                dedupe_key=f"whatsapp:{piece.dedupe_key}",
            )
        case Reaction.RECIPIENT_PERMANENT if counts:
            await record_event(
                session,
                customer,
                kind=EventKind.STOP,
                exit_reason=ExitReason.UNDELIVERABLE,
                occurred_at=piece.at,
                received_at=received_at,
                source="whatsapp",
                dedupe_key=f"whatsapp:{piece.dedupe_key}",
            )
        case _:
            # Recorded on the attempt; what it means for templates and numbers is the health watch's business.
            pass


async def _attribute(session: AsyncSession, customer_ids: Collection[int]) -> None:
    if not customer_ids:
        return
    buyers = await session.exec(_BUYERS, params={"customers": padded(customer_ids)})
    for customer_id in buyers.all():
        await attribute_orders(session, customer_id)


async def _learn_wamids(
    session: AsyncSession,
    rows: Iterable[tuple[SendAttempt, Send]],
    pieces: Mapping[str, Sequence[StatusPiece]],
    *,
    now: datetime,
) -> dict[str, SendAttempt]:
    """Store message ids that the callback data told us before our own record did."""
    learnt: dict[str, SendAttempt] = {}
    for attempt, _ in rows:
        wamid = pieces[attempt.id][0].wamid
        if attempt.wamid is None and wamid not in learnt:
            learnt[wamid] = attempt
    if not learnt:
        return {}
    taken = await session.exec(select(SendAttempt.wamid).where(col(SendAttempt.wamid).in_(learnt)))
    for known in taken.all():
        learnt.pop(known or "", None)
    for wamid, attempt in learnt.items():
        attempt.wamid = wamid
    await session.flush()
    await make_own(session, {wamid: attempt.id for wamid, attempt in learnt.items()}, now=now)
    return learnt


async def _take_kept(session: AsyncSession, learnt: Mapping[str, SendAttempt]) -> dict[str, list[StatusPiece]]:
    """What waited for these message ids, by attempt, oldest first."""
    if not learnt:
        return {}
    waiting = (
        await session.exec(
            select(UnmatchedStatus).where(col(UnmatchedStatus.wamid).in_(learnt)).order_by(col(UnmatchedStatus.id))
        )
    ).all()
    kept: dict[str, list[StatusPiece]] = {}
    for one in waiting:
        attempt = learnt[one.wamid]
        kept.setdefault(attempt.id, []).append(_kept_piece(one, attempt.number_id))
        await session.delete(one)
    return kept


def _kept_piece(kept: UnmatchedStatus, number_id: int) -> StatusPiece:
    return StatusPiece(
        dedupe_key=f"kept:{required_id(kept.id)}",
        number_id=number_id,
        wamid=kept.wamid,
        report=Report(kept.status),
        at=kept.at,
        error_code=kept.error_code,
    )


async def _lock_wamids(session: AsyncSession, wamids: Collection[str]) -> None:
    """On PostgreSQL, order the storing of a message's id against the keeping of a status that waits for it.

    Without it each could miss the other's uncommitted row, and the status would wait for ever. These are the last
    locks that a transaction takes, all at once and in order; a number of shared ones, because a batch may have a
    thousand ids and the server's lock table is finite.
    """
    if not wamids or is_sqlite(session):
        return
    keys = sorted({zlib.crc32(wamid.encode()) % _WAMID_LOCKS for wamid in wamids})
    await (await session.connection()).execute(_LOCK_IN_ORDER, {"class": _WAMID_LOCK_CLASS, "keys": keys})
