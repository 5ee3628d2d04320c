"""Message rows, and the rows of messages that were passed over or failed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from models.enums import AttemptStatus, SendState
from policies.whatsapp_reactions import explain
from reports.export.columns import Arm, ReportRow, RowKind
from reports.export.context import Context
from reports.export.reasons import FAILED, in_words
from storage.report_facts import AttemptFacts, MessageFacts, PassageFacts, PersonFacts

SENT: Final = frozenset({SendState.ACCEPTED, SendState.PARKED, SendState.UNKNOWN})
"""States of a message that has a row of its own: WhatsApp took it, or nobody knows whether it did."""
_TEXT: Final = "text"
_FURTHEST: Final = (AttemptStatus.SENT, AttemptStatus.ACCEPTED, AttemptStatus.HELD_BY_META)


def message_rows(person: PersonFacts, passage: PassageFacts, context: Context) -> Iterator[ReportRow]:
    """What was sent in this passage, and what was passed over or failed."""
    for message in person.messages:
        if message.enrollment_id != passage.id:
            continue
        if message.state in SENT:
            yield _sent(person, passage, message, context)
        missed = _missed(person, passage, message, context)
        if missed is not None:
            yield missed


def message_name(message: MessageFacts) -> str:
    """The template with its language, or the word for free text."""
    gone = _gone(message)
    if message.template_name is None or (gone is not None and not gone.used_template):
        return _TEXT
    return f"{message.template_name}/{message.template_language or ''}".removesuffix("/")


def moment_of(message: MessageFacts, passage: PassageFacts) -> datetime:
    """The moment at which statistics count the message: when its stage was over, which is when WhatsApp took it."""
    last = _last(message)
    tried = (last.accepted_at or last.failed_at or last.claimed_at) if last is not None else None
    return message.settled_at or tried or message.drafted_at or passage.entered_at


def _last(message: MessageFacts) -> AttemptFacts | None:
    return message.attempts[-1] if message.attempts else None


def _gone(message: MessageFacts) -> AttemptFacts | None:
    """The attempt that reached WhatsApp, else the newest one."""
    taken = [one for one in message.attempts if one.accepted_at is not None or one.delivered_at is not None]
    arrived = [one for one in taken if one.status is not AttemptStatus.FAILED]
    return next(reversed(arrived or taken or message.attempts), None)


def _sent(person: PersonFacts, passage: PassageFacts, message: MessageFacts, context: Context) -> ReportRow:
    failed, at = _failed_after_all(message), moment_of(message, passage)
    return ReportRow(
        at=at,
        kind=RowKind.MESSAGE,
        **of_passage(person, passage, context),
        stage=message.stage + 1,
        message=message_name(message),
        message_status=_status(message),
        sent_at=at,
        received_at=message.received_at,
        read_at=_read_at(message),
        coupon=message.coupon_code,
        reason=_failure(failed) if failed is not None else None,
        reason_words=in_words(_failure(failed)) if failed is not None else None,
    )


def _missed(person: PersonFacts, passage: PassageFacts, message: MessageFacts, context: Context) -> ReportRow | None:
    """The row of a message that did not reach the customer; None for one that did, or still may."""
    at = moment_of(message, passage)
    decided_at, last = at, _last(message)
    if message.state is SendState.SKIPPED and message.skip_reason is not None:
        reason = f"skipped:{message.skip_reason.value}"
        words = in_words(reason)
        if last is not None and last.error_code is not None:
            words = f"{words}. Code {last.error_code}: {explain(last.error_code)}"
    elif message.state is SendState.FAILED and last is not None:
        decided_at, reason = last.failed_at or at, _failure(last)
        words = in_words(reason)
    elif message.state in SENT and (failed := _failed_after_all(message)) is not None:
        decided_at, reason = failed.failed_at or at, _failure(failed)
        words = in_words(reason)
    else:
        return None
    return ReportRow(
        at=at,
        kind=RowKind.NOT_RECEIVED,
        **of_passage(person, passage, context),
        stage=message.stage + 1,
        message=message_name(message) if message.template_name is not None else None,
        reason=reason,
        reason_words=words,
        decided_at=decided_at,
    )


def of_passage(person: PersonFacts, passage: PassageFacts, context: Context) -> dict[str, Any]:
    """The columns that say who it is, and in what."""
    return {
        "contact": person.contact.phone,
        "customer_id": person.contact.external_id,
        "first_name": person.contact.first_name,
        "journey": context.journey,
        "version": context.versions[passage.version_id].number,
        "arm": Arm.CONTROL if passage.control else Arm.TREATED,
    }


def _status(message: MessageFacts) -> str:
    """How far the message came: the furthest word that WhatsApp gave of it, else that nobody knows."""
    if _read_at(message) is not None:
        return AttemptStatus.READ.value
    if message.received_at is not None:
        return AttemptStatus.DELIVERED.value
    if _failed_after_all(message) is not None:
        return AttemptStatus.FAILED.value
    if message.state is not SendState.ACCEPTED:
        return message.state.value
    known = {one.status for one in message.attempts}
    return next((one.value for one in _FURTHEST if one in known), AttemptStatus.ACCEPTED.value)


def _failed_after_all(message: MessageFacts) -> AttemptFacts | None:
    """The attempt of a message that WhatsApp took and then could not deliver."""
    if message.received_at is not None:
        return None
    return _last(message) if all(one.status is AttemptStatus.FAILED for one in message.attempts) else None


def _read_at(message: MessageFacts) -> datetime | None:
    return min((one.read_at for one in message.attempts if one.read_at is not None), default=None)


def _failure(attempt: AttemptFacts) -> str:
    return FAILED if attempt.error_code is None else f"{FAILED}:{attempt.error_code}"
