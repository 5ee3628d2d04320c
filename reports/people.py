"""What is said about a person: who it is, whether they may enter a journey, and what was decided."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.journey import AbandonedCart, FollowUp, JourneyDefinition, Tracking, WinBack
from models.money import Money
from models.tables import Customer, Journey, Store
from policies.eligibility import RuleResult, evaluate, first_failure
from policies.phones import mask_phone
from reports.documents import Amount, CustomerView, DecisionView, RuleView, VerdictView
from storage.considered import considered
from storage.lookup import Decided
from storage.review_selection import ask_about
from storage.stores import StoreParts, required_id
from storage.tracking_runs import Tracked
from storage.watch_facts import ask_rules
from storage.watch_queue import scope_if_launched


def customer_view(customer: Customer) -> CustomerView:
    """The customer as a document, the phone masked."""
    total = None
    if customer.last_order_minor is not None and customer.last_order_currency is not None:
        total = Amount.of(Money(customer.last_order_minor, customer.last_order_currency))
    return CustomerView(
        customer_id=customer.external_id,
        phone=mask_phone(customer.phone) if customer.phone is not None else None,
        first_name=customer.first_name,
        language=customer.language,
        time_zone=customer.time_zone,
        consent=customer.consent,
        consent_at=customer.consent_at,
        opted_out_at=customer.opted_out_at,
        opt_out_source=customer.opt_out_source,
        erased_at=customer.erased_at,
        last_order_at=customer.last_order_at,
        last_order_total=total,
    )


def decision_views(decided: Sequence[Decided]) -> list[DecisionView]:
    """Decisions on record as documents."""
    return [
        DecisionView(
            journey=one.journey,
            at=one.decision.at,
            outcome=one.decision.outcome,
            seen=one.decision.seen,
            threshold=one.decision.threshold,
        )
        for one in decided
    ]


async def verdict(
    session: AsyncSession,
    parts: StoreParts,
    journey: Journey,
    definition: JourneyDefinition,
    customer: Customer,
    *,
    suppression_key: bytes,
    zone: ZoneInfo,
    now: datetime,
) -> VerdictView:
    """Every entry rule of the journey for the customer, evaluated now; of a follow-up for their newest conversation."""
    match definition:
        case WinBack():
            (who,) = await considered(
                session,
                required_id(journey.id),
                [required_id(customer.id)],
                suppression_key=suppression_key,
                now=now,
            )
            results = evaluate(
                who.candidate, definition, now=now, zone=zone, entry_key=who.entry_key, currency=parts.store.currency
            )
        case FollowUp() | AbandonedCart():
            results = await _watched(session, parts, journey, definition, customer, suppression_key, now=now)
        case Tracking():
            results = await _reviewed(session, journey, definition, customer, suppression_key, now=now)
        case _:
            msg = f"nobody knows the rules of a journey of kind {definition.kind}"
            raise AssertionError(msg)
    failed = first_failure(results)
    return VerdictView(
        journey=journey.name,
        kind=journey.kind,
        may_enter=failed is None,
        reason=failed.rule if failed is not None else None,
        rules=[
            RuleView(
                rule=result.rule,
                passed=result.passed,
                seen=result.seen,
                threshold=result.threshold,
                passes_at=result.passes_at,
            )
            for result in results
        ],
    )


async def _watched(
    session: AsyncSession,
    parts: StoreParts,
    journey: Journey,
    definition: FollowUp | AbandonedCart,
    customer: Customer,
    suppression_key: bytes,
    *,
    now: datetime,
) -> list[RuleResult]:
    scope = await scope_if_launched(session, journey, definition)
    (asked,) = await ask_rules(
        session,
        scope,
        {required_id(customer.id): None},
        suppression_key=suppression_key,
        currency=parts.store.currency,
        now=now,
    )
    return asked.results


async def _reviewed(
    session: AsyncSession,
    journey: Journey,
    definition: Tracking,
    customer: Customer,
    suppression_key: bytes,
    *,
    now: datetime,
) -> list[RuleResult]:
    store = await session.get_one(Store, journey.store_id)
    scope = Tracked(store, journey, 0, definition)
    return await ask_about(session, scope, required_id(customer.id), suppression_key=suppression_key, now=now)
