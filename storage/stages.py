"""Everything that decides about one stage, read under the customer's lock in one statement.

A journey's stage is four transactions, and one writer at a time is SQLite's rule: what is read row by row here would
be waited for by every other journey. The statements are built once, because building one costs more than running it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, bindparam, func, literal_column
from sqlalchemy.orm import aliased
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, SendState
from models.tables import Conversation, CustomerEvent, Enrollment, Number, Send, SendAttempt, Template
from storage.campaigns import CAMPAIGN_AT
from storage.enrollments import FACTS, EnrollmentFacts, UnknownEnrollmentError, facts_from, lock_customer_of
from storage.sends import POSSIBLY_SENT
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class StageFacts:
    """A stage of a locked customer.

    Attributes:
        send: None until the stage is prepared.
        exit_event: the event on record that ends the enrollment, if there is one.
        template: our mirror of the draft's template.
        other_marketing_at: when the customer last got a marketing message of another journey, or a template of
            somebody else's on the store's number; replies in an open session never count.
        last_claimed_at: when the number last wrote to the customer, whichever journey it was for; a try that is known
            to have failed before WhatsApp took it does not count.
        missed: it came due during a pause after which such stages are passed over.
    """

    enrollment: EnrollmentFacts
    send: Send | None
    exit_event: CustomerEvent | None
    template: Template | None
    other_marketing_at: datetime | None
    last_claimed_at: datetime | None = None
    missed: bool = False


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
    select(func.max(func.coalesce(_OTHER.settled_at, _TAKEN.claimed_at)))
    .join(_TAKEN, and_(_TAKEN.send_id == _OTHER.id, _TAKEN.number == _OTHER.attempt))
    .where(
        _OTHER.customer_id == Enrollment.customer_id,
        _OTHER.journey_id != Enrollment.journey_id,
        col(_OTHER.state).in_(POSSIBLY_SENT),
        # A free text went into a session that the customer had opened: it is a reply, and no marketing (DESIGN 5).
        col(_TAKEN.used_template),
    )
    .correlate(Enrollment)
    .scalar_subquery()
)
_ANY, _ANY_ATTEMPT = aliased(Send), aliased(SendAttempt)
_LAST_CLAIMED = (
    select(func.max(_ANY_ATTEMPT.claimed_at))
    .join(_ANY, col(_ANY.id) == _ANY_ATTEMPT.send_id)
    .where(
        _ANY.customer_id == Enrollment.customer_id,
        _ANY_ATTEMPT.number_id == Number.id,
        or_(_ANY_ATTEMPT.status != AttemptStatus.FAILED, col(_ANY_ATTEMPT.accepted_at).is_not(None)),
    )
    .correlate(Enrollment, Number)
    .scalar_subquery()
)
# As words: SQLAlchemy goes through the whole statement at each use, which costs more than the database's own work.
_MISSED = literal_column(
    "EXISTS (SELECT 1 FROM journey_pause WHERE journey_pause.journey_id = enrollment.journey_id "
    "AND journey_pause.skips AND journey_pause.began_at <= enrollment.stage_due_at "
    "AND journey_pause.ended_at > enrollment.stage_due_at)",
    Boolean,
)
_STAGE = (
    FACTS.add_columns(Send, CustomerEvent, Template, _OTHER_MARKETING, _LAST_CLAIMED, _MISSED, CAMPAIGN_AT)
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
    *of_enrollment, send, event, template, marketing, last_claimed_at, missed, campaign_at = row
    marketing_at = max((at for at in (marketing, campaign_at) if at is not None), default=None)
    found = facts_from(of_enrollment)
    missed = bool(missed) and found.enrollment.stage == stage
    return StageFacts(found, send, event, template, marketing_at, last_claimed_at, missed)


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
