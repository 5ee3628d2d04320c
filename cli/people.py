"""What several commands say about a person: who it is, whether they may enter a journey, and what was decided."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from cli.failures import NOT_FOUND, Failure
from cli.output import Output
from models.enums import JourneyKind
from models.tables import Customer
from policies.phones import mask_phone, parse_phone
from policies.zones import zone_or_none
from reports.documents import AnswerView, CustomerView, DecisionView, ReviewView, VerdictView
from reports.runs import review_words
from reports.wording import local_time, outcome_words
from storage.lookup import find_person
from storage.stores import StoreParts


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


def stranger(answer: AnswerView) -> Failure:
    """How a command ends about a number that nobody has: the answer, then what to do."""
    return Failure(answer.text, *([answer.advice] if answer.advice is not None else []), code=NOT_FOUND)


def store_zone(parts: StoreParts) -> ZoneInfo:
    """The store's time zone.

    Raises:
        Failure: this machine does not know it.
    """
    zone = zone_or_none(parts.store.time_zone)
    if zone is None:
        raise Failure(f"the store's time zone {parts.store.time_zone!r} is unknown on this machine")
    return zone


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


def show_answer(output: Output, answer: AnswerView, journey: str | None = None) -> None:
    """The one answer for a person: the sentence, then what to do."""
    named = f"{journey}: " if journey is not None else ""
    output.line(f"{named}{answer.text}", style="bold")
    output.line(f"  [{answer.code.value.replace('_', ' ')}]" + (f" {answer.advice}" if answer.advice else ""))


def show_verdict(output: Output, view: VerdictView) -> None:
    """A verdict for a person."""
    tracks = view.kind is JourneyKind.TRACKING
    if view.may_enter:
        word = "a run would have the model read their conversation now" if tracks else "may enter now"
    else:
        no = "a run would leave them out" if tracks else "may not enter"
        word = f"{no}: {outcome_words(view.reason or '')}"
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


def show_reviews(output: Output, parts: StoreParts, views: Sequence[ReviewView]) -> None:
    """What daily reviews came to about somebody, for a person."""
    if not views:
        return
    zone = zone_or_none(parts.store.time_zone)
    output.table(
        ["journey", "run#", "began", "came to", "seen", "asked"],
        [
            [
                one.journey,
                str(one.run_id),
                local_time(one.began_at, zone) if zone is not None else f"{one.began_at:%Y-%m-%d %H:%M} UTC",
                review_words(one.review),
                one.review.seen,
                one.review.threshold,
            ]
            for one in views
        ],
        title="What daily reviews came to",
    )
