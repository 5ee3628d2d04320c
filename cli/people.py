"""What several commands say about a person: who it is, whether they may enter a journey, and what was decided."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from cli.documents import Amount, CustomerView, DecisionView, RuleView, VerdictView
from cli.failures import NOT_FOUND, Failure
from cli.output import Output, local_time
from cli.run import Run
from cli.wording import outcome_words
from models.journey import JourneyDefinition
from models.money import Money
from models.tables import Customer, Journey
from policies.eligibility import evaluate, first_failure
from policies.phones import mask_phone, parse_phone
from policies.zones import zone_or_none
from storage.entry import considered
from storage.lookup import Decided, find_person
from storage.stores import StoreParts, required_id, suppression_key


def read_phone(text: str, parts: StoreParts) -> str:
    """The number as E.164, however it is written.

    Raises:
        PhoneError: it is none.
    """
    return parse_phone(text, parts.store.default_region)


async def known_person(session: AsyncSession, parts: StoreParts, phone: str) -> Customer:
    """The store's customer with that number.

    Raises:
        Failure: there is none.
    """
    customer = await find_person(session, parts.id, phone)
    if customer is None:
        raise Failure(f"no customer of {parts.store.slug} has the number {mask_phone(phone)}", code=NOT_FOUND)
    return customer


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


async def verdict(
    run: Run,
    session: AsyncSession,
    parts: StoreParts,
    journey: Journey,
    definition: JourneyDefinition,
    customer: Customer,
    *,
    now: datetime,
) -> VerdictView:
    """Every entry rule of the journey for the customer, evaluated now."""
    zone = zone_or_none(parts.store.time_zone)
    if zone is None:
        raise Failure(f"the store's time zone {parts.store.time_zone!r} is unknown on this machine")
    (who,) = await considered(
        session,
        required_id(journey.id),
        [required_id(customer.id)],
        suppression_key=suppression_key(parts.store, run.cipher),
        now=now,
    )
    results = evaluate(
        who.candidate, definition, now=now, zone=zone, entry_key=who.entry_key, currency=parts.store.currency
    )
    failed = first_failure(results)
    return VerdictView(
        journey=journey.name,
        may_enter=failed is None,
        reason=failed.rule if failed is not None else None,
        rules=[
            RuleView(rule=result.rule, passed=result.passed, seen=result.seen, threshold=result.threshold)
            for result in results
        ],
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


def show_customer(output: Output, view: CustomerView) -> None:
    """Who it is, for a person."""
    name = view.first_name or "(no name)"
    output.line(f"{name}, {view.phone or 'no phone'}, customer {view.customer_id or 'of no shop'}", style="bold")
    marks = [f"consent: {view.consent.value.replace('_', ' ')}"]
    if view.opted_out_at is not None:
        marks.append(f"opted out {view.opted_out_at:%Y-%m-%d} ({view.opt_out_source})")
    if view.erased_at is not None:
        marks.append(f"data erased {view.erased_at:%Y-%m-%d}")
    if view.last_order_at is not None:
        total = view.last_order_total
        worth = f", {total.amount} {total.currency}" if total is not None else ""
        marks.append(f"last order {view.last_order_at:%Y-%m-%d}{worth}")
    output.line("; ".join(marks))


def show_verdict(output: Output, view: VerdictView) -> None:
    """A verdict for a person."""
    word = "may enter now" if view.may_enter else f"may not enter: {outcome_words(view.reason or '')}"
    output.line(f"{view.journey}: {word}", style="bold")
    output.table(
        ["rule", "", "seen", "asked"],
        [[rule.rule, "ok" if rule.passed else "NO", rule.seen, rule.threshold] for rule in view.rules],
    )


def show_decisions(output: Output, parts: StoreParts, views: Sequence[DecisionView]) -> None:
    """Decisions on record for a person."""
    if not views:
        return
    zone = zone_or_none(parts.store.time_zone)
    output.table(
        ["journey", "decided", "outcome", "seen", "asked"],
        [
            [
                one.journey,
                local_time(one.at, zone) if zone is not None else f"{one.at:%Y-%m-%d %H:%M} UTC",
                outcome_words(one.outcome),
                one.seen,
                one.threshold,
            ]
            for one in views
        ],
        title="Decisions on record",
    )
