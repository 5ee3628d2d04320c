"""What the rules of a review look at, read for a page of conversations in a few statements."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import aliased
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LeftOut, ReviewOutcome, RunState
from models.tables import ChatMessage, Conversation, ConversationAnalysis, Order, Review, Send, TrackingRun
from policies.attribution import counts
from policies.tracking import Reviewed, attempt_number, bought_since, text_since
from storage.considered import Considered
from storage.sends import POSSIBLY_SENT
from storage.stores import required_id
from storage.tracking_runs import Tracked


def was_unfollowed() -> ColumnElement[bool]:
    """Whether a `Review` is of a finding that is paid for and was not followed up, beside runs that are under way.

    Its run was stopped before, nobody could say whether the customer has bought, or the day was full.
    """
    return or_(
        and_(col(Review.outcome) == ReviewOutcome.DETECTED, col(TrackingRun.state) != RunState.DONE),
        col(Review.left_out).in_([LeftOut.NOT_VERIFIED, LeftOut.PACED]),
    )


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is on record about conversations: which have a verdict up to their last message, and from which run."""

    settled: frozenset[int]
    unfollowed: Mapping[int, int]
    analysed_at: Mapping[int, datetime]


async def reviewed_page(
    session: AsyncSession,
    scope: Tracked,
    page: Sequence[tuple[Conversation, Considered]],
    *,
    since: datetime,
    every_attempt: bool = False,
    but_for: int | None = None,
) -> dict[int, Reviewed]:
    """What the rules look at in each conversation, by its id.

    Args:
        session: any transaction.
        scope: the journey.
        page: conversations in which the customer has written, with their customers.
        since: the run's window.
        every_attempt: whether attempts are counted exactly; else only where there may have been too many.
        but_for: an analysis that is no earlier contact, because it is the one that is asked about.
    """
    window = scope.definition.window_hours
    wrote = {required_id(one.id): one.customer_wrote_at for one, _ in page}
    words = {key: text_since(since, at, window) for key, at in wrote.items() if at is not None}
    if not words:
        return {}
    texts = await _last_texts(session, words)
    verdicts = await _verdicts(session, [one for one, _ in page])
    people = {who.candidate.customer_id: who for _, who in page}
    bought = await _bought(session, people, min(bought_since(at, window) for at in wrote.values() if at is not None))
    attempts = await _attempts(session, scope, list(people), every=every_attempt, but_for=but_for)
    found = {}
    for conversation, who in page:
        conversation_id, customer_id = required_id(conversation.id), who.candidate.customer_id
        wrote_at = wrote[conversation_id]
        if wrote_at is None:
            continue
        found[conversation_id] = Reviewed(
            wrote_at=wrote_at,
            text_at=texts.get(conversation_id),
            text_since=words[conversation_id],
            is_analysed=conversation_id in verdicts.settled,
            # A finding that its run could not follow up any more is paid for: no new analysis is asked for.
            analysed_by_run_at=None
            if conversation_id in verdicts.unfollowed
            else verdicts.analysed_at.get(conversation_id),
            bought_at=bought.get(customer_id),
            attempt=attempts.get(customer_id, 1),
            where=scope.whereabouts(who.customer.time_zone, who.customer.phone),
        )
    return found


async def _last_texts(session: AsyncSession, since: Mapping[int, datetime]) -> dict[int, datetime]:
    """When each customer last wrote words; what is older than all that is asked for is not looked at."""
    rows = await session.exec(
        select(ChatMessage.conversation_id, func.max(ChatMessage.at))
        .where(
            col(ChatMessage.conversation_id).in_(list(since)),
            col(ChatMessage.at) >= min(since.values()),
            col(ChatMessage.inbound),
            col(ChatMessage.text) != "",
        )
        .group_by(col(ChatMessage.conversation_id))
    )
    return dict(rows.all())


async def _verdicts(session: AsyncSession, conversations: Sequence[Conversation]) -> Verdicts:
    keys = {required_id(one.id): one.last_spoken_key for one in conversations}
    of_them = col(ConversationAnalysis.conversation_id).in_(list(keys))
    answered = col(ConversationAnalysis.answered_at).is_not(None)
    latest = await session.exec(
        select(ConversationAnalysis.conversation_id, func.max(TrackingRun.started_at))
        .join(TrackingRun, col(TrackingRun.id) == ConversationAnalysis.run_id)
        .where(of_them, answered)
        .group_by(col(ConversationAnalysis.conversation_id))
    )
    same = await session.exec(
        select(ConversationAnalysis.id, ConversationAnalysis.conversation_id, ConversationAnalysis.last_key).where(
            of_them, answered, col(ConversationAnalysis.last_key).in_({key for key in keys.values() if key is not None})
        )
    )
    of_last = {required_id(key): conversation for key, conversation, last in same if keys[conversation] == last}
    left = await session.exec(
        select(Review.analysis_id)
        .join(TrackingRun, col(TrackingRun.id) == Review.run_id)
        .where(
            col(Review.analysis_id).in_(list(of_last)),
            was_unfollowed(),
            # What a later run has come to about it stands.
            ~_settled_since().exists(),
        )
    )
    unfollowed = {of_last[key]: key for key in left if key is not None}
    settled = frozenset(of_last.values()) - unfollowed.keys()
    return Verdicts(settled, unfollowed, dict(latest.all()))


@cache
def _settled_since() -> Any:
    """Built once: naming a table anew costs more than asking it."""
    other: Any = aliased(Review)
    return select(other.id).where(
        other.analysis_id == col(Review.analysis_id),
        other.id > col(Review.id),
        other.outcome.not_in([ReviewOutcome.WAITING, ReviewOutcome.DETECTED]),
    )


async def _bought(session: AsyncSession, people: Mapping[int, Considered], since: datetime) -> dict[int, datetime]:
    """The latest order of each customer that stands: tests, cancelled and refunded ones are no purchases."""
    found: dict[int, datetime] = {}
    for customer_id, who in people.items():
        if who.customer.last_order_at is not None:
            found[customer_id] = who.customer.last_order_at
    orders = await session.exec(
        select(Order).where(col(Order.customer_id).in_(list(people)), col(Order.ordered_at) >= since)
    )
    for order in orders:
        if counts(order):
            found[order.customer_id] = max(found.get(order.customer_id, order.ordered_at), order.ordered_at)
    return found


async def _attempts(
    session: AsyncSession, scope: Tracked, customer_ids: Collection[int], *, every: bool, but_for: int | None
) -> dict[int, int]:
    """Which contact of its opportunity another one would be, for the customers who have had one."""
    contacts = await _contacts(session, required_id(scope.journey.id), customer_ids, but_for=but_for)
    definition = scope.definition
    doubtful = [key for key, at in contacts.items() if every or len(at) >= definition.max_attempts]
    found = {key: len(at) + 1 for key, at in contacts.items()}
    if doubtful:
        wrote = await _wrote(session, doubtful, min(min(contacts[key]) for key in doubtful))
        for key in doubtful:
            found[key] = attempt_number(contacts[key], wrote.get(key, []), definition.restart_days)
    return found


async def _contacts(
    session: AsyncSession, journey_id: int, customer_ids: Collection[int], *, but_for: int | None
) -> dict[int, list[datetime]]:
    """Earlier findings that reached the customer, or may have, or were told of; each by the message it is about."""
    went_out = (
        select(Send.id)
        .where(Send.enrollment_id == ConversationAnalysis.enrollment_id, col(Send.state).in_(POSSIBLY_SENT))
        .correlate(ConversationAnalysis)
        .exists()
    )
    told = and_(col(ConversationAnalysis.enrollment_id).is_(None), col(ConversationAnalysis.attempt).is_not(None))
    rows = await session.exec(
        select(ConversationAnalysis.customer_id, ConversationAnalysis.wrote_at).where(
            ConversationAnalysis.journey_id == journey_id,
            col(ConversationAnalysis.customer_id).in_(list(customer_ids)),
            or_(told, went_out),
            col(ConversationAnalysis.id).is_distinct_from(but_for),
        )
    )
    found: dict[int, list[datetime]] = defaultdict(list)
    for customer_id, at in rows:
        found[customer_id].append(at)
    return dict(found)


async def _wrote(session: AsyncSession, customer_ids: Sequence[int], since: datetime) -> dict[int, list[datetime]]:
    rows = await session.exec(
        select(Conversation.customer_id, ChatMessage.at)
        .join(ChatMessage, col(ChatMessage.conversation_id) == Conversation.id)
        .where(col(Conversation.customer_id).in_(customer_ids), col(ChatMessage.inbound), col(ChatMessage.at) >= since)
    )
    found: dict[int, list[datetime]] = defaultdict(list)
    for customer_id, at in rows:
        found[customer_id].append(at)
    return found
