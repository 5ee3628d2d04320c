"""Analyses: the one question to the model about a conversation up to its last message, and what it answered.

The row is written under the customer's lock before the model is asked, so that two runs at once ask once, and a run
that was killed goes on where it was: what is answered is not asked again, and a call that was under way is charged to
the cause that it had.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import and_, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LeftOut, ReviewOutcome, RunState
from models.tables import ChatMessage, Conversation, ConversationAnalysis, JourneyVersion, Review, TrackingRun
from models.tracking import Tracking
from policies.eligibility import RuleResult, first_failure, rule_result
from policies.tracking import lately
from storage.analysis_calls import count_calls, reserve_call
from storage.customers import lock_customer
from storage.journeys import parse_definition
from storage.review_facts import was_unfollowed
from storage.reviews import ask_again, lock_review, settle_review
from storage.run_stops import NO_CREDITS, stop_run, why_stopped
from storage.stores import required_id
from storage.tracking_runs import Tracked, tracked_by

_LOST: Final = timedelta(hours=20)
"""A run that asked so long ago and has no answer has lost its workflow, or waits for a model that names a day."""
_FORGOTTEN: Final = timedelta(hours=6)
"""A run that found something so long ago and has not followed it up has lost its workflow."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What has been come to about the conversation already; with `stop` nothing more is done in this run, and why."""

    outcome: ReviewOutcome
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A conversation about which the model is to be asked.

    Attributes:
        analysis: its row, not answered yet.
        scope: the journey with the run's version.
        attempt: which follow-up of the opportunity the message would be.
        lines: the conversation's last messages that have words, oldest first.
        calls: how many calls are on record, from an earlier try; the next one's credits are reserved if there is one.
    """

    analysis: ConversationAnalysis
    scope: Tracked
    attempt: int
    lines: list[ChatMessage]
    calls: int


async def open_analysis(
    session: AsyncSession, review_id: int, *, suppression_key: bytes, most_lines: int, most_calls: int, now: datetime
) -> Asking | Settled:
    """Take the right to ask the model about a review's conversation as it is now, and reserve the call's credits.

    Somebody who was taken in, opted out or bought since they were considered is left out before anything is paid.

    Args:
        session: a writing transaction; the customer is locked here.
        review_id: the review.
        suppression_key: of the store.
        most_lines: how much of the conversation is read.
        most_calls: how often the model is asked; nothing is reserved for a call beyond.
        now: the time.
    """
    waiting = await session.get_one(Review, review_id)
    customer = await lock_customer(session, waiting.customer_id)
    review = await lock_review(session, review_id)
    if review.outcome is not ReviewOutcome.WAITING:
        return Settled(review.outcome)
    run = await session.get_one(TrackingRun, review.run_id, populate_existing=True)
    scope = await tracked_by(session, run)
    stop = await why_stopped(session, run, scope, now=now)
    if stop is not None:
        return Settled(review.outcome, stop)
    conversation = await session.get_one(Conversation, review.conversation_id, populate_existing=True)
    known = await _analysis_of(session, conversation)
    analysis = known or ConversationAnalysis(
        store_id=run.store_id,
        journey_id=run.journey_id,
        version_id=run.version_id,
        run_id=required_id(run.id),
        conversation_id=required_id(conversation.id),
        customer_id=required_id(customer.id),
        last_key=conversation.last_spoken_key or "",
        wrote_at=conversation.customer_wrote_at or review.wrote_at,
        asked_at=now,
    )
    review.last_key, review.wrote_at = analysis.last_key, analysis.wrote_at
    if known is not None:
        settled = await _settled_before(session, scope, review, known, now=now)
        if settled is not None:
            return settled
    analysis.journey_id, analysis.run_id, analysis.version_id = run.journey_id, required_id(run.id), run.version_id
    analysis.asked_at = now
    session.add(analysis)
    await session.flush()
    asked = await ask_again(session, scope, analysis, suppression_key=suppression_key, now=now)
    failed = first_failure(asked.results) if asked is not None else gone()
    failed = failed or await _asked_lately(session, run, analysis, now=now)
    if asked is None or failed is not None:
        settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=failed, now=now)
        if known is None:
            await session.delete(analysis)
        return Settled(ReviewOutcome.LEFT_OUT)
    review.analysis_id = analysis.id
    calls = await count_calls(session, required_id(analysis.id))
    if calls < most_calls and not await reserve_call(session, analysis, calls + 1, now=now):
        return Settled(review.outcome, await stop_run(session, run, NO_CREDITS, now=now))
    lines = await _last_lines(session, required_id(conversation.id), most_lines)
    return Asking(analysis, scope, asked.reviewed.attempt, lines, calls)


async def _settled_before(
    session: AsyncSession, scope: Tracked, review: Review, known: ConversationAnalysis, *, now: datetime
) -> Settled | None:
    """What an analysis of the same last message makes of this review; None if this one is to go on with it."""
    if known.answered_at is None:
        mine = known.run_id == review.run_id or await _is_lost(session, known, now=now)
        if mine:
            return None
    elif await _is_unfollowed(session, review, known, now=now) and await _still_meant(session, scope, known):
        # Paid for, and the run that found it could not follow it up any more.
        settle_review(session, review, ReviewOutcome.DETECTED, analysis_id=known.id, now=now)
        return Settled(ReviewOutcome.DETECTED)
    failed = rule_result(
        LeftOut.ANALYSED,
        passed=False,
        seen="analysed up to its last message, or about to be by another run",
        threshold="one analysis for each last message",
    )
    settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=failed, now=now)
    return Settled(ReviewOutcome.LEFT_OUT)


async def _is_lost(session: AsyncSession, known: ConversationAnalysis, *, now: datetime) -> bool:
    run = await session.get_one(TrackingRun, known.run_id, populate_existing=True)
    return run.state is not RunState.RUNNING or known.asked_at <= now - _LOST


async def _is_unfollowed(session: AsyncSession, review: Review, known: ConversationAnalysis, *, now: datetime) -> bool:
    """Whether an earlier run put the finding off, or was stopped before it could follow it up."""
    forgotten = known.answered_at is not None and known.answered_at <= now - _FORGOTTEN
    put_off = was_unfollowed() if forgotten else and_(was_unfollowed(), TrackingRun.state != RunState.RUNNING)
    waits = (
        select(Review.id)
        .join(TrackingRun, col(TrackingRun.id) == Review.run_id)
        .where(Review.analysis_id == known.id, Review.id != review.id, put_off)
    )
    return known.attempt is None and (await session.exec(waits.limit(1))).first() is not None


async def _still_meant(session: AsyncSession, scope: Tracked, known: ConversationAnalysis) -> bool:
    """Whether a finding is one of this journey's as it is now, and its message written by the same instructions."""
    if known.journey_id != scope.journey.id or known.intent is None or not scope.definition.takes(known.intent):
        return False
    version = await session.get_one(JourneyVersion, known.version_id)
    found_by = parse_definition(version.definition)
    return isinstance(found_by, Tracking) and found_by.instructions == scope.definition.instructions


async def _asked_lately(
    session: AsyncSession, run: TrackingRun, analysis: ConversationAnalysis, *, now: datetime
) -> RuleResult | None:
    """Whether another run of the same day has asked about the conversation since it was considered, or asks now."""
    asks = and_(
        col(ConversationAnalysis.answered_at).is_(None),
        TrackingRun.state == RunState.RUNNING,
        col(ConversationAnalysis.asked_at) > now - _LOST,
    )
    latest = await session.exec(
        select(func.max(TrackingRun.started_at))
        .join(ConversationAnalysis, col(ConversationAnalysis.run_id) == TrackingRun.id)
        .where(
            ConversationAnalysis.conversation_id == analysis.conversation_id,
            ConversationAnalysis.id != analysis.id,
            TrackingRun.id != run.id,
            or_(col(ConversationAnalysis.answered_at).is_not(None), asks),
        )
    )
    rule = lately(latest.one(), run.started_at)
    return None if rule.passed else rule


async def write_off(session: AsyncSession, review_id: int, why: str, *, final: bool, now: datetime) -> ReviewOutcome:
    """Nothing was made out of a conversation; `final`: the model has answered, and is not asked again.

    A finding that could not be followed up counts as not verified.
    """
    waiting = await session.get(Review, review_id)
    if waiting is None:
        # Two chats of one customer were made one, and the other's review of this run stands.
        return ReviewOutcome.LEFT_OUT
    await lock_customer(session, waiting.customer_id)
    review = await lock_review(session, review_id)
    if review.outcome is ReviewOutcome.DETECTED:
        settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=not_verified(why), now=now)
    elif review.outcome is ReviewOutcome.WAITING:
        settle_review(session, review, ReviewOutcome.UNREADABLE, now=now)
        review.seen = why
        if final and review.analysis_id is not None:
            analysis = await session.get_one(ConversationAnalysis, review.analysis_id, populate_existing=True)
            analysis.answered_at, analysis.failure = analysis.answered_at or now, why[:80]
    return review.outcome


def not_verified(why: str) -> RuleResult:
    """Nobody could say whether they have bought: then nobody writes."""
    return rule_result(
        LeftOut.NOT_VERIFIED, passed=False, seen=why, threshold="an answer of the shop's, and of the store's CRM"
    )


async def _analysis_of(session: AsyncSession, conversation: Conversation) -> ConversationAnalysis | None:
    query = select(ConversationAnalysis).where(
        ConversationAnalysis.conversation_id == conversation.id,
        ConversationAnalysis.last_key == (conversation.last_spoken_key or ""),
    )
    return (await session.exec(query.execution_options(populate_existing=True))).first()


async def _last_lines(session: AsyncSession, conversation_id: int, limit: int) -> list[ChatMessage]:
    rows = await session.exec(
        select(ChatMessage)
        .where(ChatMessage.conversation_id == conversation_id, col(ChatMessage.text) != "")
        .order_by(col(ChatMessage.at).desc(), col(ChatMessage.id).desc())
        .limit(limit)
    )
    return list(reversed(rows.all()))


def gone() -> RuleResult:
    """The conversation was erased, or is another customer's by now."""
    return rule_result(
        LeftOut.ERASED, passed=False, seen="the conversation is gone", threshold="a conversation to read"
    )
