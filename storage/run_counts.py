"""What a run of a tracking journey came to, counted from what is on record; a run that is under way counts so far."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, tuple_
from sqlalchemy import select as sql_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import BuyingIntent, CreditState, EnrollmentState, LeftOut, ReviewOutcome, SendState
from models.tables import (
    AnalysisCall,
    ChatMessage,
    Conversation,
    ConversationAnalysis,
    CreditEntry,
    Customer,
    Enrollment,
    Journey,
    JourneyVersion,
    Order,
    Review,
    Send,
    TrackingRun,
)
from models.tracking import Tracking
from policies.attribution import counts
from storage.journeys import parse_definition
from storage.sends import POSSIBLY_SENT
from storage.stores import required_id

_AT_ONCE = 500


@dataclass(slots=True)
class RunCounts:
    """One run's counts.

    Attributes:
        outcomes: how many conversations came to what.
        left_out: of those that were left out, by reason.
        analysed: how many have a verdict.
        detected: of those whose sale is open and intent strong enough, by intent.
        verified: how many were asked about in the shop.
        bought_before: of those, how many had bought.
        not_reached: enrolled, and no message went out and none will; by the reason why.
        undecided: enrolled, and their message is still to come.
        reached: whom a message may have reached, or of whom the store's systems were told.
        answered: of those, how many wrote within the watch.
        bought: of those, how many ordered within it.
        calls: how often the model was asked.
        prompt_tokens: what was read.
        completion_tokens: what was written.
        credits: what was charged, reserved ones included.
    """

    outcomes: Counter[ReviewOutcome] = field(default_factory=Counter)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    analysed: int = 0
    detected: Counter[BuyingIntent] = field(default_factory=Counter)
    verified: int = 0
    bought_before: int = 0
    not_reached: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    reached: int = 0
    answered: int = 0
    bought: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    credits: int = 0


async def count_run(session: AsyncSession, run: TrackingRun) -> RunCounts:
    """The run's counts as they stand now."""
    found = RunCounts()
    of_run = Review.run_id == run.id
    grouped = await session.exec(
        select(Review.outcome, Review.left_out, func.count())
        .where(of_run)
        .group_by(col(Review.outcome), col(Review.left_out))
    )
    for outcome, reason, number in grouped:
        found.outcomes[ReviewOutcome(outcome)] += number
        if reason is not None:
            found.left_out[LeftOut(reason)] += number
    definition = await _definition(session, run)
    await _count_verdicts(session, run, definition, found)
    await _count_follow_ups(session, run, definition, found)
    await _count_cost(session, run, found)
    return found


async def _definition(session: AsyncSession, run: TrackingRun) -> Tracking:
    definition = parse_definition((await session.get_one(JourneyVersion, run.version_id)).definition)
    if not isinstance(definition, Tracking):
        msg = f"run {run.id} is of no tracking journey"
        raise TypeError(msg)
    return definition


async def _count_verdicts(session: AsyncSession, run: TrackingRun, definition: Tracking, found: RunCounts) -> None:
    verified_at = col(ConversationAnalysis.verified_at).is_not(None)
    words = (
        col(Review.outcome),
        col(ConversationAnalysis.intent),
        col(ConversationAnalysis.order_found),
        verified_at,
    )
    # SQLModel's own `select` ends at four columns.
    rows = await session.exec(  # type: ignore[call-overload]
        sql_select(*words, func.count())
        .join(ConversationAnalysis, col(ConversationAnalysis.id) == col(Review.analysis_id))
        .where(col(Review.run_id) == run.id, col(ConversationAnalysis.intent).is_not(None))
        .group_by(*words)
    )
    for outcome, intent, order_found, verified, number in rows:
        found.analysed += number
        if intent is not None and outcome not in _NOT_DETECTED and definition.takes(BuyingIntent(intent)):
            found.detected[BuyingIntent(intent)] += number
        found.verified += number if verified else 0
        found.bought_before += number if verified and order_found else 0


_NOT_DETECTED = frozenset({ReviewOutcome.WAITING, ReviewOutcome.NOT_DETECTED, ReviewOutcome.OPTED_OUT})


@dataclass(frozen=True, slots=True)
class _Contact:
    customer_id: int
    at: datetime


async def _count_follow_ups(session: AsyncSession, run: TrackingRun, definition: Tracking, found: RunCounts) -> None:
    """What became of those who were enrolled or told of; read in pages, so that a large run needs no more memory."""
    watch, after = timedelta(days=definition.watch_days), 0
    while True:
        rows = (
            await session.exec(
                select(Review.id, Review.outcome, ConversationAnalysis)
                .join(ConversationAnalysis, col(ConversationAnalysis.id) == Review.analysis_id)
                .where(
                    Review.run_id == run.id,
                    col(Review.outcome).in_([ReviewOutcome.ENROLLED, ReviewOutcome.REPORTED]),
                    col(Review.id) > after,
                )
                .order_by(col(Review.id))
                .limit(_AT_ONCE)
            )
        ).all()
        told = [
            _Contact(analysis.customer_id, analysis.verified_at or analysis.asked_at)
            for _, outcome, analysis in rows
            if outcome is ReviewOutcome.REPORTED
        ]
        enrolled = [one.enrollment_id for _, _, one in rows if one.enrollment_id is not None]
        contacts = [*told, *await _reached(session, enrolled, found)]
        found.reached += len(contacts)
        await _count_effects(session, contacts, watch, found)
        if len(rows) < _AT_ONCE:
            return
        after = required_id(rows[-1][0])


async def _reached(session: AsyncSession, enrollment_ids: Sequence[str], found: RunCounts) -> list[_Contact]:
    """The contacts that were made; those that were not are counted by the reason why."""
    sends: dict[str, list[Send]] = defaultdict(list)
    for send in await session.exec(
        select(Send).where(col(Send.enrollment_id).in_(enrollment_ids)).order_by(col(Send.id))
    ):
        sends[send.enrollment_id].append(send)
    contacts = []
    for enrollment in await session.exec(select(Enrollment).where(col(Enrollment.id).in_(enrollment_ids))):
        theirs = sends[enrollment.id]
        gone = next((one for one in theirs if one.state in POSSIBLY_SENT), None)
        if gone is not None:
            contacts.append(_Contact(enrollment.customer_id, gone.settled_at or enrollment.entered_at))
            continue
        reason = _why_not(enrollment, theirs)
        if reason is None:
            found.undecided += 1
        else:
            found.not_reached[reason] += 1
    return contacts


def _why_not(enrollment: Enrollment, sends: Sequence[Send]) -> str | None:
    last = sends[-1] if sends else None
    if last is not None and last.state is SendState.SKIPPED and last.skip_reason is not None:
        return last.skip_reason.value
    if last is not None and last.state is SendState.FAILED:
        return SendState.FAILED.value
    if enrollment.state is EnrollmentState.CLOSED and enrollment.exit_reason is not None:
        return enrollment.exit_reason.value
    return None


async def _count_effects(
    session: AsyncSession, contacts: Sequence[_Contact], watch: timedelta, found: RunCounts
) -> None:
    if not contacts:
        return
    ids = [one.customer_id for one in contacts]
    first, last = min(one.at for one in contacts), max(one.at for one in contacts) + watch
    wrote = await session.exec(
        select(Conversation.customer_id, ChatMessage.at)
        .join(ChatMessage, col(ChatMessage.conversation_id) == Conversation.id)
        .where(
            col(Conversation.customer_id).in_(ids),
            col(ChatMessage.inbound),
            col(ChatMessage.at) > first,
            col(ChatMessage.at) <= last,
        )
    )
    found.answered += _within(contacts, wrote, watch)
    orders = await session.exec(
        select(Order).where(
            col(Order.customer_id).in_(ids), col(Order.ordered_at) > first, col(Order.ordered_at) <= last
        )
    )
    found.bought += _within(contacts, [(one.customer_id, one.ordered_at) for one in orders if counts(one)], watch)


def _within(contacts: Iterable[_Contact], happened: Iterable[tuple[int, datetime]], watch: timedelta) -> int:
    """To how many of the contacts something happened within the watch."""
    by_customer: dict[int, list[datetime]] = defaultdict(list)
    for customer_id, at in happened:
        by_customer[customer_id].append(at)
    return sum(any(one.at < at <= one.at + watch for at in by_customer[one.customer_id]) for one in contacts)


async def _count_cost(session: AsyncSession, run: TrackingRun, found: RunCounts) -> None:
    calls = select(func.count(), func.sum(AnalysisCall.prompt_tokens), func.sum(AnalysisCall.completion_tokens)).join(
        ConversationAnalysis, col(ConversationAnalysis.id) == AnalysisCall.analysis_id
    )
    number, read, written = (await session.exec(calls.where(ConversationAnalysis.run_id == run.id))).one()
    charged = (
        select(func.sum(CreditEntry.amount))
        .join(ConversationAnalysis, col(ConversationAnalysis.id) == CreditEntry.analysis_id)
        .where(ConversationAnalysis.run_id == run.id, CreditEntry.state != CreditState.RELEASED)
    )
    found.calls, found.prompt_tokens, found.completion_tokens = number, read or 0, written or 0
    found.credits = -((await session.exec(charged)).one() or 0)


@dataclass(frozen=True, slots=True)
class ListedReview:
    """What a run came to about one conversation, with whose it is."""

    review: Review
    customer: Customer
    analysis: ConversationAnalysis | None


async def list_reviews(
    session: AsyncSession, run_id: int, *, after: int | None = None, limit: int
) -> list[ListedReview]:
    """The run's conversations, most recent customer message first, behind that review."""
    order = (col(Review.wrote_at), col(Review.id))
    query = (
        select(Review, Customer, ConversationAnalysis)
        .join(Customer, col(Customer.id) == Review.customer_id)
        .join(ConversationAnalysis, col(ConversationAnalysis.id) == Review.analysis_id, isouter=True)
        .where(Review.run_id == run_id)
    )
    if after is not None:
        last = (await session.exec(select(Review).where(Review.id == after, Review.run_id == run_id))).first()
        if last is None:
            return []
        query = query.where(tuple_(*order) < (last.wrote_at, after))
    rows = await session.exec(query.order_by(*(one.desc() for one in order)).limit(limit))
    return [ListedReview(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class TimedReview:
    """A review with its run and the journey's name."""

    listed: ListedReview
    run: TrackingRun
    journey: str


async def reviews_about(
    session: AsyncSession, customer_id: int, *, journey_id: int | None = None, limit: int
) -> list[TimedReview]:
    """What runs came to about a customer's conversations, newest first; of one journey if one is named."""
    query = (
        select(Review, TrackingRun, Journey.name)
        .join(TrackingRun, col(TrackingRun.id) == Review.run_id)
        .join(Journey, col(Journey.id) == TrackingRun.journey_id)
        .where(Review.customer_id == customer_id)
    )
    if journey_id is not None:
        query = query.where(TrackingRun.journey_id == journey_id)
    rows = await session.exec(query.order_by(col(Review.at).desc(), col(Review.id).desc()).limit(limit))
    customer = await session.get_one(Customer, customer_id)
    found = []
    for review, run, name in rows.all():
        analysis = None if review.analysis_id is None else await session.get(ConversationAnalysis, review.analysis_id)
        found.append(TimedReview(ListedReview(review, customer, analysis), run, name))
    return found


async def version_numbers(session: AsyncSession, runs: Sequence[TrackingRun]) -> Mapping[int, int]:
    """The numbers of the runs' versions, by the version's id."""
    wanted = {run.version_id for run in runs}
    rows = await session.exec(
        select(JourneyVersion.id, JourneyVersion.number).where(col(JourneyVersion.id).in_(wanted))
    )
    return {required_id(key): number for key, number in rows}
