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

from models.enums import AttemptStatus, EnrollmentState, EventKind, ExitReason, SendState
from models.tables import Customer, Enrollment, Order, Send, SendAttempt, UnmatchedStatus
from policies.whatsapp_reactions import Reaction, may_follow, reaction_for
from storage.attribution import attribute_orders
from storage.chats import make_own
from storage.customers import lock_customer
from storage.engine import is_sqlite, padded
from storage.enrollments import EnrollmentFacts, enrollment_facts
from storage.events import add_attempt_failed, add_attempt_settled, record_event
from storage.opt_outs import OptOutSource, opt_out
from storage.reachability import note_unreachable, reached
from storage.refusals import heed
from storage.senders import heed_probes
from storage.sends import is_forgotten, not_sent, settle_as_sent, take_unmatched, withdraw_refusal
from storage.stop_loss import check_losses
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
_ABOUT_TEMPLATES = frozenset({Reaction.TEMPLATE_HELD, Reaction.TEMPLATE_DEAD, Reaction.REQUEST_BUG})
_GONE = frozenset(_REACHED.values())
_ABOUT_OTHERS = frozenset(
    {
        Reaction.TEMPLATE_HELD,
        Reaction.TEMPLATE_DEAD,
        Reaction.REQUEST_BUG,
        Reaction.SENDER_PAUSED,
        Reaction.COUNTRY_BLOCKED,
        Reaction.CREDENTIAL_FATAL,
    }
)
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
    unmatched = [piece for piece in matched.unmatched if not _belongs(piece, learnt, matched.attempts)]
    await _lock_wamids(session, learnt.keys() | {piece.wamid for piece in unmatched})
    kept = await _take_kept(session, learnt)
    changed: set[int] = set()
    failures: list[tuple[SendAttempt, Send, StatusPiece]] = []
    for attempt, send in rows:
        for piece in (*kept.get(attempt.id, ()), *matched.attempts[attempt.id]):
            counts = _merge(attempt, piece)
            if counts:
                changed |= _settle(session, send, attempt, piece, received_at=received_at)
                changed |= _note_receipt(send, piece)
            if piece.report is Report.FAILED:
                customer = customers.get(send.customer_id) or await lock_customer(session, send.customer_id)
                await _react(session, customer, piece, counts=counts, received_at=received_at)
                if counts:
                    failures.append((attempt, send, piece))
    await session.flush()
    await reached(session, {send.customer_id for attempt, send in rows if attempt.status in _ARRIVED} & changed)
    await _attribute(session, changed)
    await _pass_on(session, failures, received_at=received_at)
    await heed_probes(session, _newest_claims(rows), now=received_at)
    failed = {send.journey_id for attempt, send in rows if attempt.status is AttemptStatus.FAILED}
    await check_losses(session, failed, now=received_at)
    await _keep(session, unmatched)
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
) -> set[int]:
    """What the report decides about the send, whose outcome may be open, unknown or given up.

    Returns:
        The customer, where orders may belong to a message that nobody knew of so far.
    """
    before = send.state
    if piece.report is Report.FAILED:
        # A failure of an older attempt says nothing about the one that is under way, and one that comes after the
        # message was accepted ends this message alone: its stage is over.
        not_sent(send, attempt)
    else:
        # Whichever attempt arrived: the customer has the message, so no further attempt may follow.
        settle_as_sent(send, now=piece.at)
    if before is SendState.UNKNOWN and send.state is not before:
        add_attempt_settled(session, send.enrollment_id, attempt.id, now=received_at)
    late = send.state is SendState.ACCEPTED and before in {SendState.UNKNOWN, SendState.PARKED}
    return {send.customer_id} if late else set()


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
        case Reaction.RECIPIENT_COOLDOWN if counts:
            note_unreachable(customer, piece.error_code, at=piece.at)
        case Reaction.RECIPIENT_PERMANENT if counts:
            note_unreachable(customer, piece.error_code, at=piece.at)
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
            # What it says of templates, numbers and accounts is passed on when all are merged.
            pass


async def _pass_on(
    session: AsyncSession, failures: Sequence[tuple[SendAttempt, Send, StatusPiece]], *, received_at: datetime
) -> None:
    """What failures say of others than their message, and that their stages may not be done.

    In one order in every transaction, since rows of numbers and templates are locked.
    """
    if not failures:
        return
    told = []
    for attempt, send, piece in failures:
        reaction = reaction_for(piece.error_code, None, 0, is_transient=False)
        if reaction in _ABOUT_OTHERS and attempt.status is AttemptStatus.FAILED:
            told.append((await enrollment_facts(session, send.enrollment_id), attempt, send, piece, reaction))
    for facts, attempt, send, piece, reaction in sorted(told, key=lambda one: _lock_order(one[0], one[2], one[4])):
        await heed(session, facts, send, reaction, piece.error_code, now=piece.at, used_template=attempt.used_template)
    taken = {
        send.enrollment_id: (attempt, send)
        for attempt, send, piece in failures
        if attempt.number == send.attempt
        and attempt.status is AttemptStatus.FAILED
        and send.state is SendState.ACCEPTED
        and send.received_at is None
        and may_follow(reaction_for(piece.error_code, None, 0, is_transient=False))
    }
    if not taken:
        return
    waiting = await session.exec(
        select(Enrollment.id, Enrollment.stage).where(
            col(Enrollment.id).in_(sorted(taken)),
            col(Enrollment.state).in_([EnrollmentState.WAITING, EnrollmentState.WATCHING]),
        )
    )
    for enrollment_id, stage in waiting:
        attempt, send = taken[enrollment_id]
        # A journey that is beyond the next wait has left the stage behind: the failure is on record, and that is all.
        if stage == send.stage + 1:
            add_attempt_failed(session, enrollment_id, attempt.id, now=received_at)


def _lock_order(facts: EnrollmentFacts, send: Send, reaction: Reaction) -> tuple[bool, str, bool, str, str, int]:
    """Templates come before numbers, as they do in a health check; of an account all numbers before one of them."""
    about_template = reaction in _ABOUT_TEMPLATES
    name, language = (send.template_name or "", send.template_language or "") if about_template else ("", "")
    alone = reaction is not Reaction.COUNTRY_BLOCKED
    return (not about_template, facts.number.waba_id, alone, name, language, required_id(facts.number.id))


def _newest_claims(rows: Iterable[tuple[SendAttempt, Send]]) -> dict[int, datetime]:
    """When the newest message of each number that is known to have gone was claimed."""
    newest: dict[int, datetime] = {}
    for attempt, _ in rows:
        if attempt.status in _GONE:
            newest[attempt.number_id] = max(attempt.claimed_at, newest.get(attempt.number_id, attempt.claimed_at))
    return newest


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
