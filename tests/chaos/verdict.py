"""Whether the promises held: the sandbox's books and the wire's against the database and Temporal."""

import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from models.enums import AttemptStatus, EnrollmentState, EventKind, SendState
from models.tables import (
    AppliedPiece,
    ChatMessage,
    Customer,
    CustomerEvent,
    Enrollment,
    Order,
    Send,
    SendAttempt,
    SignalIntent,
    UnmatchedStatus,
)
from sandbox.whatsapp.faults import LoseStatuses
from tests.chaos.audit import claims_after_exit
from tests.chaos.plan import Plan
from tests.chaos.wire import Posted
from tests.stack import Stack

_SHOWN = 5
_ARRIVED = frozenset({AttemptStatus.DELIVERED, AttemptStatus.READ})
_STOP = "STOP"


@dataclass(slots=True)
class Verdict:
    """The figures of a run, and what is broken.

    Attributes:
        figures: in the order in which they are told.
        broken: each promise that did not hold, with the first cases.
    """

    figures: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def say(self, what: str, figure: object) -> None:
        """Note a figure."""
        self.figures[what] = str(figure)

    def none_of(self, what: str, cases: Iterable[str]) -> None:
        """Note that there must be none of these."""
        found = sorted(cases)
        self.figures[what] = str(len(found))
        if found:
            self.broken.append(f"{what}: {len(found)}, such as {'; '.join(found[:_SHOWN])}")


@dataclass(slots=True)
class _Facts:
    """The database after the run, each table by what it is looked up with."""

    enrollments: dict[str, Enrollment]
    sends: dict[int | None, Send]
    attempts: dict[str, SendAttempt]
    customers: dict[int | None, Customer]
    events: list[CustomerEvent]

    @property
    def by_phone(self) -> dict[str | None, Customer]:
        """Customers by their number."""
        return {one.phone: one for one in self.customers.values()}


async def judge(
    stack: Stack, plan: Plan, posts: Sequence[Posted], taken: Sequence[tuple[str, bytes]], now: datetime
) -> Verdict:
    """Compare everybody's books."""
    facts = _Facts(
        enrollments={one.id: one for one in await stack.rows(Enrollment)},
        sends={one.id: one for one in await stack.rows(Send)},
        attempts={one.id: one for one in await stack.rows(SendAttempt)},
        customers={one.id: one for one in await stack.rows(Customer)},
        events=await stack.rows(CustomerEvent),
    )
    verdict, failed = Verdict(), _told_as_failed(taken)
    _no_message_twice(verdict, stack, failed, posts)
    await _no_claim_after_an_exit(verdict, stack)
    await _nobody_stuck(verdict, stack, facts, now)
    await _webhooks_applied(verdict, stack, facts, taken)
    _books_agree(verdict, stack, facts, posts, plan, failed)
    return verdict


def _told_as_failed(taken: Iterable[tuple[str, bytes]]) -> set[str]:
    """The attempts of which WhatsApp itself has told a gateway that the message failed after all."""
    return {
        told["biz_opaque_callback_data"]
        for path, raw in taken
        if path.endswith("whatsapp")
        for entry in json.loads(raw)["entry"]
        for change in entry["changes"]
        for told in change["value"].get("statuses", ())
        if told["status"] == "failed"
    }


# --- 1: no message twice ---------------------------------------------------------------------------------------------


def _no_message_twice(verdict: Verdict, stack: Stack, failed: Collection[str], posts: Sequence[Posted]) -> None:
    verdict.say("messages posted", len(posts))
    verdict.say("messages accepted by the sandbox", len(stack.whatsapp.books.messages))
    seen = Counter((one.recipient, one.occurrence) for one in stack.whatsapp.books.messages)
    verdict.none_of(
        "a stage accepted twice for one customer", [f"{key[1]} {n} times" for key, n in seen.items() if n > 1]
    )
    verdict.none_of("an attempt posted twice", _more_than_once(one.callback_data for one in posts))
    by_send: dict[str, list[Posted]] = {}
    for one in posts:
        by_send.setdefault(one.occurrence, []).append(one)
    verdict.say("further attempts", sum(len(tries) - 1 for tries in by_send.values()))
    verdict.none_of(
        "a further attempt after an outcome that is not known",
        [
            f"{later.callback_data} after {earlier.fate}"
            for tries in by_send.values()
            for earlier, later in itertools.pairwise(tries)
            if not earlier.says_not_sent and earlier.callback_data not in failed
        ],
    )


def _more_than_once(keys: Iterable[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


# --- 2: nothing claimed after an exit event --------------------------------------------------------------------------


async def _no_claim_after_an_exit(verdict: Verdict, stack: Stack) -> None:
    late, claims, exits = await claims_after_exit(stack.database)
    verdict.say("claims committed", claims)
    verdict.say("exit events committed", exits)
    verdict.none_of("a claim committed after an exit event", late)


# --- 3: nobody stuck -------------------------------------------------------------------------------------------------


def explained(row: Enrollment, now: datetime) -> str | None:
    """Why an enrollment stands where it stands; None if nothing explains it."""
    match row.state:
        case EnrollmentState.CLOSED:
            return f"closed: {row.exit_reason}"
        case EnrollmentState.WATCHING if row.due_at is not None and row.due_at > now:
            return "watching after its last stage"
        case EnrollmentState.HOLDING if row.due_at is not None and row.due_at > now:
            return f"holding until a moment to come: {row.hold_reason}"
        case _:
            return None


async def _nobody_stuck(verdict: Verdict, stack: Stack, facts: _Facts, now: datetime) -> None:
    verdict.say("enrollments", len(facts.enrollments))
    ends = Counter(explained(one, now) or "?" for one in facts.enrollments.values())
    for what, count in sorted(ends.items()):
        if what != "?":
            verdict.say(f"  {what}", count)
    verdict.none_of(
        "an enrollment that is neither over nor explained",
        [
            f"{one.id} {one.state} stage {one.stage} due {one.due_at} hold {one.hold_reason}"
            for one in facts.enrollments.values()
            if explained(one, now) is None
        ],
    )
    verdict.none_of(
        "an enrollment still open behind an exit event",
        [
            one.id
            for one in facts.enrollments.values()
            if one.state is not EnrollmentState.CLOSED
            and any(
                event.customer_id == one.customer_id
                and event.exit_reason is not None
                and (event.id or 0) > one.after_event_id
                and event.enrollment_id in (None, one.id)
                for event in facts.events
            )
        ],
    )
    unlike = []
    for one in facts.enrollments.values():
        description = await stack.client.get_workflow_handle(one.id).describe()
        wanted = (
            WorkflowExecutionStatus.COMPLETED
            if one.state is EnrollmentState.CLOSED
            else WorkflowExecutionStatus.RUNNING
        )
        if description.status is not wanted:
            unlike.append(f"{one.id} is {one.state}, its workflow {description.status}")
    verdict.none_of("an enrollment and its workflow that disagree", unlike)
    states = Counter(one.state for one in facts.sends.values())
    for state in SendState:
        if states[state]:
            verdict.say(f"  sends {state}", states[state])
    verdict.none_of(
        "a send of an open journey left in the air",
        [
            f"{one.enrollment_id}:{one.stage} {one.state}"
            for one in facts.sends.values()
            if one.state in (SendState.IN_FLIGHT, SendState.UNKNOWN)
            and facts.enrollments[one.enrollment_id].state is not EnrollmentState.CLOSED
        ],
    )


# --- 4: every accepted webhook applied -------------------------------------------------------------------------------


async def _webhooks_applied(verdict: Verdict, stack: Stack, facts: _Facts, taken: Sequence[tuple[str, bytes]]) -> None:
    chat = Counter(one.wamid for one in await stack.rows(ChatMessage))
    orders = {one.external_id: one for one in await stack.rows(Order)}
    heard: Counter[str] = Counter()
    lost: list[str] = []
    for path, raw in set(taken):
        found = _shopify(raw, orders, facts) if path.endswith("shopify") else _whatsapp(raw, chat, facts)
        for what, problem in found:
            heard[what] += 1
            if problem is not None:
                lost.append(f"{what}: {problem}")
    verdict.say("webhooks answered 200", f"{len(taken)} ({len(set(taken))} different)")
    for what, count in sorted(heard.items()):
        verdict.say(f"  {what}", count)
    verdict.none_of("a webhook that was answered 200 and has no effect", lost)
    verdict.none_of("a chat message stored twice", [str(key) for key, n in chat.items() if key is not None and n > 1])
    verdict.none_of(
        "an event applied twice", _more_than_once(f"{one.store_id}:{one.dedupe_key}" for one in facts.events)
    )
    verdict.say("pieces applied", len(await stack.rows(AppliedPiece)))
    verdict.none_of("a status that found no message", [one.wamid for one in await stack.rows(UnmatchedStatus)])
    verdict.none_of(
        "a signal that Temporal never got",
        [f"{one.signal} to {one.enrollment_id}" for one in await stack.rows(SignalIntent) if one.settled_at is None],
    )


def _whatsapp(raw: bytes, chat: Counter[Any], facts: _Facts) -> Iterable[tuple[str, str | None]]:
    by_phone = facts.by_phone
    for entry in json.loads(raw)["entry"]:
        for change in entry["changes"]:
            value = change["value"]
            for told in value.get("statuses", ()):
                yield f"status {told['status']}", _status_problem(told, facts)
            for message in value.get("messages", ()):
                customer = by_phone.get(f"+{message['from']}")
                wrote = _kinds(facts, customer)
                stopped = message["text"]["body"] != _STOP or (customer is not None and customer.opted_out_at)
                is_there = chat[message["id"]] == 1 and wrote and stopped
                yield "message", None if is_there else message["id"]
            for wish in value.get("user_preferences", ()):
                customer = by_phone.get(f"+{wish['wa_id']}")
                yield "stop in WhatsApp", None if customer is not None and customer.opted_out_at else "not opted out"


def _status_problem(told: dict[str, Any], facts: _Facts) -> str | None:
    attempt = facts.attempts.get(told.get("biz_opaque_callback_data", ""))
    if attempt is None:
        return f"{told['id']} has no attempt"
    if told["status"] == "failed":
        return None if attempt.failed_at is not None or attempt.status in _ARRIVED else attempt.id
    return None if getattr(attempt, f"{told['status']}_at") is not None else attempt.id


def _kinds(facts: _Facts, customer: Customer | None) -> set[EventKind]:
    wanted = {EventKind.CUSTOMER_REPLIED, EventKind.UNSUBSCRIBED}
    return {one.kind for one in facts.events if customer is not None and one.customer_id == customer.id} & wanted


def _shopify(raw: bytes, orders: dict[str, Order], facts: _Facts) -> Iterable[tuple[str, str | None]]:
    order = orders.get(str(json.loads(raw)["id"]))
    known = order is not None and any(
        one.kind is EventKind.ORDER_PLACED and one.customer_id == order.customer_id for one in facts.events
    )
    yield "order", None if known else str(json.loads(raw)["id"])


# --- 5: both books say the same --------------------------------------------------------------------------------------


def _books_agree(
    verdict: Verdict, stack: Stack, facts: _Facts, posts: Sequence[Posted], plan: Plan, failed: Collection[str]
) -> None:
    accepted = {one.callback_data: one for one in stack.whatsapp.books.messages}
    fates = {one.callback_data: one.fate for one in posts}
    verdict.none_of(
        "an attempt on record as accepted that the sandbox does not have",
        [
            one.id
            for one in facts.attempts.values()
            if one.accepted_at is not None and (one.id not in accepted or accepted[one.id].wamid != one.wamid)
        ],
    )
    verdict.none_of("a message that no attempt stands for", [str(key) for key in accepted if key not in facts.attempts])
    verdict.none_of(
        "a message that the sandbox has and that is on record as not sent",
        [
            f"{one.id} with {one.error_code} after {fates.get(one.id)}"
            for one in facts.attempts.values()
            if one.id in accepted and one.status is AttemptStatus.FAILED and one.id not in failed
        ],
    )
    open_ones = [
        one
        for one in facts.attempts.values()
        if one.id in accepted and one.accepted_at is None and one.failed_at is None
    ]
    reasons: Counter[str] = Counter()
    unnamed = []
    for one in open_ones:
        send = facts.sends[one.send_id]
        if plan.has(one.id, LoseStatuses) and send.state in (SendState.PARKED, SendState.UNKNOWN, SendState.IN_FLIGHT):
            reasons[f"{fates.get(one.id)}, and no status"] += 1
        else:
            unnamed.append(f"{one.id} {one.status}, its send {send.state}, by {fates.get(one.id)}")
    verdict.say("accepted messages whose outcome we do not know", len(open_ones))
    for why, count in sorted(reasons.items()):
        verdict.say(f"  by: {why}", count)
    verdict.none_of("an accepted message of unknown outcome without a fault that explains it", unnamed)
