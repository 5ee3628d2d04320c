"""What a journey asks of its own subject before a stage goes: the silence, the count, the cart, the last word.

Asked when a stage is prepared and again in the transaction that would claim it, after the exit events, which know most
of it already. A win-back has no subject and nothing to ask.
"""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.outcomes import restart_stage
from models.enums import ExitReason
from models.journey import AbandonedCart, FollowUp, Tracking
from models.orchestration import ExitNotice, StageRef, StageResult, StageStep
from models.tables import Checkout, Conversation, ConversationAnalysis
from policies.follow_ups import restarted_due
from storage.enrollments import EnrollmentFacts
from storage.subjects import Subject, own_word_since, sent_in_a_row


async def asked_of_subject(
    session: AsyncSession, facts: EnrollmentFacts, subject: Subject, ask: StageRef, *, now: datetime
) -> StageResult | None:
    """Why a stage that is due does not go now, or None."""
    match facts.definition:
        case FollowUp() as definition if subject.conversation is not None:
            return await _follow_up(session, facts, definition, subject.conversation, ask, now=now)
        case AbandonedCart() if subject.checkout is not None:
            return _cart(subject.checkout, now=now)
        case Tracking() if subject.conversation is not None and subject.analysis is not None:
            return _tracking(subject.conversation, subject.analysis, now=now)
        case _:
            return None


async def _follow_up(
    session: AsyncSession,
    facts: EnrollmentFacts,
    definition: FollowUp,
    conversation: Conversation,
    ask: StageRef,
    *,
    now: datetime,
) -> StageResult | None:
    if conversation.silent_since is None:
        # The customer spoke last, whatever else was heard: a follow-up would talk past them.
        return _exit(ExitReason.CUSTOMER_REPLIED, conversation.last_spoken_at or now)
    enrollment = facts.enrollment
    sent = await sent_in_a_row(session, enrollment.journey_id, [enrollment.customer_id])
    if sent.get(enrollment.customer_id, 0) >= definition.message_count:
        return _exit(ExitReason.COMPLETED, now)
    spoke_at = await own_word_since(session, enrollment, conversation, ask.stage) if not ask.at_once else None
    due_at = restarted_due(definition, ask.stage, spoke_at, facts.where, now=now) if spoke_at is not None else None
    return restart_stage(session, facts, ask.stage, due_at, now=now) if due_at is not None else None


def _cart(checkout: Checkout, *, now: datetime) -> StageResult | None:
    if checkout.completed_at is not None:
        return _exit(ExitReason.PURCHASED, checkout.completed_at)
    if checkout.idle_since is None:
        # Deleted, or paid for by an order that came without the checkout's token.
        return _exit(ExitReason.NO_LONGER_ELIGIBLE, now)
    return None


def _tracking(conversation: Conversation, analysis: ConversationAnalysis, *, now: datetime) -> StageResult | None:
    """What was suggested answers the message that was the last one then; after another it answers nothing."""
    if conversation.last_spoken_key == analysis.last_key:
        return None
    spoke_at = conversation.last_spoken_at
    if conversation.silent_since is None and spoke_at is not None and spoke_at >= analysis.wrote_at:
        return _exit(ExitReason.CUSTOMER_REPLIED, spoke_at)
    return _exit(ExitReason.NO_LONGER_ELIGIBLE, now)


def _exit(reason: ExitReason, at: datetime) -> StageResult:
    return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=reason, at=at))
