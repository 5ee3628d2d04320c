"""A journey's numbers, attribution and holdout worked out anew: slowly, obviously, and by nothing of ours.

It reads the rows one by one as anybody could who has the database and the words of the definitions (docs/statistics.md,
docs/holdout.md), and uses our vocabularies only. Where the code under test asks the database to count, this counts
with loops.
"""

import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models.enums import AttemptStatus, AttributedBy, EnrollmentState, ExitReason, LeftOut, SendState

Rows = Mapping[str, Sequence[Any]]
"""Every row of a store's tables, by the table's class."""

EXITED = {"unsubscribed", "entered_priority_journey", "purchased_elsewhere"}


@dataclass(frozen=True)
class Sale:
    """What is left of an order by what the shop has told of it, and whether it counts."""

    left: int
    counts: bool


@dataclass
class Numbers:
    """A journey's numbers by the keys of its statistics."""

    counts: Counter[str] = field(default_factory=Counter)
    revenue: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    to_reply: list[int] = field(default_factory=list)
    to_order: list[int] = field(default_factory=list)


def definition_of(rows: Rows, enrollment: Any) -> dict[str, Any]:
    """The words of the version that somebody entered with."""
    (text,) = [one.definition for one in rows["JourneyVersion"] if one.id == enrollment.version_id]
    found: dict[str, Any] = json.loads(text)
    return found


def person_of(rows: Rows, customer_id: int) -> int:
    """Who a customer is by now."""
    (customer,) = [one for one in rows["Customer"] if one.id == customer_id]
    return int(customer.merged_into_id or customer.id)


def sale_of(told: Sequence[Any], refunds: Iterable[int]) -> Sale:
    """The newest of what was told stands; what an order came to at first is told by any news, the newest of them."""
    newest = max(told, key=lambda facts: facts.updated_at)
    original: int | None = None
    known: list[Any] = []
    for facts in told:
        is_news = not known or facts.updated_at > max(one.updated_at for one in known)
        if facts.original is not None and (is_news or original is None):
            original = facts.original.minor
        known.append(facts)
    left = int(newest.total.minor)
    if original is not None:
        left = min(left, original - sum(refunds))
    left = max(left, 0)
    gone = (newest.financial_status or "").lower() in {"refunded", "voided"} or (bool(original) and left == 0)
    return Sale(left, not (newest.test or newest.cancelled_at or gone))


def in_control(*, salt: bytes, journey: str, customer: str, percent: int) -> bool:
    """The draw: the first 64 bits of the keyed hash, as a fraction."""
    digest = hmac.new(salt, f"{len(journey)}:{journey}{customer}".encode(), "sha256").digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < percent / 100


def taken(send: Any) -> bool:
    """Whether WhatsApp took the message."""
    late = send.state is SendState.PARKED and send.received_at is not None
    return send.state is SendState.ACCEPTED or late


def attribution(rows: Rows, order: Any) -> tuple[AttributedBy, int, str, int | None] | None:
    """The last message received in its version's window, else the newest code that was valid."""
    best: tuple[Any, ...] | None = None
    passages = {one.id: one for one in rows["Enrollment"] if one.customer_id == order.customer_id}
    for send in rows["Send"]:
        if send.customer_id != order.customer_id or not taken(send):
            continue
        tries = [one for one in rows["SendAttempt"] if one.send_id == send.id]
        if send.received_at is None and all(one.status is AttemptStatus.FAILED for one in tries):
            continue
        (passage,) = [one for one in rows["Enrollment"] if one.id == send.enrollment_id]
        at = send.received_at or send.settled_at
        window = timedelta(days=definition_of(rows, passage)["attribution_days"])
        if at <= order.ordered_at <= at + window:
            place = (at, send.stage, send.id)
            if best is None or place > best[0]:
                best = (place, AttributedBy.WINDOW, send.journey_id, send.enrollment_id, send.id)
    if best is not None:
        return best[1:]
    for start, end, code, passage in codes_of(rows, passages.values()):
        used = code.strip().lower() in {one.strip().lower() for one in order.discount_codes}
        if used and start <= order.ordered_at and (end is None or order.ordered_at <= end):
            place = (start, passage.journey_id, passage.id)
            if best is None or place > best[0]:
                best = (place, AttributedBy.COUPON, passage.journey_id, passage.id, None)
    return best[1:] if best is not None else None


def codes_of(rows: Rows, passages: Iterable[Any]) -> Iterable[tuple[datetime, datetime | None, str, Any]]:
    """The codes that somebody was given, from when until when, and in which passage."""
    for passage in passages:
        coupon = definition_of(rows, passage).get("coupon") or {}
        if passage.control:
            continue
        if "code" in coupon:
            yield passage.entered_at, None, coupon["code"], passage
        for issue in rows["CouponIssue"]:
            if issue.enrollment_id == passage.id and "code" not in coupon:
                yield issue.valid_from, issue.valid_until, issue.code, passage


def numbers(rows: Rows, journey_id: int, sales: Mapping[str, Sale], wrote: Sequence[tuple[int, datetime]]) -> Numbers:
    """Every number of a journey.

    Args:
        rows: what the database has.
        journey_id: whose.
        sales: what is left of each order, by the shop's id.
        wrote: who wrote when.
    """
    found = Numbers()
    orders = [one for one in rows["Order"] if one.attributed_journey_id == journey_id]
    for passage in rows["Enrollment"]:
        if passage.journey_id == journey_id:
            _count_passage(found.counts, rows, passage, orders)
    _count_messages(found, rows, journey_id, wrote)
    _count_orders(found, rows, orders, sales)
    newest = {one.customer_id: one for one in rows["EntryDecision"] if one.journey_id == journey_id}
    for one in newest.values():
        if one.outcome in {word.value for word in LeftOut if word is not LeftOut.PACED}:
            found.counts["left_out"] += 1
            found.counts[f"left_out:{one.outcome}"] += 1
    return found


def _count_passage(counts: Counter[str], rows: Rows, passage: Any, orders: Sequence[Any]) -> None:
    if passage.control:
        counts["control"] += 1
        return
    counts["started"] += 1
    theirs = [one for one in orders if one.attributed_enrollment_id == passage.id]
    during = [
        one
        for one in theirs
        if passage.entered_at <= one.ordered_at and (passage.closed_at is None or one.ordered_at <= passage.closed_at)
    ]
    word = passage.exit_reason
    if passage.state is EnrollmentState.CLOSED:
        if word is ExitReason.PURCHASED and not theirs:
            word = "purchased_elsewhere"
        counts["closed"] += 1
        counts[f"closed:{word}"] += 1
        if word in EXITED:
            counts["exited"] += 1
            counts[f"exited:{word}"] += 1
    else:
        counts[f"state:{passage.state}"] += 1
    last = len(definition_of(rows, passage)["stages"]) - 1
    reached_last = any(one.enrollment_id == passage.id and one.stage == last and taken(one) for one in rows["Send"])
    counts["purchased"] += bool(during)
    counts["completed"] += bool(during or reached_last or word is ExitReason.COMPLETED)


def _count_messages(found: Numbers, rows: Rows, journey_id: int, wrote: Sequence[tuple[int, datetime]]) -> None:
    sends = [one for one in rows["Send"] if one.journey_id == journey_id]
    for send in sends:
        tries = sorted((one for one in rows["SendAttempt"] if one.send_id == send.id), key=lambda one: one.number)
        words = [f"state:{send.state}"]
        words += ["sent"] if send.state is SendState.ACCEPTED else []
        words += ["possibly_sent"] if send.state in (SendState.UNKNOWN, SendState.PARKED) else []
        words += ["delivered"] if send.received_at is not None else []
        words += ["read"] if any(one.read_at is not None for one in tries) else []
        words += ["opted_out"] if send.opt_out_at is not None else []
        if send.state is SendState.SKIPPED:
            words += ["skipped", f"skipped:{send.skip_reason}"]
        elif tries and tries[-1].status is AttemptStatus.FAILED:
            code = tries[-1].error_code
            words += ["failed", f"failed:{'no_code' if code is None else code}"]
        answer = _reply_to(rows, send, sends, wrote)
        if answer is not None:
            words.append("replied")
            found.to_reply.append(int(answer.timestamp()) - int(send.settled_at.timestamp()))
        for word in words:
            found.counts[f"stage:{send.stage + 1}:{word}"] += 1
            found.counts["opted_out" if word == "opted_out" else f"messages:{word}"] += 1


def _reply_to(rows: Rows, send: Any, sends: Sequence[Any], wrote: Sequence[tuple[int, datetime]]) -> datetime | None:
    """The first that the customer wrote after the message, before the next one, while the passage lasted."""
    if not taken(send):
        return None
    (passage,) = [one for one in rows["Enrollment"] if one.id == send.enrollment_id]
    later = [
        one.settled_at
        for one in sends
        if one.enrollment_id == send.enrollment_id and taken(one) and one.stage > send.stage
    ]
    answers = [
        at
        for customer_id, at in wrote
        if person_of(rows, customer_id) == person_of(rows, send.customer_id)
        and at > send.settled_at
        and all(at < one for one in later)
        and (passage.closed_at is None or at <= passage.closed_at)
    ]
    return min(answers, default=None)


def _count_orders(found: Numbers, rows: Rows, orders: Sequence[Any], sales: Mapping[str, Sale]) -> None:
    for order in orders:
        (passage,) = [one for one in rows["Enrollment"] if one.id == order.attributed_enrollment_id]
        found.counts["orders"] += 1
        found.counts[f"orders:{order.attributed_by}"] += 1
        revenue = found.revenue[order.currency]
        revenue[order.attributed_by is AttributedBy.COUPON] += sales[order.external_id].left
        plain = {one.strip().lower() for one in order.discount_codes}
        if any(code.lower() in plain for _, _, code, _ in codes_of(rows, [passage])):
            found.counts["orders:with_code"] += 1
            revenue[2] += sales[order.external_id].left
        before = [
            one.settled_at
            for one in rows["Send"]
            if one.enrollment_id == passage.id and taken(one) and one.settled_at <= order.ordered_at
        ]
        if before:
            found.counts["orders:after_message"] += 1
            found.to_order.append(int(order.ordered_at.timestamp()) - int(max(before).timestamp()))


@dataclass
class Side:
    """One arm under one percentage."""

    customers: int = 0
    converted: int = 0
    spent: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


@dataclass
class Holdout:
    """Both arms: how people stand, by whether they are held out, and what the compared of each percentage bought."""

    stands: dict[bool, Counter[str]] = field(default_factory=lambda: {False: Counter(), True: Counter()})
    strata: dict[int, dict[bool, Side]] = field(default_factory=dict)


def holdout(rows: Rows, journey_id: int, sales: Mapping[str, Sale], *, now: datetime) -> Holdout:
    """Everybody who entered, in the arm of the first entry that was drawn."""
    found = Holdout()
    entries: dict[int, list[Any]] = defaultdict(list)
    for one in rows["Enrollment"]:
        if one.journey_id == journey_id:
            entries[person_of(rows, one.customer_id)].append(one)

    def percent_of(entry: Any) -> int:
        return int(definition_of(rows, entry)["audience"].get("control_percent", 0))

    held = {percent_of(one) for each in entries.values() for one in each if one.control}
    found.strata = {percent: {False: Side(), True: Side()} for percent in held}
    for person, each in entries.items():
        drawn = [one for one in each if percent_of(one) in held]
        first = min(drawn or each, key=lambda one: (one.entered_at, one.id))
        if not drawn:
            found.stands[first.control]["unheld"] += 1
        elif first.horizon_at > now:
            found.stands[first.control]["running"] += 1
        else:
            found.stands[first.control]["compared"] += 1
            since = [one for one in each if one.entered_at >= first.entered_at and one.horizon_at <= now]
            _add_person(found.strata[percent_of(first)][first.control], rows, person, since, sales)
    return found


def _add_person(side: Side, rows: Rows, person: int, entries: Sequence[Any], sales: Mapping[str, Sale]) -> None:
    bought = [
        order
        for order in rows["Order"]
        if order.customer_id == person
        and sales[order.external_id].counts
        and any(one.entered_at <= order.ordered_at < one.horizon_at for one in entries)
    ]
    spent: Counter[str] = Counter()
    for order in bought:
        spent[order.currency] += sales[order.external_id].left
    side.customers += 1
    side.converted += bool(bought)
    for currency, minor in spent.items():
        if minor:
            side.spent[currency][minor] += 1
