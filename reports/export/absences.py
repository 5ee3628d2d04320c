"""Rows of those who got no message at all: left out, waiting for a day, held out, or gone before the first message."""

from collections.abc import Collection, Iterator
from datetime import datetime

from models.enums import EnrollmentState, ExitReason, LeftOut
from policies.calendar import start_of_local_day
from reports.export.columns import ReportRow, RowKind
from reports.export.context import Context
from reports.export.messages import of_passage
from reports.export.reasons import CONTROL, PACED, TAKEN_OFF, in_words
from reports.wording import exit_word
from storage.report_facts import DecisionFacts, PassageFacts, PersonFacts


def absence_rows(person: PersonFacts, context: Context, *, told_of: Collection[str]) -> Iterator[ReportRow]:
    """Why the customer got nothing.

    Args:
        told_of: enrollments with a message that went, was passed over, or failed: those have said why.
    """
    for passage in person.passages:
        if passage.control or passage.id not in told_of:
            yield _of_passage(person, passage, context)
    if person.paced is not None:
        wait = person.paced
        words = f"{in_words(PACED)}: {wait.day:%a %Y-%m-%d}"
        # Statistics count those who wait by the day that they wait for.
        at = start_of_local_day(wait.day, context.zone)
        yield _outside(person, context, wait.version_id, PACED, words, at=at, decided_at=wait.since)
    if person.decision is not None:
        yield from _left_out(person, person.decision, context)


def _left_out(person: PersonFacts, decision: DecisionFacts, context: Context) -> Iterator[ReportRow]:
    if decision.outcome != LeftOut.PACED:
        reason = f"left_out:{decision.outcome}"
    elif person.paced is not None:
        return
    else:
        reason = PACED if context.about.watches else TAKEN_OFF
    words = in_words(reason)
    if decision.seen and decision.threshold:
        words = f"{words} (seen: {decision.seen}; asked: {decision.threshold})"
    at = decision.at
    yield _outside(person, context, decision.version_id, reason, words, at=at, decided_at=at)


def _of_passage(person: PersonFacts, passage: PassageFacts, context: Context) -> ReportRow:
    at, reason = _why(person, passage)
    return ReportRow(
        at=at,
        kind=RowKind.NOT_RECEIVED,
        **of_passage(person, passage, context),
        reason=reason,
        reason_words=in_words(reason),
        decided_at=at,
    )


def _why(person: PersonFacts, passage: PassageFacts) -> tuple[datetime, str]:
    if passage.control:
        return passage.entered_at, CONTROL
    if passage.state is EnrollmentState.CLOSED:
        bought = any(order.attributed_enrollment_id == passage.id for order in person.orders)
        word = exit_word(passage.exit_reason or ExitReason.FAILED, elsewhere=not bought)
        return passage.closed_at or passage.entered_at, f"closed:{word}"
    if passage.state is EnrollmentState.HOLDING and passage.hold_reason is not None:
        return passage.stage_due_at or passage.entered_at, f"holding:{passage.hold_reason.value}"
    return passage.entered_at, f"state:{passage.state.value}"


def _outside(
    person: PersonFacts,
    context: Context,
    version_id: int,
    reason: str,
    words: str,
    *,
    at: datetime,
    decided_at: datetime,
) -> ReportRow:
    return ReportRow(
        at=at,
        kind=RowKind.NOT_RECEIVED,
        contact=person.contact.phone,
        customer_id=person.contact.external_id,
        first_name=person.contact.first_name,
        journey=context.journey,
        version=context.versions[version_id].number,
        reason=reason,
        reason_words=words,
        decided_at=decided_at,
    )
