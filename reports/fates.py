"""What became of one message, in a sentence: whether it reached the customer, and if not what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from models.enums import AnswerCode, AttemptStatus, SendState, SkipReason
from models.tables import Send, SendAttempt
from policies.whatsapp_reactions import Reaction, explain, reaction_for
from reports.wording import SETTLE_ADVICE, SKIPS, local_time

_NEVER_DELIVERED: Final = (
    "there is no fault to mend here: a phone that is switched off, without WhatsApp or long out of reach shows this; "
    "look into the chat in WhatsApp, and reach the customer in another way if it is urgent"
)
_FAILURES: Final[dict[Reaction, str | None]] = {
    Reaction.RETRY_SOON: None,
    Reaction.RETRY_24H: "nothing to do; other people's messages go on",
    Reaction.WINDOW_CLOSED: "give the message a template beside its text, then `publish`",
    Reaction.RECIPIENT_OPTOUT: "leave the customer alone; a new consent in the shop lets them be written to again",
    Reaction.RECIPIENT_PERMANENT: "check the customer's number in the shop; a corrected one is heard of by itself",
    Reaction.RECIPIENT_COOLDOWN: "nothing to do; other people's messages go on",
    Reaction.TEMPLATE_HELD: "`templates` shows the template and what it waits for",
    Reaction.TEMPLATE_DEAD: "`publish` with another template; `templates substitute OLD NEW` keeps running ones going",
    Reaction.REQUEST_BUG: "mend what Meta names, then `templates unblock NAME`",
    Reaction.SENDER_PAUSED: "mend the account at Meta; `doctor` names what is wrong",
    Reaction.COUNTRY_BLOCKED: "when Meta has lifted it: `store allow-country`",
    Reaction.CREDENTIAL_FATAL: "store a valid token: `store add --replace`, then `store check`",
    Reaction.UNKNOWN_OUTCOME: SETTLE_ADVICE,
}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a message.

    Attributes:
        code: the answer that it is, where it is the last word.
        text: without whose message it is.
        advice: what to do about it; None where nothing has to be done.
        at: when that was.
    """

    code: AnswerCode
    text: str
    advice: str | None = None
    at: datetime | None = None


def fate_of(send: Send, attempts: Sequence[SendAttempt], zone: ZoneInfo) -> Fate:
    """What became of the message, by its last attempt."""
    last = attempts[-1] if attempts else None
    match send.state:
        case SendState.SKIPPED:
            return _skipped(send, last)
        case SendState.FAILED:
            return _failed("WhatsApp refused it", last, send.settled_at, zone)
        case SendState.PARKED if send.received_at is None:
            return _unknown(last, zone)
        case SendState.UNKNOWN:
            return _unknown(last, zone)
        case SendState.ACCEPTED | SendState.PARKED:
            return _taken(send, last, zone)
        case SendState.IN_FLIGHT:
            return Fate(AnswerCode.ENTERED, "is on its way to WhatsApp", at=last.claimed_at if last else None)
        case SendState.DRAFTED:
            return Fate(AnswerCode.ENTERED, "is written and not sent yet", at=send.drafted_at)
        case _:
            assert_never(send.state)


def _skipped(send: Send, last: SendAttempt | None) -> Fate:
    reason = send.skip_reason
    text = f"was passed over ({SKIPS[reason]})" if reason is not None else "was passed over"
    if last is not None and last.error_code is not None:
        text += f", after code {last.error_code}: {_sentence(explain(last.error_code))}"
    return Fate(AnswerCode.SKIPPED, text, _SKIPPED[reason] if reason is not None else None, send.settled_at)


_SKIPPED: Final[dict[SkipReason, str | None]] = {
    SkipReason.WINDOW_CLOSED: "give the message a template beside its text, then `publish`",
    SkipReason.VARIABLE_MISSING: "fill what is missing in the shop, or give the variable another word: "
    "`{customer.first_name|friend}`",
    SkipReason.TEMPLATE_DEAD: _FAILURES[Reaction.TEMPLATE_DEAD],
    SkipReason.META_DECLINED: "nothing to do; other people's messages go on",
    SkipReason.REQUEST_REFUSED: "mend the value that Meta refuses; the next message goes as planned",
    SkipReason.HOLD_EXPIRED: "`hold_for` in the journey file is how long a message waits",
    SkipReason.SMART_SENDING: "that is the journey's own rule: `smart_sending_days`",
    SkipReason.RECENT_ORDER: "that is the journey's own rule: `recent_order_days`",
    SkipReason.JOURNEY_PAUSED: "it was resumed with `--missed skip`",
}


def _taken(send: Send, last: SendAttempt | None, zone: ZoneInfo) -> Fate:
    if last is None:
        return Fate(AnswerCode.SENT, "was taken by WhatsApp", at=send.settled_at)
    taken_at = last.accepted_at or send.settled_at or last.claimed_at
    match last.status:
        case AttemptStatus.READ:
            at = last.read_at or taken_at
            return Fate(AnswerCode.SENT, f"was read {local_time(at, zone)}", at=at)
        case AttemptStatus.DELIVERED:
            at = last.delivered_at or taken_at
            return Fate(AnswerCode.SENT, f"was delivered {local_time(at, zone)}", at=at)
        case AttemptStatus.FAILED:
            return _failed("WhatsApp took it and then reported it as failed", last, last.failed_at, zone)
        case AttemptStatus.UNKNOWN | AttemptStatus.CLAIMED if send.received_at is None:
            return _unknown(last, zone)
        case _ if send.received_at is not None:
            who = f", by the word of {last.settled_by}" if last.settled_by is not None else ""
            return Fate(AnswerCode.SENT, f"was sent {local_time(send.received_at, zone)}{who}", at=send.received_at)
        case AttemptStatus.HELD_BY_META:
            text = f"was taken by WhatsApp {local_time(taken_at, zone)}, and Meta holds it for a check of its quality"
            return Fate(AnswerCode.NOT_DELIVERED, text, "nothing to do; Meta lets it go or reports it", taken_at)
        case _:
            text = f"was taken by WhatsApp {local_time(taken_at, zone)}, which has never said that it was delivered"
            return Fate(AnswerCode.NOT_DELIVERED, text, _NEVER_DELIVERED, taken_at)


def _failed(how: str, last: SendAttempt | None, at: datetime | None, zone: ZoneInfo) -> Fate:
    code = last.error_code if last is not None else None
    at = (last.failed_at if last is not None else None) or at
    when = f" {local_time(at, zone)}" if at is not None else ""
    if code is None:
        return Fate(AnswerCode.FAILED, f"was not sent: {how}{when}", None, at)
    text = f"was not sent: {how}{when} with code {code}. {_sentence(explain(code))}"
    return Fate(AnswerCode.FAILED, text, _FAILURES[reaction_for(code, None, 0, is_transient=False)], at)


def _unknown(last: SendAttempt | None, zone: ZoneInfo) -> Fate:
    when = f" {local_time(last.claimed_at, zone)}" if last is not None else ""
    text = f"was posted{when} and no answer came: nobody knows whether it went, and it is never sent again"
    return Fate(AnswerCode.POSSIBLY_SENT, text, SETTLE_ADVICE, last.claimed_at if last is not None else None)


def _sentence(text: str) -> str:
    return text.rstrip(".")
