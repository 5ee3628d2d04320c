"""A status of one of our messages, and what it decides about that message itself, in whatever order statuses come.

An attempt only ever moves forward (sent, delivered, read), and a failure stands unless the message arrives after all.
What a status says of others than its message is `status_effects`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, SendState
from models.tables import Send, SendAttempt
from storage.events import add_attempt_settled
from storage.sends import not_sent, settle_as_sent


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


ARRIVED: Final = frozenset({AttemptStatus.DELIVERED, AttemptStatus.READ})
"""The person has the message."""
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


def merge(attempt: SendAttempt, piece: StatusPiece) -> bool:
    """Write one report into the attempt; False if it says nothing that could still count."""
    match piece.report:
        case Report.FAILED:
            if attempt.status in ARRIVED:
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
        if reached not in ARRIVED:
            return False
        # It arrived on another of the person's devices; whichever was reported first, no failure is left.
        attempt.status, attempt.failed_at, attempt.error_code = reached, None, None
    elif _RANK[reached] > _RANK[attempt.status]:
        attempt.status = reached
    if attempt.accepted_at is None:
        attempt.accepted_at = piece.at
    return True


def settle(
    session: AsyncSession, send: Send, attempt: SendAttempt, piece: StatusPiece, *, received_at: datetime
) -> set[int]:
    """What the report decides about the send, whose outcome may be open, unknown or given up.

    Returns:
        The customer, where orders may belong to a message that nobody knew of so far, or no longer belong to one.
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
    learnt = send.state is SendState.ACCEPTED and before is not send.state
    lost = piece.report is Report.FAILED and before is SendState.ACCEPTED
    return {send.customer_id} if learnt or lost else set()


def note_receipt(send: Send, piece: StatusPiece) -> set[int]:
    """Remember the first moment of receipt; the customers whose orders must be attributed anew."""
    if piece.report in (Report.DELIVERED, Report.READ) and (send.received_at is None or piece.at < send.received_at):
        send.received_at = piece.at
        return {send.customer_id}
    return set()
