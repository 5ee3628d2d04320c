"""Reviews: what a run came to about each conversation it considered, and the rules asked once more before entry."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from models.enums import ReviewOutcome
from models.tables import Conversation, ConversationAnalysis, Review
from policies.eligibility import RuleResult
from policies.tracking import Reviewed, evaluate_detected
from storage.considered import Considered, considered
from storage.review_facts import reviewed_page
from storage.stores import required_id
from storage.subjects import Subject
from storage.tracking_runs import Tracked


async def waiting_reviews(session: AsyncSession, run_id: int, *, after: int, limit: int) -> list[Review]:
    """The run's reviews that wait for the model, beyond a position."""
    query = select(Review).where(
        Review.run_id == run_id, Review.outcome == ReviewOutcome.WAITING, col(Review.position) > after
    )
    return list(await session.exec(query.order_by(col(Review.position)).limit(limit)))


async def lock_review(session: AsyncSession, review_id: int) -> Review:
    """The review, which nobody else changes before the transaction ends; to be locked after its customer.

    Raises:
        sqlalchemy.exc.NoResultFound: its chat was joined to another, whose review of the run stands.
    """
    return (await session.exec(_locked(review_id))).one()


async def lock_review_if_kept(session: AsyncSession, review_id: int) -> Review | None:
    """The same, or None where another review of the run stands for it."""
    return (await session.exec(_locked(review_id))).first()


def _locked(review_id: int) -> SelectOfScalar[Review]:
    query = select(Review).where(Review.id == review_id).with_for_update(key_share=True)
    return query.execution_options(populate_existing=True)


def settle_review(
    session: AsyncSession,
    review: Review,
    outcome: ReviewOutcome,
    *,
    now: datetime,
    failed: RuleResult | None = None,
    analysis_id: int | None = None,
) -> None:
    """Write down what the run came to about the conversation.

    Args:
        session: a writing transaction.
        review: locked.
        outcome: what it came to.
        now: the time.
        failed: with `LEFT_OUT` the rule that keeps the customer out.
        analysis_id: the analysis, where there is one by now.
    """
    review.outcome, review.at = outcome, now
    review.left_out = failed.reason if failed is not None else None
    review.seen, review.threshold = (failed.seen, failed.threshold) if failed is not None else ("", "")
    review.analysis_id = analysis_id if analysis_id is not None else review.analysis_id
    session.add(review)


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """A locked customer of whom a review found an open sale, and every rule's answer.

    Attributes:
        who: the customer, with the conversation and the finding as its subject.
        reviewed: the conversation; its `attempt` is the number of the contact that would follow.
        results: the rules, in the order in which the first failure counts.
    """

    who: Considered
    reviewed: Reviewed
    results: list[RuleResult]


async def ask_again(
    session: AsyncSession,
    scope: Tracked,
    analysis: ConversationAnalysis,
    *,
    suppression_key: bytes,
    now: datetime,
) -> AskedAgain | None:
    """Ask the rules once more right before somebody enters, under the customer's lock, which is taken here.

    Args:
        session: a writing transaction.
        scope: the journey with the run's version.
        analysis: the finding.
        suppression_key: of the store.
        now: the moment of the question.

    Returns:
        The answers; None where the conversation or its customer's words are gone (erased, merged into another).
    """
    people = await considered(
        session,
        required_id(scope.journey.id),
        [analysis.customer_id],
        suppression_key=suppression_key,
        now=now,
        lock=True,
    )
    query = select(Conversation).where(
        Conversation.id == analysis.conversation_id, Conversation.customer_id == analysis.customer_id
    )
    conversation = (await session.exec(query.execution_options(populate_existing=True))).first()
    if not people or conversation is None:
        return None
    who = replace(people[0], subject=Subject(conversation=conversation, analysis=analysis))
    facts = await reviewed_page(
        session,
        scope,
        [(conversation, who)],
        since=analysis.wrote_at,
        every_attempt=True,
        but_for=analysis.id,
    )
    reviewed = facts.get(required_id(conversation.id))
    if reviewed is None:
        return None
    results = evaluate_detected(who.candidate, reviewed, scope.definition, entry_key=who.entry_key, now=now)
    return AskedAgain(who, reviewed, results)
