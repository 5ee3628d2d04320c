"""The answer for somebody who is, or was, in a journey: where they are in it, what keeps them, how it ended."""

from collections.abc import Iterator
from typing import Final, assert_never

from models.enums import (
    AnswerCode,
    EnrollmentState,
    EventKind,
    ExitReason,
    HoldReason,
    JourneyKind,
    JourneyState,
    SkipReason,
)
from models.tables import CustomerEvent, Send
from reports.cases import Answer, Case
from reports.fates import Fate, fate_of
from reports.holds import hold_words
from reports.pauses import pause_advice, paused_words
from reports.wording import EXITS, PURCHASED_ELSEWHERE, SKIPS, exit_word
from storage.approvals import approval_id
from storage.lookup import Passage

_HOLDS: Final[dict[HoldReason, str | None]] = {
    HoldReason.HOURS: None,
    HoldReason.PORTFOLIO_LIMIT: "places come free as the 24 hours pass; send less a day, or wait until Meta raises the "
    "limit",
    HoldReason.TEMPLATE_HELD: "`templates` says what each template waits for; it goes on by itself then",
    HoldReason.SENDER_PAUSED: "mend the account at Meta (`doctor` names what is wrong); it goes on by itself then",
    HoldReason.CREDENTIAL: "store a valid token: `store add --replace`, then `store check`",
    HoldReason.NO_CREDITS: "pay in: `credits add`; it goes on by itself then",
    HoldReason.JOURNEY_PAUSED: "{pause}",
    HoldReason.APPROVAL: "decide: `approve {approval}`, or `reject {approval}`",
    HoldReason.META_RETRY_LATER: None,
    HoldReason.SEND_UNKNOWN: "`sends list` names it; `sends settle ID --sent` or `--not-sent` says what became of it",
}

_ENDS: Final[dict[str, str | None]] = {
    ExitReason.COMPLETED: None,
    ExitReason.PURCHASED: None,
    PURCHASED_ELSEWHERE: None,
    ExitReason.CUSTOMER_REPLIED: "answer in the chat; a journey stays away from whoever talks to you",
    ExitReason.UNSUBSCRIBED: "leave the customer alone; a new consent in the shop lets them be written to again",
    ExitReason.ENTERED_PRIORITY_JOURNEY: "the other journey writes to them now: `status PHONE`",
    ExitReason.CONVERSATION_CLOSED: None,
    ExitReason.MOVED_COLUMN: None,
    ExitReason.UNDELIVERABLE: "check the customer's number in the shop; a corrected one is heard of by itself",
    ExitReason.HOLD_EXPIRED: "`hold_for` in the journey file is how long a message waits",
    ExitReason.REJECTED: None,
    ExitReason.NO_LONGER_ELIGIBLE: None,
    ExitReason.STOPPED_BY_STAFF: None,
    ExitReason.JOURNEY_STOPPED: "to go on for new entrants: `launch` the file again",
    ExitReason.CUSTOMER_MERGED: "the customer that they were merged into is asked about instead",
    ExitReason.DATA_ERASED: None,
    ExitReason.FAILED: "`history WORKFLOW_ID` and the worker's log say what failed; tell an engineer",
}

_EVENTS: Final[dict[EventKind, str]] = {
    EventKind.CUSTOMER_REPLIED: "they wrote",
    EventKind.ORDER_PLACED: "they ordered",
    EventKind.UNSUBSCRIBED: "they asked to be left alone",
    EventKind.PRIORITY_JOURNEY_ENTERED: "another journey took over",
    EventKind.CONVERSATION_CHANGED: "their conversation was closed or moved",
    EventKind.STOP: "it was stopped",
    EventKind.ORDER_CANCELLED: "an order was cancelled",
}

_TOLD_BY: Final[dict[str, str]] = {
    "whatsapp": "told by WhatsApp",
    "shopify": "told by the shop",
    "shopify_check": "found when the shop was asked before a message",
    "reconciliation": "found in the hourly look at the shop's orders",
    "chat_tool": "told by the chat tool",
    "external": "told by another system through the API",
    "conversation": "from the state of the conversation",
    "staff": "by staff, at the command line or through the API",
    "operator": "by staff, for the customer",
    "stop_word": "by a stop word in the chat",
    "whatsapp_preference": "in WhatsApp's own settings",
    "whatsapp_refusal": "WhatsApp refused a message for it",
    "consent_withdrawn": "consent was withdrawn in the shop",
    "conversation_review": "found by the daily review in what they wrote",
    "entry": "when they entered it",
    "merge": "two customers turned out to be one",
    "erasure": "their data was to be erased",
}


def inside(case: Case, passage: Passage) -> Answer:
    """The answer for a passage that is open."""
    enrollment = passage.enrollment
    state = enrollment.state
    match state:
        case EnrollmentState.CONTROL:
            return control(case, passage)
        case EnrollmentState.HOLDING:
            return _held(case, passage)
        case EnrollmentState.STARTING | EnrollmentState.WAITING | EnrollmentState.SENDING:
            return _on_the_way(case, passage)
        case EnrollmentState.WATCHING:
            return _all_out(case, passage)
        case EnrollmentState.CLOSED:
            return ended(case, passage)
        case _:
            assert_never(state)


def control(case: Case, passage: Passage) -> Answer:
    """The answer for somebody who is held out, or was."""
    enrollment = passage.enrollment
    until = enrollment.horizon_at
    is_open = enrollment.state is EnrollmentState.CONTROL and (until is None or until > case.now)
    end = f" until {case.local(until)}" if until is not None else ""
    text = (
        f"Held out{end}, by the draw and on purpose: the control group of {case.name} hears nothing, so that what the "
        f"journey brings can be measured."
    )
    if not is_open:
        text = f"Was held out{end}, by the draw and on purpose: the control group of {case.name} hears nothing."
    return Answer(AnswerCode.CONTROL, text, enrollment.entered_at, until, "nothing to do; nobody may be let in by hand")


def ended(case: Case, passage: Passage) -> Answer:
    """The answer for a passage that is over."""
    enrollment = passage.enrollment
    if enrollment.control:
        return control(case, passage)
    closed_at = enrollment.closed_at or enrollment.entered_at
    word = exit_word(enrollment.exit_reason or ExitReason.FAILED, elsewhere=passage.bought_elsewhere)
    event = next((one for one in passage.events if one.id == enrollment.exit_event_id), None)
    text = f"Was in it ({_version(passage)}) from {case.local(enrollment.entered_at)}, and it ended "
    text += f"{case.local(closed_at)} with {word}: {EXITS[word]}."
    advice = _ENDS[word]
    answer = Answer(AnswerCode.EXITED, text, closed_at, None, advice)
    return answer.and_also(_event(case, event), *_messages(case, passage), _unsent(passage))


def _held(case: Case, passage: Passage) -> Answer:
    enrollment = passage.enrollment
    reason = enrollment.hold_reason or HoldReason.HOURS
    number = stage_words(case, passage, enrollment.stage)
    since = next((note.at for note in reversed(passage.notes) if note.what == "holding"), enrollment.stage_due_at)
    text = f"In it ({_version(passage)}): {number} is due"
    text += f" since {case.local(enrollment.stage_due_at)}" if enrollment.stage_due_at is not None else ""
    text += f" and held, {hold_words(passage, case.templates, case.number, case.now).rstrip('.')}."
    until = enrollment.due_at
    if reason is HoldReason.APPROVAL:
        exits = passage.definition.sending.on_expire == "exit"
        then = "the journey ends" if exits else "it is passed over"
        text += f" Unless somebody approves it by {case.local(until)}, {then}." if until is not None else ""
    elif until is not None:
        text += f" It is tried again {case.local(until)}."
    else:
        text += " It goes as soon as that is over."
    advice = _HOLDS[reason]
    if advice is not None:
        send = next((one for one in reversed(passage.sends) if one.stage == enrollment.stage), None)
        advice = advice.format(
            pause=pause_advice(case.asked.journey), approval=approval_id(send) if send is not None else "ID"
        )
    return Answer(AnswerCode.HELD, text, since, until, advice).and_also(*_messages(case, passage))


def _on_the_way(case: Case, passage: Passage) -> Answer:
    enrollment = passage.enrollment
    number = stage_words(case, passage, enrollment.stage)
    due = enrollment.due_at
    if enrollment.state is EnrollmentState.SENDING:
        what = f"{number} is being sent"
    elif due is None:
        what = f"{number} comes next"
    elif due <= case.now:
        what = f"{number} was due {case.local(due)} and is about to go"
    else:
        what = f"{number} is due {case.local(due)}"
    text = f"In it ({_version(passage)}) since {case.local(enrollment.entered_at)}: {what}."
    answer = Answer(AnswerCode.ENTERED, text, enrollment.entered_at, due)
    return answer.and_also(*_messages(case, passage), _journey_stands(case))


def _all_out(case: Case, passage: Passage) -> Answer:
    enrollment = passage.enrollment
    stages = len(passage.definition.stages)
    last = _last(passage, stages - 1)
    fate = _fate(case, passage, last) if last is not None else _skipped_unwritten(passage, stages - 1)
    number = stage_words(case, passage, stages - 1)
    text = f"In it ({_version(passage)}): {number} {fate.text}."
    watch = f"It watches for an order or a reply until {case.local(enrollment.due_at)}." if enrollment.due_at else None
    answer = Answer(fate.code, text, fate.at or enrollment.entered_at, enrollment.due_at, fate.advice)
    return answer.and_also(*_messages(case, passage, but_for=stages - 1), watch)


def _skipped_unwritten(passage: Passage, stage: int) -> Fate:
    note = next((one for one in reversed(passage.notes) if one.what == "skipped" and one.stage == stage), None)
    why = f" ({SKIPS[SkipReason(note.reason)]})" if note is not None and note.reason in set(SkipReason) else ""
    return Fate(AnswerCode.SKIPPED, f"was passed over{why}", at=note.at if note is not None else None)


def _messages(case: Case, passage: Passage, *, but_for: int | None = None) -> Iterator[str]:
    """A sentence for each stage's message that something became of."""
    for stage in range(len(passage.definition.stages)):
        send = _last(passage, stage)
        if stage == but_for or send is None:
            continue
        fate = _fate(case, passage, send)
        if fate.code is not AnswerCode.ENTERED:
            yield f"{stage_words(case, passage, stage).capitalize()} {fate.text}."


def _unsent(passage: Passage) -> str | None:
    tried = any(send.attempt > 0 for send in passage.sends)
    return None if tried else "No message had gone out."


def _fate(case: Case, passage: Passage, send: Send) -> Fate:
    return fate_of(send, passage.attempts.get(send.id or 0, []), case.zone)


def _last(passage: Passage, stage: int) -> Send | None:
    return next((one for one in reversed(passage.sends) if one.stage == stage), None)


def _event(case: Case, event: CustomerEvent | None) -> str | None:
    if event is None:
        return None
    told = _TOLD_BY.get(event.source, f"told by {event.source.replace('_', ' ')}")
    detail = f" ({event.detail})" if event.detail is not None else ""
    return f"What ended it: {_EVENTS[event.kind]}{detail} {case.local(event.occurred_at)}, {told}."


def _version(passage: Passage) -> str:
    return f"version {passage.version}"


def stage_words(case: Case, passage: Passage, stage: int) -> str:
    """How a stage's message is called."""
    stages = len(passage.definition.stages)
    return f"{'follow-up' if case.kind is JourneyKind.FOLLOW_UP else 'message'} {stage + 1} of {stages}"


def _journey_stands(case: Case) -> str | None:
    journey = case.asked.journey
    if journey.state is not JourneyState.PAUSED:
        return None
    return f"The journey is paused ({paused_words(journey)}): what comes due is held."
