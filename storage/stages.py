"""Everything that decides about one stage, read under the customer's lock in one statement.

A journey's stage is four transactions, and one writer at a time is SQLite's rule: what is read row by row here would
be waited for by every other journey. The statements are built once, because building one costs more than running it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func
from sqlalchemy.orm import aliased
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SendState
from models.tables import Conversation, CustomerEvent, Enrollment, Number, Send, SendAttempt, Template
from storage.enrollments import FACTS, EnrollmentFacts, UnknownEnrollmentError, facts_from, lock_customer_of
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class StageFacts:
    """A stage of a locked customer.

    Attributes:
        send: None until the stage is prepared.
        exit_event: the event on record that ends the enrollment, if there is one.
        template: our mirror of the draft's template.
        other_marketing_at: when the customer last got a marketing message of another journey; replies in an open
            session never count.
    """

    enrollment: EnrollmentFacts
    send: Send | None
    exit_event: CustomerEvent | None
    template: Template | None
    other_marketing_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """A claimed attempt of a locked customer. `conversation_id` is that of the chat with the store's number."""

    enrollment: EnrollmentFacts
    send: Send
    attempt: SendAttempt
    conversation_id: int | None


def _send_of_stage() -> Any:
    return and_(
        col(Send.enrollment_id) == col(Enrollment.id),
        col(Send.stage) == bindparam("stage"),
        col(Send.occurrence) == bindparam("occurrence"),
    )


_EARLIER, _OTHER, _TAKEN = aliased(CustomerEvent), aliased(Send), aliased(SendAttempt)
_FIRST_EXIT_EVENT = (
    select(func.min(_EARLIER.id))
    .where(
        _EARLIER.customer_id == Enrollment.customer_id,
        col(_EARLIER.id) > col(Enrollment.after_event_id),
        col(_EARLIER.exit_reason).is_not(None),
        or_(col(_EARLIER.enrollment_id).is_(None), _EARLIER.enrollment_id == Enrollment.id),
    )
    .correlate(Enrollment)
    .scalar_subquery()
)
_OTHER_MARKETING = (
    select(func.max(_OTHER.settled_at))
    .where(
        _OTHER.customer_id == Enrollment.customer_id,
        _OTHER.journey_id != Enrollment.journey_id,
        _OTHER.state == SendState.ACCEPTED,
        # A free text went into a session that the customer had opened: it is a reply, and no marketing (DESIGN 5).
        select(_TAKEN.id)
        .where(_TAKEN.send_id == _OTHER.id, _TAKEN.number == _OTHER.attempt, col(_TAKEN.used_template))
        .correlate(_OTHER)
        .exists(),
    )
    .correlate(Enrollment)
    .scalar_subquery()
)
_STAGE = (
    FACTS.add_columns(Send, CustomerEvent, Template, _OTHER_MARKETING)
    .join(Send, _send_of_stage(), isouter=True)
    .join(CustomerEvent, col(CustomerEvent.id) == _FIRST_EXIT_EVENT, isouter=True)
    .join(
        Template,
        and_(
            col(Template.waba_id) == col(Number.waba_id),
            col(Template.name) == col(Send.template_name),
            col(Template.language) == col(Send.template_language),
        ),
        isouter=True,
    )
)
_ATTEMPT = (
    FACTS.add_columns(Send, SendAttempt, col(Conversation.id))
    .join(Send, _send_of_stage())
    .join(SendAttempt, and_(col(SendAttempt.send_id) == col(Send.id), col(SendAttempt.id) == bindparam("attempt_id")))
    .join(
        Conversation,
        and_(
            col(Conversation.number_id) == col(Number.id),
            col(Conversation.customer_id) == col(Enrollment.customer_id),
        ),
        isouter=True,
    )
)


async def locked_stage(session: AsyncSession, enrollment_id: str, stage: int, occurrence: int) -> StageFacts:
    """The stage as the events before this transaction left it.

    Raises:
        UnknownEnrollmentError: there is no such enrollment.
    """
    await lock_customer_of(session, enrollment_id)
    asked = {"enrollment_id": enrollment_id, "stage": stage, "occurrence": occurrence}
    row = (await session.exec(_STAGE, params=asked)).first()
    if row is None:
        raise UnknownEnrollmentError(enrollment_id)
    *of_enrollment, send, event, template, marketing = row
    return StageFacts(facts_from(of_enrollment), send, event, template, marketing)


async def locked_attempt(
    session: AsyncSession, enrollment_id: str, stage: int, occurrence: int, *, attempt_id: str
) -> AttemptFacts:
    """The stage's send with one of its attempts.

    Raises:
        UnknownEnrollmentError: there is no such attempt of that enrollment.
    """
    await lock_customer_of(session, enrollment_id)
    asked = {"enrollment_id": enrollment_id, "stage": stage, "occurrence": occurrence, "attempt_id": attempt_id}
    row = (await session.exec(_ATTEMPT, params=asked)).first()
    if row is None:
        raise UnknownEnrollmentError(enrollment_id)
    *of_enrollment, send, attempt, conversation_id = row
    return AttemptFacts(facts_from(of_enrollment), send, attempt, conversation_id)


def stage_send(session: AsyncSession, facts: StageFacts, stage: int, occurrence: int) -> Send:
    """The stage's send, made if this is the first time that the stage is prepared; written at the next flush."""
    if facts.send is not None:
        return facts.send
    send = Send(
        store_id=required_id(facts.enrollment.store.id),
        journey_id=required_id(facts.enrollment.journey.id),
        enrollment_id=facts.enrollment.enrollment.id,
        customer_id=required_id(facts.enrollment.customer.id),
        stage=stage,
        occurrence=occurrence,
        state=SendState.DRAFTED,
    )
    session.add(send)
    return send
