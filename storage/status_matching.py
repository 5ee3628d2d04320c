"""Statuses of our messages: matched to their attempts a batch at a time, or kept until their message's id is stored.

Reports come late, twice, in any order and sometimes before our own record of the message. A batch may hold a thousand
of them, so everything that they touch is loaded in a few queries.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer, Send, SendAttempt, UnmatchedStatus
from storage.chats import make_own
from storage.customers import lock_customer
from storage.engine import is_sqlite, padded
from storage.sends import is_forgotten, take_unmatched, withdraw_refusal
from storage.status_effects import Failure, Reported, blame, load_reported, spread
from storage.statuses import Report, StatusPiece, merge, note_receipt, settle
from storage.stores import required_id


class MatchedMeanwhileError(Exception):
    """A message's id was stored while its statuses were being looked for: the transaction must be run again."""


_WAMID_LOCK_CLASS = 7301
_WAMID_LOCKS = 64

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
_LOCK_IN_ORDER = text(
    # The array is sorted, and unnest keeps its order.
    "SELECT pg_advisory_xact_lock(:class, key) FROM unnest(CAST(:keys AS integer[])) AS key"
)


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
    reported = await load_reported(session, matched.attempts)
    learnt = await _learn_wamids(session, reported, matched.attempts, now=received_at)
    unmatched = [piece for piece in matched.unmatched if not _belongs(piece, learnt, matched.attempts)]
    await _lock_wamids(session, learnt.keys() | {piece.wamid for piece in unmatched})
    kept = await _take_kept(session, learnt)
    changed: set[int] = set()
    failures: list[Failure] = []
    for attempt, send in ((one.attempt, one.send) for one in reported):
        for piece in (*kept.get(attempt.id, ()), *matched.attempts[attempt.id]):
            counts = merge(attempt, piece)
            if counts:
                changed |= settle(session, send, attempt, piece, received_at=received_at)
                changed |= note_receipt(send, piece)
            if piece.report is Report.FAILED:
                customer = customers.get(send.customer_id) or await lock_customer(session, send.customer_id)
                failures.append(Failure(attempt, send, piece, counts))
                await blame(session, customer, failures[-1], received_at=received_at)
    await spread(session, reported, changed, failures, now=received_at)
    await _keep(session, unmatched)
    forgotten = (matched.attempts[one.attempt.id] for one in reported if is_forgotten(one.attempt))
    return {piece.dedupe_key for pieces in forgotten for piece in pieces}


async def _keep(session: AsyncSession, pieces: Sequence[StatusPiece]) -> None:
    """Keep statuses that match nothing yet for the moment at which their message's id is stored."""
    if pieces and not is_sqlite(session) and (await match(session, pieces)).attempts:
        raise MatchedMeanwhileError
    for piece in pieces:
        session.add(
            UnmatchedStatus(
                number_id=piece.number_id,
                wamid=piece.wamid,
                status=piece.report.value,
                error_code=piece.error_code,
                at=piece.at,
            )
        )


async def apply_kept_statuses(session: AsyncSession, attempt: SendAttempt, *, now: datetime) -> None:
    """Apply what was reported about a message before its id was stored; called in the transaction that stores it.

    The caller holds the customer's lock and has written `attempt.wamid`.
    """
    if attempt.wamid is None:
        return
    await session.flush()
    await _lock_wamids(session, {attempt.wamid})
    waiting = await take_unmatched(session, attempt.wamid, number_id=attempt.number_id)
    if not waiting:
        return
    pieces = [_kept_piece(one, attempt.number_id) for one in waiting]
    send = (await session.exec(select(Send).where(Send.id == attempt.send_id))).one()
    customer = await lock_customer(session, send.customer_id)
    await apply(session, Matched({attempt.id: pieces}), {send.customer_id: customer}, received_at=now)


async def _learn_wamids(
    session: AsyncSession,
    reported: Iterable[Reported],
    pieces: Mapping[str, Sequence[StatusPiece]],
    *,
    now: datetime,
) -> dict[str, SendAttempt]:
    """Store message ids that the callback data told us before our own record did."""
    learnt: dict[str, SendAttempt] = {}
    for attempt in (one.attempt for one in reported):
        wamid = pieces[attempt.id][0].wamid
        if attempt.wamid is None and wamid not in learnt:
            learnt[wamid] = attempt
    if not learnt:
        return {}
    taken = await session.exec(select(SendAttempt.wamid).where(col(SendAttempt.wamid).in_(learnt)))
    for known in taken.all():
        learnt.pop(known or "", None)
    for wamid, attempt in learnt.items():
        withdraw_refusal(attempt)
        attempt.wamid = wamid
    await session.flush()
    await make_own(session, {wamid: attempt.id for wamid, attempt in learnt.items()}, now=now)
    return learnt


def _belongs(piece: StatusPiece, learnt: Mapping[str, SendAttempt], attempts: Mapping[str, list[StatusPiece]]) -> bool:
    """Add a status without our id to its attempt, if another of the same batch has told whose message it is."""
    attempt = learnt.get(piece.wamid)
    if attempt is None or attempt.number_id != piece.number_id:
        return False
    attempts[attempt.id].append(piece)
    return True


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
        if one.number_id not in (None, attempt.number_id):
            continue
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
