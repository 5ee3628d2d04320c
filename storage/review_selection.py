"""Who a run considers: a page of conversations at a time, and what the rules say of each.

A page is one transaction that leaves a review for each of them and moves the run's own mark, so a run that is killed
half-way goes on behind it, and nobody is considered twice. The customer is not locked here: nothing is sent of a
review, and whoever enters of it is asked about again under the lock (`storage.reviews.ask_again`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, tuple_
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LeftOut, ReviewOutcome, RunState
from models.tables import Conversation, ConversationAnalysis, Customer, Review, TrackingRun
from policies.eligibility import RuleResult, first_failure, rule_result
from policies.tracking import LATEST_NEWS, Reviewed, evaluate_review, window_start
from storage.considered import considered
from storage.ingest import insert_new
from storage.review_facts import reviewed_page, was_unfollowed
from storage.stores import required_id
from storage.tracking_runs import Tracked, as_last, lock_run, run_before, tracked_by

PAGE: Final = 100
"""Conversations that one transaction considers; on SQLite nobody else writes meanwhile."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page came to: how many were considered, how many of them wait for the model; `more`: it goes on."""

    considered: int
    waiting: int
    more: bool


async def consider_page(
    session: AsyncSession, run_id: int, *, suppression_key: bytes, now: datetime, limit: int = PAGE
) -> Page:
    """Ask the rules about the next conversations of the run, most recent customer message first.

    Args:
        session: a writing transaction.
        run_id: the run; of one that has considered everybody, or has ended, nothing more comes.
        suppression_key: of the store.
        now: the moment of the question.
        limit: how many conversations at most.
    """
    run = await lock_run(session, run_id)
    scope = await tracked_by(session, run)
    if run.selected_at is not None or run.state is not RunState.RUNNING or not _takes(scope):
        return Page(0, 0, more=False)
    conversations = await (_carried(session, run, limit) if run.read_window else _window(session, run, limit))
    asked = await _ask(session, scope, run, conversations, suppression_key=suppression_key, now=now)
    taken = (await session.exec(select(func.max(Review.position)).where(Review.run_id == run_id))).one() or 0
    rows, waiting = [], 0
    for conversation, results in asked:
        failed = first_failure(results)
        if failed is None and taken + waiting >= scope.definition.max_conversations:
            failed = _beyond(taken + waiting, scope.definition.max_conversations)
        waiting += failed is None
        position = taken + waiting if failed is None else None
        rows.append(_row(run, conversation, position, failed, now=now))
    # A row that is named is locked for reading: the customers' come first, in the order in which everybody locks them.
    named = select(Customer.id).where(col(Customer.id).in_({row["customer_id"] for row in rows}))
    await session.exec(named.order_by(col(Customer.id)).with_for_update(read=True, key_share=True))
    await insert_new(session, Review, rows, returning="id")
    _move_on(run, conversations, limit, now=now)
    session.add(run)
    return Page(len(rows), waiting, more=run.selected_at is None)


def _takes(scope: Tracked) -> bool:
    return scope.journey.state is JourneyState.ACTIVE


async def _window(session: AsyncSession, run: TrackingRun, limit: int) -> list[Conversation]:
    """In which the customer has written since the window's start, or before it and was heard only since the last run.

    One that writes while the run reads may come before the mark: it has a new last message, which is the next run's.
    """
    wrote_at, key = col(Conversation.customer_wrote_at), col(Conversation.id)
    query = select(Conversation).where(Conversation.store_id == run.store_id)
    if run.heard_since is None:
        query = query.where(wrote_at >= run.since)
    else:
        heard = col(Conversation.customer_heard_at) >= run.heard_since
        query = query.where(wrote_at >= run.since - LATEST_NEWS, or_(wrote_at >= run.since, heard))
    if run.read_at is not None:
        query = query.where(tuple_(wrote_at, key) < (run.read_at, run.read_id))
    return list(await session.exec(query.order_by(wrote_at.desc(), key.desc()).limit(limit)))


async def _carried(session: AsyncSession, run: TrackingRun, limit: int) -> list[Conversation]:
    """What earlier runs left to this one: analysed too lately then, or nobody could come to an end with it.

    Looked for as far back as the last run that considered everybody, itself included.
    """
    selected = await run_before(session, run.journey_id, run, selected=True)
    order = (col(TrackingRun.started_at), col(TrackingRun.id))
    earlier = select(TrackingRun.id).where(
        TrackingRun.journey_id == run.journey_id, tuple_(*order) < (run.started_at, required_id(run.id))
    )
    if selected is not None:
        earlier = earlier.where(tuple_(*order) >= (selected.started_at, required_id(selected.id)))
    unanswered = col(Review.analysis_id).is_(None) | col(ConversationAnalysis.answered_at).is_(None)
    left = (
        select(Review.conversation_id)
        .join(TrackingRun, col(TrackingRun.id) == Review.run_id)
        .join(ConversationAnalysis, col(ConversationAnalysis.id) == Review.analysis_id, isouter=True)
        .where(
            col(Review.run_id).in_(earlier),
            or_(
                Review.left_out == LeftOut.ANALYSED_LATELY,
                Review.outcome == ReviewOutcome.WAITING,
                and_(
                    # Tried again while it is news, not for as long as a shop or a model is away.
                    col(Review.wrote_at) >= run.since - LATEST_NEWS,
                    or_(was_unfollowed(), and_(col(Review.outcome) == ReviewOutcome.UNREADABLE, unanswered)),
                ),
            ),
        )
    )
    mine = select(Review.conversation_id).where(Review.run_id == run.id)
    key = col(Conversation.id)
    query = select(Conversation).where(
        key > run.read_id, key.in_(left), key.not_in(mine), col(Conversation.customer_wrote_at).is_not(None)
    )
    return list(await session.exec(query.order_by(key).limit(limit)))


def _move_on(run: TrackingRun, page: Sequence[Conversation], limit: int, *, now: datetime) -> None:
    """Move the run's mark behind the page; a short one was the last of its kind."""
    if len(page) == limit:
        run.read_at, run.read_id = page[-1].customer_wrote_at, required_id(page[-1].id)
    elif run.read_window:
        run.selected_at = now
    else:
        run.read_window, run.read_at, run.read_id = True, None, 0


async def _ask(
    session: AsyncSession,
    scope: Tracked,
    run: TrackingRun,
    conversations: Sequence[Conversation],
    *,
    suppression_key: bytes,
    now: datetime,
) -> list[tuple[Conversation, list[RuleResult]]]:
    customers = [one.customer_id for one in conversations]
    people = await considered(
        session, required_id(scope.journey.id), customers, suppression_key=suppression_key, now=now
    )
    by_id = {one.candidate.customer_id: one for one in people}
    page = [(one, by_id[one.customer_id]) for one in conversations if one.customer_id in by_id]
    facts = await reviewed_page(session, scope, page, since=run.since)
    return [
        (
            one,
            evaluate_review(
                who.candidate, facts[required_id(one.id)], scope.definition, started_at=run.started_at, now=now
            ),
        )
        for one, who in page
        if one.id in facts
    ]


def _beyond(taken: int, most: int) -> RuleResult:
    return rule_result(
        LeftOut.LIMIT,
        passed=False,
        seen=f"{taken} conversations with a newer message",
        threshold=f"the {most} with the newest messages of a run",
    )


def _row(
    run: TrackingRun, conversation: Conversation, position: int | None, failed: RuleResult | None, *, now: datetime
) -> dict[str, Any]:
    return {
        "run_id": required_id(run.id),
        "store_id": run.store_id,
        "conversation_id": required_id(conversation.id),
        "customer_id": conversation.customer_id,
        "last_key": conversation.last_spoken_key or "",
        "wrote_at": conversation.customer_wrote_at,
        "position": position,
        "outcome": ReviewOutcome.WAITING if failed is None else ReviewOutcome.LEFT_OUT,
        "left_out": failed.reason if failed is not None else None,
        "seen": failed.seen if failed is not None else "",
        "threshold": failed.threshold if failed is not None else "",
        "at": now,
    }


async def ask_about(
    session: AsyncSession, scope: Tracked, customer_id: int, *, suppression_key: bytes, now: datetime
) -> list[RuleResult]:
    """What a run that began now would ask about the customer's newest conversation."""
    journey_id = required_id(scope.journey.id)
    (who,) = await considered(session, journey_id, [customer_id], suppression_key=suppression_key, now=now)
    last = await run_before(session, journey_id)
    since = window_start(now, scope.definition.window_hours, as_last(last))
    newest = (
        select(Conversation)
        .where(Conversation.customer_id == customer_id, col(Conversation.customer_wrote_at).is_not(None))
        .order_by(col(Conversation.customer_wrote_at).desc(), col(Conversation.id).desc())
        .limit(1)
    )
    conversation = (await session.exec(newest)).first()
    where = scope.whereabouts(who.customer.time_zone, who.customer.phone)
    reviewed = Reviewed(wrote_at=now, text_at=None, text_since=since, where=where)
    if conversation is not None:
        facts = await reviewed_page(session, scope, [(conversation, who)], since=since, every_attempt=True)
        reviewed = facts[required_id(conversation.id)].model_copy(update={"text_since": since})
    return evaluate_review(who.candidate, reviewed, scope.definition, started_at=now, now=now)
