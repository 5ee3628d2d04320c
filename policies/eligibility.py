"""Who may enter a win-back: every entry rule, each with what was seen and what was asked.

All rules are always evaluated, because `why-not` shows the whole list; the first that fails is the reason on record.
The rules that every kind of journey asks are here too; `policies.watch_rules` adds those of silences and carts.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict

from models.enums import ConsentState, LeftOut
from models.journey import ConsentRule, JourneyDefinition, WinBack
from models.money import Money
from policies.calendar import inactive_days, local_date, start_of_local_day
from policies.phones import is_us_number, mask_phone
from policies.recency import within_days
from policies.whatsapp_reactions import gets_nothing


class Candidate(BaseModel):
    """What the entry rules look at in a customer, read in one query.

    Attributes:
        customer_id: the customer's row.
        phone: E.164; None when there is none.
        has_user_id: WhatsApp knows the customer by a business-scoped user id, which a message can go to as well.
        synthetic: the number was made up for a simulation.
        consent: consent to marketing over WhatsApp.
        opted_out: the customer asked us, or WhatsApp, to stop.
        suppressed: the number's hash is on the suppression list.
        erased: the customer's data was erased.
        unreachable_code: with what WhatsApp lately called the person unreachable, while that is believed.
        unreachable_at: when that was.
        last_order_at: when the last order that counts was placed.
        last_order_total: what it came to.
        last_order_id: the shop's id of it, from which the entry key is made.
        last_marketing_at: the latest marketing message of another journey or campaign.
        last_any_order_at: the latest order of any kind, for the recent-order rule.
        open_enrollment_priority: priority of the journey that the customer is in; None when in none.
        open_enrollment_journey: name of that journey, which may be somebody else's.
        open_enrollment_until: when it ends at the latest, where that is known.
        last_inbound_at: when the customer last wrote to us.
        last_entry_key: entry key of the latest enrollment in this journey.
        last_entered_at: when that was.
    """

    model_config = ConfigDict(frozen=True)

    customer_id: int
    phone: str | None = None
    has_user_id: bool = False
    synthetic: bool = False
    consent: ConsentState = ConsentState.NEVER_SUBSCRIBED
    opted_out: bool = False
    suppressed: bool = False
    erased: bool = False
    unreachable_code: int | None = None
    unreachable_at: AwareDatetime | None = None
    last_order_at: AwareDatetime | None = None
    last_order_total: Money | None = None
    last_order_id: str | None = None
    last_marketing_at: AwareDatetime | None = None
    last_any_order_at: AwareDatetime | None = None
    open_enrollment_priority: int | None = None
    open_enrollment_journey: str | None = None
    open_enrollment_until: AwareDatetime | None = None
    last_inbound_at: AwareDatetime | None = None
    last_entry_key: str | None = None
    last_entered_at: AwareDatetime | None = None


class RuleResult(BaseModel):
    """One rule's answer for one customer.

    Attributes:
        rule: the rule's name, the same word as its reason.
        passed: whether the customer may enter as far as this rule goes.
        reason: the word on record when it failed, else None.
        seen: what was found, for a person.
        threshold: what the rule asks, for a person.
        basis: what was found, said without regard to the moment of looking: as long as it is the same, so is the
            answer, although "12 days ago" has become 13.
        passes_at: from when on a rule that said no lets the customer in, as far as that can be told if nothing new
            happens; None where it cannot, or never.
    """

    model_config = ConfigDict(frozen=True)

    rule: str
    passed: bool
    reason: LeftOut | None
    seen: str
    threshold: str
    basis: str = ""
    passes_at: AwareDatetime | None = None


def evaluate(
    candidate: Candidate,
    definition: WinBack,
    *,
    now: datetime,
    zone: ZoneInfo,
    entry_key: str | None,
    currency: str | None = None,
) -> list[RuleResult]:
    """Every entry rule of a win-back, in the order in which the first failure counts.

    Args:
        candidate: the customer.
        definition: the journey.
        now: the moment of the decision.
        zone: the store's zone, in which inactive days are counted.
        entry_key: what this entry would be known by; None when it is not known yet.
        currency: the store's currency, in which the journey's amounts are meant; an order in another one fails the
            amount filter. None takes the order's own currency as the store's.
    """
    return [
        *reachability(candidate, definition.audience.consent, template_needed=True),
        _inactive_days(candidate, definition, now, zone),
        _last_order_total(candidate, definition, currency),
        *frequency(candidate, definition, now),
        _re_entry(candidate, definition, now, entry_key),
        in_other_journey(candidate, definition),
    ]


def first_failure(results: Iterable[RuleResult]) -> RuleResult | None:
    """The rule that keeps the customer out, or None when all pass."""
    return next((result for result in results if not result.passed), None)


def rule_result(
    reason: LeftOut,
    *,
    passed: bool,
    seen: str,
    threshold: str,
    since: datetime | None = None,
    passes_at: datetime | None = None,
) -> RuleResult:
    """A rule's answer; its reason counts only where it did not pass.

    Args:
        reason: names the rule.
        passed: its answer.
        seen: what was found, for a person.
        threshold: what is asked.
        since: the moment that `seen` counts from, where it says how long ago something was.
        passes_at: as in `RuleResult`, where time alone may bring it.
    """
    return RuleResult(
        rule=reason.value,
        passed=passed,
        reason=None if passed else reason,
        seen=seen,
        threshold=threshold,
        basis=seen if since is None else since.isoformat(),
        passes_at=None if passed else passes_at,
    )


def _without_phone(candidate: Candidate) -> str:
    return "known by WhatsApp's user id alone" if candidate.has_user_id else "no phone number"


def reachability(
    candidate: Candidate, consent: ConsentRule, *, template_needed: bool, by_user_id: bool = False
) -> Iterator[RuleResult]:
    """May this person be written to at all?

    Args:
        candidate: the customer.
        consent: whose consent is enough.
        template_needed: whether nothing but a template could go, which WhatsApp does not deliver to US numbers.
        by_user_id: whether somebody who hides the phone may be written to by WhatsApp's user id: in a chat they can.
    """
    yield rule_result(
        LeftOut.ERASED,
        passed=not candidate.erased,
        seen="data erased" if candidate.erased else "data present",
        threshold="data not erased",
    )
    yield rule_result(
        LeftOut.NO_PHONE,
        passed=candidate.phone is not None or (by_user_id and candidate.has_user_id),
        seen=mask_phone(candidate.phone) if candidate.phone else _without_phone(candidate),
        threshold="a phone number, or WhatsApp's user id" if by_user_id else "a phone number",
    )
    stops = [
        text
        for stopped, text in (
            (candidate.opted_out, "opted out"),
            (candidate.suppressed, "on the suppression list"),
            (candidate.consent is ConsentState.UNSUBSCRIBED, "consent withdrawn"),
        )
        if stopped
    ]
    yield rule_result(
        LeftOut.UNSUBSCRIBED,
        passed=not stops,
        seen=", ".join(stops) or "no objection on record",
        threshold="not opted out, suppressed or unsubscribed",
    )
    yield _consent(candidate, consent)
    yield _deliverable(candidate, template_needed=template_needed)


def _deliverable(candidate: Candidate, *, template_needed: bool) -> RuleResult:
    american = candidate.phone is not None and is_us_number(candidate.phone)
    code = candidate.unreachable_code
    seen = "a US number" if american else "no US number"
    if code is not None and candidate.unreachable_at is not None:
        seen += f"; WhatsApp refused with code {code} on {candidate.unreachable_at:%Y-%m-%d}"
    return rule_result(
        LeftOut.MARKETING_NOT_DELIVERABLE,
        passed=not gets_nothing(code) and not (template_needed and (american or code is not None)),
        seen=seen,
        threshold="not +1 with a US area code: WhatsApp delivers no marketing there"
        + ("" if template_needed else " (but free text, as the customer has just written)")
        + ("; not called unreachable in the last 30 days" if code is not None else ""),
    )


def _consent(candidate: Candidate, rule: ConsentRule) -> RuleResult:
    match rule:
        case ConsentRule.SUBSCRIBED:
            passed = candidate.consent is ConsentState.SUBSCRIBED
        case ConsentRule.NOT_UNSUBSCRIBED:
            # Redacted means that the shop no longer holds the answer, so nobody can say that there was no "no".
            passed = candidate.consent not in {ConsentState.UNSUBSCRIBED, ConsentState.REDACTED}
        case _:
            assert_never(rule)
    return rule_result(
        LeftOut.NO_CONSENT, passed=passed, seen=_words(candidate.consent.value), threshold=_words(rule.value)
    )


def _inactive_days(candidate: Candidate, definition: WinBack, now: datetime, zone: ZoneInfo) -> RuleResult:
    least, most = definition.audience.inactive_days, definition.audience.inactive_days_max
    last = candidate.last_order_at
    days = inactive_days(last, now, zone) if last is not None else None
    ripe = start_of_local_day(local_date(last, zone) + timedelta(days=least), zone) if last is not None else None
    return rule_result(
        LeftOut.FILTER_INACTIVE_DAYS,
        passed=days is not None and least <= days and (most is None or days <= most),
        seen="never ordered" if days is None else f"{days} days since the last order",
        threshold=f"at least {least} days" if most is None else f"{least} to {most} days",
        since=last,
        passes_at=ripe if ripe is not None and ripe > now else None,
    )


def _last_order_total(candidate: Candidate, definition: WinBack, currency: str | None) -> RuleResult:
    bounds, total = definition.audience.last_order_total, candidate.last_order_total
    if bounds is None:
        passed, threshold = True, "any amount"
    else:
        passed = (
            total is not None
            and (currency is None or total.currency == currency)
            and (bounds.min is None or total.amount >= bounds.min)
            and (bounds.max is None or total.amount <= bounds.max)
        )
        edges = [
            f"{word} {edge}" for word, edge in (("at least", bounds.min), ("at most", bounds.max)) if edge is not None
        ]
        threshold = " and ".join(edges) + (f" {currency}" if currency else "")
    return rule_result(
        LeftOut.FILTER_LAST_ORDER_TOTAL,
        passed=passed,
        seen="no last order" if total is None else str(total),
        threshold=threshold,
    )


def frequency(
    candidate: Candidate, definition: JourneyDefinition, now: datetime, *, is_reply: bool = False
) -> Iterator[RuleResult]:
    """Has this person bought, or heard from us, too recently?

    Args:
        candidate: the customer.
        definition: the journey.
        now: the moment of the decision.
        is_reply: whether free text can go into a conversation that the customer has opened, of which smart sending
            takes no notice.
    """
    sending = definition.sending
    smart_days = 0 if is_reply else sending.smart_sending_days
    ordered = [at for at in (candidate.last_any_order_at, candidate.last_order_at) if at is not None]
    last_order = max(ordered) if ordered else None
    yield rule_result(
        LeftOut.RECENT_ORDER,
        passed=not within_days(last_order, now, sending.recent_order_days),
        seen=ago(last_order, now, "order"),
        threshold=_rest(sending.recent_order_days, "order"),
        since=last_order,
        passes_at=_rested(last_order, sending.recent_order_days),
    )
    yield rule_result(
        LeftOut.SMART_SENDING,
        passed=not within_days(candidate.last_marketing_at, now, smart_days),
        seen=ago(candidate.last_marketing_at, now, "marketing message of another journey"),
        threshold=_rest(smart_days, "marketing message of another journey")
        + (" inside the 24-hour window" if sending.smart_sending_days and is_reply else ""),
        since=candidate.last_marketing_at,
        passes_at=_rested(candidate.last_marketing_at, smart_days),
    )


def _re_entry(candidate: Candidate, definition: WinBack, now: datetime, entry_key: str | None) -> RuleResult:
    days = definition.audience.re_entry_days
    same_key = entry_key is not None and entry_key == candidate.last_entry_key
    seen = ago(candidate.last_entered_at, now, "entry into this journey")
    return rule_result(
        LeftOut.RE_ENTRY,
        passed=not same_key and not within_days(candidate.last_entered_at, now, days),
        seen=f"{seen}, for the same last order" if same_key else seen,
        threshold=f"a new last order, and no entry into this journey in {days} x 24 hours",
        since=candidate.last_entered_at,
        passes_at=None if same_key else _rested(candidate.last_entered_at, days),
    )


def in_other_journey(candidate: Candidate, definition: JourneyDefinition) -> RuleResult:
    """Is this person in a journey that this one may not take them from?"""
    journey, priority = candidate.open_enrollment_journey, candidate.open_enrollment_priority
    if journey is None and priority is None:
        passed, seen = True, "in no journey"
    else:
        # A journey of unknown priority cannot be shown to be lower, so it is left alone.
        lower = priority is not None and priority < definition.priority
        passed = lower and journey != definition.name
        seen = f"in {journey or 'a journey'}" + ("" if priority is None else f", priority {priority}")
    return rule_result(
        LeftOut.IN_OTHER_JOURNEY,
        passed=passed,
        seen=seen,
        threshold=f"in no journey, or in another one of priority below {definition.priority}",
        passes_at=candidate.open_enrollment_until,
    )


def _words(value: str) -> str:
    return value.replace("_", " ")


def ago(at: datetime | None, now: datetime, what: str) -> str:
    """How long ago something was, for a person."""
    if at is None:
        return f"no {what}"
    hours = int((now - at).total_seconds() // 3600)
    return f"last {what} {hours // 24} days {hours % 24} hours ago" if hours >= 0 else f"last {what} ahead of now"


def _rested(at: datetime | None, days: int) -> datetime | None:
    return at + timedelta(days=days) if at is not None else None


def _rest(days: int, what: str) -> str:
    return f"no {what} in {days} x 24 hours" if days else "rule is off"
