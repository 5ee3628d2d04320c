"""One enrollment told: where it stands, what comes next, every message and everything that happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttributedBy, EnrollmentState, EventKind, ExitReason, HoldReason, JourneyKind, SkipReason
from models.money import Money
from models.tables import CustomerEvent, Enrollment, Number, Order, Send, SendAttempt, Template
from policies.whatsapp_reactions import explain
from reports.documents import (
    Amount,
    AttemptView,
    CartView,
    ConversationView,
    EnrollmentView,
    ExitView,
    HoldView,
    MessageView,
    NextAction,
    OrderView,
    PacedView,
    TimelineLine,
)
from reports.fates import fate_of
from reports.holds import hold_words
from reports.wording import (
    ATTEMPTS,
    EXITS,
    HOLDS,
    SKIPS,
    STATES,
    exit_word,
    local_time,
)
from storage.approvals import approval_id, is_waiting
from storage.diagnosis import PacedPlace
from storage.enrollments import RESTARTED
from storage.lookup import Passage, texts_of
from storage.settling import UNSETTLED
from storage.stores import StoreParts, required_id
from storage.subjects import Subject
from storage.templates import templates_of

Templates = Mapping[tuple[str, str], Template]

_EVENTS = {
    EventKind.CUSTOMER_REPLIED: "the customer wrote",
    EventKind.ORDER_PLACED: "the customer ordered",
    EventKind.UNSUBSCRIBED: "the customer asked to be left alone",
    EventKind.PRIORITY_JOURNEY_ENTERED: "a journey of higher priority took over",
    EventKind.CONVERSATION_CHANGED: "the conversation was closed or moved",
    EventKind.STOP: "it was told to stop",
    EventKind.ORDER_CANCELLED: "an order was cancelled",
}

_SAID_BY_EXIT = frozenset({EventKind.STOP, EventKind.CONVERSATION_CHANGED})


async def templates_by_name(session: AsyncSession, parts: StoreParts) -> dict[tuple[str, str], Template]:
    """The mirror of the store's templates, by name and language."""
    return {(one.name, one.language): one for one in await templates_of(session, parts.number.waba_id)}


async def texts_heard(session: AsyncSession, story: Sequence[Passage]) -> dict[int, str]:
    """What the customer wrote during these passages, by event."""
    heard = [event for one in story for event in one.events if event.kind is EventKind.CUSTOMER_REPLIED]
    return await texts_of(session, heard)


def paced_views(places: Sequence[PacedPlace], names: Mapping[int, str]) -> list[PacedView]:
    """The later days that a customer waits for; `names` are the journeys'."""
    return [
        PacedView(journey=names[one.row.journey_id], day=one.row.day, before=one.before)
        for one in places
        if one.row.journey_id in names
    ]


def enrollment_view(
    passage: Passage,
    templates: Templates,
    texts: Mapping[int, str],
    zone: ZoneInfo,
    *,
    number: Number | None = None,
    now: datetime | None = None,
) -> EnrollmentView:
    """The enrollment as a document.

    Args:
        templates: the mirror, by name and language.
        texts: what the customer wrote, by event.
        zone: the store's, for local times.
        number: the store's, to say why it does not send.
        now: the time, with a number.
    """
    enrollment = passage.enrollment
    stages = len(passage.definition.stages)
    return EnrollmentView(
        workflow_id=enrollment.id,
        journey=passage.journey.name,
        kind=passage.journey.kind,
        version=passage.version,
        state=enrollment.state,
        stage=enrollment.stage + 1 if enrollment.stage < stages else None,
        stages=stages,
        entered_at=enrollment.entered_at,
        next_action=_next_action(passage, zone),
        hold=_hold(passage, hold_words(passage, templates, number, now)),
        exit=_exit(passage),
        conversation=_conversation(passage.subject),
        cart=_cart(passage.subject),
        messages=[_message(passage, send, templates, zone) for send in passage.sends],
        orders=[_order(order, enrollment) for order in passage.orders],
        timeline=_timeline(passage, texts),
    )


def _number(passage: Passage, stage: int) -> str:
    return f"{'follow-up' if passage.journey.kind is JourneyKind.FOLLOW_UP else 'message'} {stage + 1}"


def _conversation(subject: Subject) -> ConversationView | None:
    one = subject.conversation
    if one is None:
        return None
    return ConversationView(column=one.board_column, is_open=one.is_open, silent_since=one.silent_since)


def _cart(subject: Subject) -> CartView | None:
    one = subject.checkout
    if one is None:
        return None
    total = Amount.of(Money(one.total_minor, one.currency))
    return CartView(total=total, idle_since=one.idle_since, completed_at=one.completed_at)


def _next_action(passage: Passage, zone: ZoneInfo) -> NextAction | None:
    enrollment, stages = passage.enrollment, len(passage.definition.stages)
    number = f"{_number(passage, enrollment.stage)} of {stages}"
    match enrollment.state:
        case EnrollmentState.CLOSED:
            return None
        case EnrollmentState.CONTROL:
            return _action("it stays in the control group until then", enrollment.horizon_at, zone)
        case EnrollmentState.WATCHING:
            return _action("the watch ends", enrollment.due_at, zone)
        case EnrollmentState.HOLDING if enrollment.hold_reason is HoldReason.APPROVAL:
            return _undecided(passage, number, zone)
        case EnrollmentState.HOLDING if enrollment.due_at is None:
            return _action(f"{number} goes when what it waits for has come", None, zone)
        case EnrollmentState.HOLDING:
            return _action(f"{number} is tried again", enrollment.due_at, zone)
        case EnrollmentState.STARTING | EnrollmentState.WAITING | EnrollmentState.SENDING:
            return _action(f"{number} is due", enrollment.due_at, zone)


def _undecided(passage: Passage, number: str, zone: ZoneInfo) -> NextAction:
    until = passage.enrollment.due_at
    if until is None:  # it waits since before there was an end to it
        return _action(f"{number} goes when somebody approves it", None, zone)
    ends = "the journey ends" if passage.definition.sending.on_expire == "exit" else f"{number} is passed over"
    return _action(f"{ends} unless somebody approves it", until, zone)


def _action(text: str, at: datetime | None, zone: ZoneInfo) -> NextAction:
    return NextAction(text=text, at=at, at_local=local_time(at, zone) if at is not None else None)


def _hold(passage: Passage, text: str) -> HoldView | None:
    enrollment = passage.enrollment
    if enrollment.hold_reason is None:
        return None
    return HoldView(reason=enrollment.hold_reason, text=text, until=enrollment.due_at)


def _exit(passage: Passage) -> ExitView | None:
    enrollment = passage.enrollment
    if enrollment.exit_reason is None:
        return None
    word = exit_word(enrollment.exit_reason, elsewhere=passage.bought_elsewhere)
    event = next((event for event in passage.events if event.id == enrollment.exit_event_id), None)
    return ExitView(
        reason=word,
        text=EXITS[word],
        at=enrollment.closed_at,
        event=event.kind.value if event is not None else None,
        event_at=event.occurred_at if event is not None else None,
    )


# --- messages --------------------------------------------------------------------------------------------------------


def _message(passage: Passage, send: Send, templates: Templates, zone: ZoneInfo) -> MessageView:
    attempts = passage.attempts.get(send.id or 0, [])
    fate = fate_of(send, attempts, zone)
    return MessageView(
        send_id=required_id(send.id),
        stage=send.stage + 1,
        can_settle=send.state in UNSETTLED,
        approval_id=approval_id(send) if is_waiting(passage.enrollment, send) else None,
        state=send.state,
        template=send.template_name,
        language=send.template_language,
        text=shown_text(send, attempts, templates),
        coupon_code=send.coupon_code,
        written_by=send.written_by,
        skip_reason=send.skip_reason,
        fate=fate.text,
        advice=fate.advice,
        attempts=[_attempt(attempt) for attempt in attempts],
    )


def shown_text(send: Send, attempts: Sequence[SendAttempt], templates: Templates) -> str | None:
    """The free text where that went out, else the template with its variables filled."""
    if send.free_text is not None and (not attempts or not attempts[-1].used_template):
        return send.free_text
    return filled_template(send, templates)


def filled_template(send: Send, templates: Templates) -> str | None:
    """The template with its variables filled; the variables alone where we do not know it, None where there is none."""
    template = templates.get((send.template_name or "", send.template_language or ""))
    if template is None:
        return " / ".join(send.parameters.values()) or None
    text = template.body
    for name, value in send.parameters.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _attempt(attempt: SendAttempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        status=attempt.status,
        error_code=attempt.error_code,
        error_text=explain(attempt.error_code) if attempt.error_code is not None else None,
        claimed_at=attempt.claimed_at,
        accepted_at=attempt.accepted_at,
        sent_at=attempt.sent_at,
        delivered_at=attempt.delivered_at,
        read_at=attempt.read_at,
        failed_at=attempt.failed_at,
        settled_by=attempt.settled_by,
        settled_by_at=attempt.settled_by_at,
    )


def _order(order: Order, enrollment: Enrollment) -> OrderView:
    return OrderView(
        order_id=order.external_id,
        ordered_at=order.ordered_at,
        total=Amount.of(Money(order.total_minor, order.currency)),
        attributed_by=order.attributed_by,
        attributed_here=order.attributed_enrollment_id == enrollment.id,
    )


# --- the story -------------------------------------------------------------------------------------------------------


def _timeline(passage: Passage, texts: Mapping[int, str]) -> list[TimelineLine]:
    enrollment = passage.enrollment
    lines = [TimelineLine(at=enrollment.selected_at, what="selected", text="passed every entry rule")]
    if enrollment.state is EnrollmentState.CONTROL:
        lines.append(TimelineLine(at=enrollment.entered_at, what="control", text=STATES[EnrollmentState.CONTROL]))
    else:
        lines.append(TimelineLine(at=enrollment.entered_at, what="entered", text=f"version {passage.version}"))
    analysis = passage.subject.analysis
    if analysis is not None and analysis.answered_at is not None and analysis.intent is not None:
        text = f"the review found {analysis.intent.value} intent and no order; follow-up {analysis.attempt or 1}"
        lines.append(TimelineLine(at=analysis.answered_at, what="analysed", text=text))
    for send in passage.sends:
        for attempt in passage.attempts.get(send.id or 0, []):
            lines += _attempt_lines(_number(passage, send.stage), attempt)
    for note in passage.notes:
        number = f"{_number(passage, note.stage)}: " if note.stage is not None else ""
        lines.append(TimelineLine(at=note.at, what=note.what, text=f"{number}{_note_words(note.what, note.reason)}"))
    lines += [_event_line(event, passage, texts) for event in passage.events]
    told = _exit(passage)
    if told is not None and told.at is not None:
        lines.append(TimelineLine(at=told.at, what="exit", text=f"{told.reason}: {told.text}"))
    return sorted(lines, key=lambda line: line.at)


def _attempt_lines(number: str, attempt: SendAttempt) -> list[TimelineLine]:
    number += f", attempt {attempt.number}" if attempt.number > 1 else ""
    moments = (
        ("accepted", attempt.accepted_at, "taken by WhatsApp"),
        ("delivered", attempt.delivered_at, "delivered"),
        ("read", attempt.read_at, "read"),
    )
    lines = [TimelineLine(at=at, what=what, text=f"{number}: {words}") for what, at, words in moments if at is not None]
    if attempt.failed_at is not None:
        code = f"code {attempt.error_code}: " if attempt.error_code is not None else ""
        text = f"{number}: {code}{explain(attempt.error_code)}"
        lines.append(TimelineLine(at=attempt.failed_at, what="failed", text=text))
    if attempt.settled_by is not None and attempt.settled_by_at is not None:
        text = f"{number}: {attempt.settled_by} said what became of it"
        lines.append(TimelineLine(at=attempt.settled_by_at, what="settled", text=text))
    if not lines:
        lines.append(TimelineLine(at=attempt.claimed_at, what="claimed", text=f"{number}: {ATTEMPTS[attempt.status]}"))
    return lines


def _note_words(what: str, reason: str | None) -> str:
    if what == "holding" and reason in set(HoldReason):
        return f"held, {HOLDS[HoldReason(reason)]}"
    if what == "skipped" and reason in set(SkipReason):
        return f"passed over, {SKIPS[SkipReason(reason)]}"
    if what == RESTARTED:
        return "the delay begins again, because our side has written"
    return EXITS.get(reason or "", (reason or what).replace("_", " "))


def _event_line(event: CustomerEvent, passage: Passage, texts: Mapping[int, str]) -> TimelineLine:
    text = _EVENTS[event.kind]
    wrote = texts.get(required_id(event.id))
    if wrote is not None:
        text += f": {wrote}"
    order = next((order for order in passage.orders if order.id == event.order_id), None)
    if order is not None:
        text += f": {order.external_id}, {Money(order.total_minor, order.currency)}, {_credit(order, passage)}"
    if event.kind in _SAID_BY_EXIT and event.exit_reason is not None:
        text = EXITS[ExitReason(event.exit_reason)]
    if event.detail is not None:
        text += f": {event.detail}"
    return TimelineLine(at=event.occurred_at, what=event.kind.value, text=text)


def _credit(order: Order, passage: Passage) -> str:
    if order.attributed_enrollment_id != passage.enrollment.id:
        return "not this journey's"
    return "by its coupon" if order.attributed_by is AttributedBy.COUPON else "within days of its message"
