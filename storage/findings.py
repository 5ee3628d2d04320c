"""Findings: conversations with a sale left open, and what follows from them: an enrollment, or only an event.

Everything is asked again and written in one transaction under the customer's lock, so that of a customer who writes,
buys or opts out at that moment either we know, or they end the journey that begins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LeftOut, OutgoingKind, ReviewOutcome
from models.tables import ConversationAnalysis, Customer, Review, TrackingRun
from policies.calendar import local_date
from policies.eligibility import RuleResult, first_failure, rule_result
from policies.zones import zone_or_none
from storage.analyses import Settled, gone
from storage.considered import Considered
from storage.customers import lock_customer
from storage.entry import Entry, enroll, entered_on
from storage.journeys import journey_of
from storage.orders import OrderFacts, apply_order
from storage.outgoing import announce
from storage.reviews import ask_again, lock_review_if_kept, settle_review
from storage.run_stops import why_stopped
from storage.stores import required_id
from storage.tracking_runs import Tracked, tracked_by

_SOURCE: Final = "shopify_check"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding that waits for its follow-up; read without a lock, for what has to be asked outside."""

    review: Review
    analysis: ConversationAnalysis
    customer: Customer
    scope: Tracked


@dataclass(frozen=True, slots=True)
class Checked:
    """What the shop and the store's CRM say.

    Attributes:
        orders: the shop's, since the moment that was asked about.
        bought_elsewhere: whether the CRM knows of a purchase.
    """

    orders: Sequence[OrderFacts] = ()
    bought_elsewhere: bool = False


async def open_finding(session: AsyncSession, review_id: int, *, now: datetime) -> Finding | Settled:
    """The finding, or what has been come to about it already."""
    review = await session.get(Review, review_id)
    if review is None:
        # Its chat was joined to another, whose review of this run stands.
        return Settled(ReviewOutcome.LEFT_OUT)
    run = await session.get_one(TrackingRun, review.run_id)
    scope = await tracked_by(session, run)
    stop = await why_stopped(session, run, scope, now=now)
    if stop is not None or review.outcome is not ReviewOutcome.DETECTED or review.analysis_id is None:
        return Settled(review.outcome, stop)
    analysis = await session.get_one(ConversationAnalysis, review.analysis_id)
    return Finding(review, analysis, await session.get_one(Customer, analysis.customer_id), scope)


async def act_on(
    session: AsyncSession,
    finding: Finding,
    checked: Checked,
    *,
    suppression_key: bytes,
    is_control: Callable[[Customer], bool],
    now: datetime,
) -> Settled:
    """Let the customer of a verified finding enter, or only tell of them, unless a rule has come to forbid it.

    Args:
        session: a writing transaction.
        finding: as it was when the shop was asked.
        checked: what the shop said.
        suppression_key: of the store.
        is_control: the holdout's draw.
        now: the time.
    """
    # The journey cannot be stopped before the transaction ends, nor another entry fill the day.
    journey = await journey_of(session, required_id(finding.scope.journey.id), alone=True)
    customer = await lock_customer(session, finding.analysis.customer_id)
    review = await lock_review_if_kept(session, required_id(finding.review.id))
    if review is None:
        return Settled(ReviewOutcome.LEFT_OUT)
    run = await session.get_one(TrackingRun, review.run_id, populate_existing=True)
    scope = await tracked_by(session, run)
    stop = await why_stopped(session, run, scope, now=now)
    if stop is not None or review.outcome is not ReviewOutcome.DETECTED:
        return Settled(review.outcome, stop)
    for order in checked.orders:
        await apply_order(session, customer, order, received_at=now, source=_SOURCE)
    await session.flush()
    analysis = await session.get_one(ConversationAnalysis, required_id(finding.analysis.id), populate_existing=True)
    asked = await ask_again(session, scope, analysis, suppression_key=suppression_key, now=now)
    if asked is None:
        settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=gone(), now=now)
        return Settled(review.outcome)
    bought = next((one for one in asked.results if one.rule == LeftOut.ALREADY_BOUGHT.value), None)
    analysis.verified_at = now
    analysis.order_found = checked.bought_elsewhere or (bought is not None and not bought.passed)
    if analysis.order_found:
        settle_review(session, review, ReviewOutcome.BOUGHT, now=now)
        return Settled(review.outcome)
    failed = first_failure(asked.results) or _moved_on(asked.who, analysis) or _acted_on(analysis)
    if failed is not None:
        settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=failed, now=now)
        return Settled(review.outcome)
    analysis.attempt = asked.reviewed.attempt
    if scope.definition.act == "event":
        settle_review(session, review, ReviewOutcome.REPORTED, now=now)
        await _announce(session, scope, analysis, now=now)
        return Settled(review.outcome)
    # Control too: else it would grow on days on which nobody enters to be compared with it.
    failed = await _day_is_full(session, scope, now=now)
    if failed is not None:
        analysis.attempt = None
        settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=failed, now=now)
        return Settled(review.outcome)
    control = is_control(asked.who.customer)
    entry = Entry(scope.store, journey, scope.version_id, scope.definition, None)
    enrollment = await enroll(session, entry, asked.who, control=control, entered_at=now, now=now)
    if enrollment is None:
        settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=_entered_before(), now=now)
        return Settled(review.outcome)
    analysis.enrollment_id = enrollment.id
    settle_review(session, review, ReviewOutcome.CONTROL if control else ReviewOutcome.ENROLLED, now=now)
    if not control:
        await _announce(session, scope, analysis, now=now)
    return Settled(review.outcome)


async def _announce(session: AsyncSession, scope: Tracked, analysis: ConversationAnalysis, *, now: datetime) -> None:
    await announce(
        session,
        required_id(scope.store.id),
        OutgoingKind.FOLLOWUP_DETECTED,
        key=f"{OutgoingKind.FOLLOWUP_DETECTED}:{required_id(analysis.id)}",
        at=now,
        journey_id=scope.journey.id,
        customer_id=analysis.customer_id,
        enrollment_id=analysis.enrollment_id,
        analysis_id=analysis.id,
    )


def _moved_on(who: Considered, analysis: ConversationAnalysis) -> RuleResult | None:
    """Whether somebody has written since the model read it: what it suggested answers another message."""
    conversation = who.subject.conversation
    if conversation is None or conversation.last_spoken_key == analysis.last_key:
        return None
    return rule_result(
        LeftOut.MOVED_ON,
        passed=False,
        seen="a newer message of the customer or of the store's people",
        threshold="no message since the one that was analysed",
    )


def _acted_on(analysis: ConversationAnalysis) -> RuleResult | None:
    """An earlier run may have come as far as this and been stopped before it could say so."""
    return _entered_before() if analysis.attempt is not None else None


def _entered_before() -> RuleResult:
    return rule_result(
        LeftOut.RE_ENTRY, passed=False, seen="followed up or told of already", threshold="one entry a finding"
    )


async def _day_is_full(session: AsyncSession, scope: Tracked, *, now: datetime) -> RuleResult | None:
    zone = zone_or_none(scope.store.time_zone)
    if zone is None:
        msg = f"the store's time zone {scope.store.time_zone!r} is unknown"
        raise ValueError(msg)
    today = local_date(now, zone)
    most = scope.definition.sending.max_per_day
    entered = await entered_on(session, required_id(scope.journey.id), today, zone)
    if entered < most:
        return None
    return rule_result(LeftOut.PACED, passed=False, seen="the day is full", threshold=f"at most {most} a day")
