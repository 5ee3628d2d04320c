"""What the statuses of our messages say of others: people, their orders, templates, numbers, accounts, journeys.

A batch may have a thousand statuses, and next to none of them has an effect beyond its message. Whether one could have
is read in the statement that reads the attempts, so that an ordinary batch asks nothing more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import bindparam, exists
from sqlalchemy import select as sql_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from models.enums import AttemptStatus, EnrollmentState, EventKind, ExitReason, SendState
from models.tables import Customer, Enrollment, Number, Order, Send, SendAttempt
from policies.whatsapp_reactions import Reaction, may_follow, reaction_for
from storage.attribution import attribute_orders
from storage.engine import padded
from storage.enrollments import EnrollmentFacts, enrollment_facts
from storage.events import add_attempt_failed, record_event
from storage.opt_outs import OptOutSource, opt_out
from storage.outgoing import announce_failure
from storage.reachability import note_unreachable, reached
from storage.refusals import heed
from storage.senders import heed_probes
from storage.statuses import ARRIVED, StatusPiece
from storage.stop_loss import check_losses
from storage.stores import required_id

_GONE: Final = frozenset({AttemptStatus.SENT, AttemptStatus.DELIVERED, AttemptStatus.READ})
_ABOUT_TEMPLATES: Final = frozenset({Reaction.TEMPLATE_HELD, Reaction.TEMPLATE_DEAD, Reaction.REQUEST_BUG})
_ABOUT_OTHERS: Final = _ABOUT_TEMPLATES | {
    Reaction.SENDER_PAUSED,
    Reaction.COUNTRY_BLOCKED,
    Reaction.CREDENTIAL_FATAL,
}
# Built once: building one costs more than running it.
_REPORTED = cast(
    "Select[SendAttempt, Send, datetime | None, bool, bool]",  # sqlmodel's own `select` knows four columns at most
    sql_select(
        SendAttempt,
        Send,
        col(Number.paused_until),
        col(Customer.unreachable_code).is_not(None),
        exists().where(col(Order.customer_id) == Send.customer_id),
    )
    .join(Send, col(Send.id) == SendAttempt.send_id)
    .join(Number, col(Number.id) == SendAttempt.number_id)
    .join(Customer, col(Customer.id) == Send.customer_id)
    .where(col(SendAttempt.id).in_(bindparam("ids", expanding=True)))
    .execution_options(populate_existing=True),
)


@dataclass(frozen=True, slots=True)
class Reported:
    """An attempt of which statuses tell, and whether they could touch more than its message.

    Attributes:
        attempt: the attempt.
        send: its send.
        paused_until: the end of its number's pause, if the number has one that ends.
        called_unreachable: WhatsApp has called its customer unreachable.
        has_bought: its customer has orders.
    """

    attempt: SendAttempt
    send: Send
    paused_until: datetime | None
    called_unreachable: bool
    has_bought: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A status that tells that a message failed. `counts` is whether that says anything of the message any more."""

    attempt: SendAttempt
    send: Send
    piece: StatusPiece
    counts: bool


async def load_reported(session: AsyncSession, attempt_ids: Collection[str]) -> list[Reported]:
    """The attempts, under the locks of their customers."""
    if not attempt_ids:
        return []
    rows = await session.exec(_REPORTED, params={"ids": padded(attempt_ids)})
    return [Reported(*row) for row in rows]


async def blame(session: AsyncSession, customer: Customer, failure: Failure, *, received_at: datetime) -> None:
    """What a failure says of the person; that they stopped us holds also where the message itself arrived."""
    piece = failure.piece
    match reaction_for(piece.error_code, None, 0, is_transient=False):
        case Reaction.RECIPIENT_OPTOUT:
            await opt_out(
                session,
                customer,
                source=OptOutSource.WHATSAPP_REFUSAL,
                at=piece.at,
                received_at=received_at,
                dedupe_key=f"whatsapp:{piece.dedupe_key}",
            )
        case Reaction.RECIPIENT_COOLDOWN if failure.counts:
            note_unreachable(customer, piece.error_code, at=piece.at)
        case Reaction.RECIPIENT_PERMANENT if failure.counts:
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


async def spread(
    session: AsyncSession,
    reported: Sequence[Reported],
    changed: Collection[int],
    failures: Sequence[Failure],
    *,
    now: datetime,
) -> None:
    """Once all statuses are merged: what they say of others than their messages, and that stages may not be done.

    Args:
        session: a writing transaction that holds the customers' locks.
        reported: the attempts as they are now.
        changed: the customers of whom receipts were learnt, to which orders may belong.
        failures: what was told of failures.
        now: when the statuses came in.
    """
    await session.flush()
    # What is said of somebody in this batch came after the look at what was said of them before.
    doubted = {one.send.customer_id for one in failures}
    arrived = {
        one.send.customer_id
        for one in reported
        if one.attempt.status in ARRIVED and (one.called_unreachable or one.send.customer_id in doubted)
    }
    await reached(session, arrived.intersection(changed))
    for customer_id in sorted({one.send.customer_id for one in reported if one.has_bought}.intersection(changed)):
        await attribute_orders(session, customer_id)
    counted = [one for one in failures if one.counts]
    await _pass_on(session, counted)
    handed_on = await _reopen(session, counted, now=now)
    await _announce(session, counted, handed_on)
    await heed_probes(session, _newest_claims(reported, now), now=now)
    failed = {one.send.journey_id for one in reported if one.attempt.status is AttemptStatus.FAILED}
    await check_losses(session, failed, now=now)


async def _pass_on(session: AsyncSession, failures: Iterable[Failure]) -> None:
    """What failures say of templates, numbers and accounts.

    In one order in every transaction, since rows of numbers and templates are locked.
    """
    told = []
    for one in failures:
        reaction = reaction_for(one.piece.error_code, None, 0, is_transient=False)
        if reaction in _ABOUT_OTHERS and one.attempt.status is AttemptStatus.FAILED:
            told.append((await enrollment_facts(session, one.send.enrollment_id), one, reaction))
    for facts, one, reaction in sorted(told, key=lambda each: _lock_order(each[0], each[1].send, each[2])):
        template, code = one.attempt.used_template, one.piece.error_code
        await heed(session, facts, one.send, reaction, code, now=one.piece.at, used_template=template)


async def _reopen(session: AsyncSession, failures: Iterable[Failure], *, now: datetime) -> set[str]:
    """Tell the journeys whose message failed after it was accepted, where another attempt may follow; which those."""
    taken = {
        one.send.enrollment_id: one
        for one in failures
        if one.attempt.number == one.send.attempt
        and one.attempt.status is AttemptStatus.FAILED
        and one.send.state is SendState.ACCEPTED
        and one.send.received_at is None
        and may_follow(reaction_for(one.piece.error_code, None, 0, is_transient=False))
    }
    told: set[str] = set()
    if not taken:
        return told
    waiting = await session.exec(
        select(Enrollment.id, Enrollment.stage).where(
            col(Enrollment.id).in_(sorted(taken)),
            col(Enrollment.state).in_([EnrollmentState.WAITING, EnrollmentState.WATCHING]),
        )
    )
    for enrollment_id, stage in waiting:
        one = taken[enrollment_id]
        # A journey that is beyond the next wait has left the stage behind: the failure is on record, and that is all.
        if stage == one.send.stage + 1:
            add_attempt_failed(session, enrollment_id, one.attempt.id, now=now)
            told.add(enrollment_id)
    return told


async def _announce(session: AsyncSession, failures: Iterable[Failure], handed_on: Collection[str]) -> None:
    """Tell the stores' own systems of messages that have failed for good; of the others their journeys say so."""
    failed = [
        one for one in failures if one.attempt.status is AttemptStatus.FAILED and one.attempt.number == one.send.attempt
    ]
    unsettled = {one.send.enrollment_id for one in failed if one.send.settled_at is None}
    ended = await _ended(session, unsettled)
    for one in failed:
        send, code = one.send, one.piece.error_code
        settled = send.settled_at is not None or send.enrollment_id in ended
        over = settled and send.enrollment_id not in handed_on
        if over or not may_follow(reaction_for(code, None, 0, is_transient=False)):
            await announce_failure(session, send, code=code, at=one.piece.at)


async def _ended(session: AsyncSession, enrollment_ids: Collection[str]) -> set[str]:
    """Those of these enrollments that are closed, whose journeys try nothing again."""
    if not enrollment_ids:
        return set()
    closed = await session.exec(
        select(Enrollment.id).where(
            col(Enrollment.id).in_(sorted(enrollment_ids)), Enrollment.state == EnrollmentState.CLOSED
        )
    )
    return set(closed)


def _lock_order(facts: EnrollmentFacts, send: Send, reaction: Reaction) -> tuple[bool, str, bool, str, str, int]:
    """Templates come before numbers, as they do in a health check; of an account all numbers before one of them."""
    about_template = reaction in _ABOUT_TEMPLATES
    name, language = (send.template_name or "", send.template_language or "") if about_template else ("", "")
    alone = reaction is not Reaction.COUNTRY_BLOCKED
    return (not about_template, facts.number.waba_id, alone, name, language, required_id(facts.number.id))


def _newest_claims(reported: Iterable[Reported], now: datetime) -> dict[int, datetime]:
    """When the newest message that has gone was claimed, of each number whose pause its going may end.

    A pause that begins after this look at it ends later than now, and is none of these messages' business.
    """
    newest: dict[int, datetime] = {}
    for one in reported:
        claimed_at, number_id = one.attempt.claimed_at, one.attempt.number_id
        if one.attempt.status in _GONE and one.paused_until is not None and one.paused_until <= min(now, claimed_at):
            newest[number_id] = max(claimed_at, newest.get(number_id, claimed_at))
    return newest
