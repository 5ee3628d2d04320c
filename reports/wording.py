"""The closed vocabularies said to a person; every word has its sentence, and a test sees to it."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from models.enums import (
    AttemptStatus,
    EnrollmentState,
    ExitReason,
    HoldReason,
    LeftOut,
    ReviewOutcome,
    SendState,
    SkipReason,
)

PURCHASED_ELSEWHERE: Final = "purchased_elsewhere"
"""How `purchased` is reported where attribution gives the order to something else."""

EXITS: Final[dict[str, str]] = {
    ExitReason.COMPLETED: "all messages were sent and the watch is over",
    ExitReason.PURCHASED: "the customer bought, and the order belongs to this journey",
    PURCHASED_ELSEWHERE: "the customer bought, but not because of this journey",
    ExitReason.CUSTOMER_REPLIED: "the customer wrote",
    ExitReason.UNSUBSCRIBED: "the customer asked to be left alone",
    ExitReason.ENTERED_PRIORITY_JOURNEY: "a journey of higher priority took the customer over",
    ExitReason.CONVERSATION_CLOSED: "the conversation was closed",
    ExitReason.MOVED_COLUMN: "the conversation was moved to another column",
    ExitReason.UNDELIVERABLE: "the number cannot be reached on WhatsApp",
    ExitReason.HOLD_EXPIRED: "a message was held for too long",
    ExitReason.REJECTED: "staff rejected the message",
    ExitReason.NO_LONGER_ELIGIBLE: "the reason for entering was gone",
    ExitReason.STOPPED_BY_STAFF: "staff stopped it for this customer",
    ExitReason.JOURNEY_STOPPED: "the whole journey was stopped",
    ExitReason.CUSTOMER_MERGED: "the customer was merged with another one",
    ExitReason.DATA_ERASED: "the customer's data was erased",
    ExitReason.FAILED: "it failed; the worker's log and `history` say more",
}

HOLDS: Final[dict[HoldReason, str]] = {
    HoldReason.HOURS: "outside the sending hours",
    HoldReason.PORTFOLIO_LIMIT: "WhatsApp's limit of new recipients in 24 hours is reached",
    HoldReason.TEMPLATE_HELD: "the template cannot be sent at present, or Meta refuses what is sent with it",
    HoldReason.SENDER_PAUSED: "the store's number is paused",
    HoldReason.CREDENTIAL: "WhatsApp or the shop refuses the store's credential",
    HoldReason.NO_CREDITS: "there are no credits left",
    HoldReason.JOURNEY_PAUSED: "the journey is paused",
    HoldReason.APPROVAL: "a person has to approve the text",
    HoldReason.META_RETRY_LATER: "Meta asked to try again later",
    HoldReason.SEND_UNKNOWN: "nobody knows yet whether the message left; it is not sent again until WhatsApp tells",
}

SKIPS: Final[dict[SkipReason, str]] = {
    SkipReason.WINDOW_CLOSED: "free text is not allowed any more and there is no template",
    SkipReason.VARIABLE_MISSING: "something that the text needs is not known of the customer",
    SkipReason.TEMPLATE_DEAD: "the template is rejected, disabled or gone",
    SkipReason.META_DECLINED: "Meta takes no marketing to this person, or to their country, at present",
    SkipReason.REQUEST_REFUSED: "Meta refuses the message as it is for this customer",
    SkipReason.HOLD_EXPIRED: "it was held for too long",
    SkipReason.SMART_SENDING: "another journey wrote to the customer recently",
    SkipReason.RECENT_ORDER: "the customer ordered recently",
    SkipReason.JOURNEY_PAUSED: "it came due while the journey was paused",
}

STATES: Final[dict[EnrollmentState, str]] = {
    EnrollmentState.STARTING: "selected, its workflow starts any moment",
    EnrollmentState.WAITING: "waits for the next message's time",
    EnrollmentState.HOLDING: "a message is due and held",
    EnrollmentState.SENDING: "a message is being sent",
    EnrollmentState.WATCHING: "all messages are out; it watches for an order or a reply",
    EnrollmentState.CLOSED: "over",
    EnrollmentState.CONTROL: "in the control group, which hears nothing",
}

SENDS: Final[dict[SendState, str]] = {
    SendState.DRAFTED: "written, not sent yet",
    SendState.IN_FLIGHT: "on its way",
    SendState.ACCEPTED: "taken by WhatsApp",
    SendState.FAILED: "not sent",
    SendState.UNKNOWN: "perhaps sent, waits for WhatsApp's word",
    SendState.PARKED: "perhaps sent, and WhatsApp has not said",
    SendState.SKIPPED: "passed over",
}

SETTLE_ADVICE: Final = (
    "look into the customer's chat in WhatsApp: if the message is there `sends settle ID --sent`, else `--not-sent`; "
    "it is never sent twice, and left alone it counts as perhaps sent"
)
"""What to do about a message of which nobody knows whether it went."""

ATTEMPTS: Final[dict[AttemptStatus, str]] = {
    AttemptStatus.CLAIMED: "about to be posted",
    AttemptStatus.ACCEPTED: "taken by WhatsApp",
    AttemptStatus.HELD_BY_META: "held by Meta for a quality check",
    AttemptStatus.SENT: "sent",
    AttemptStatus.DELIVERED: "delivered",
    AttemptStatus.READ: "read",
    AttemptStatus.FAILED: "failed",
    AttemptStatus.UNKNOWN: "perhaps sent",
}

OUTCOMES: Final[dict[str, str]] = {
    LeftOut.NO_PHONE: "there is no usable phone number, or another customer has it",
    LeftOut.NO_CONSENT: "there is no consent to marketing",
    LeftOut.UNSUBSCRIBED: "the customer asked to be left alone",
    LeftOut.SMART_SENDING: "another journey wrote to the customer recently",
    LeftOut.RECENT_ORDER: "the customer ordered recently",
    LeftOut.IN_OTHER_JOURNEY: "the customer is in another journey",
    LeftOut.FILTER_INACTIVE_DAYS: "the last order is too recent or too long ago",
    LeftOut.FILTER_LAST_ORDER_TOTAL: "the last order's amount is outside the journey's range",
    LeftOut.FILTER_COLUMN: "the conversation is in none of the journey's columns",
    LeftOut.FILTER_CLOSED: "the conversation is closed",
    LeftOut.FILTER_SILENCE: "the conversation has not been silent on the customer's side for long enough",
    LeftOut.FILTER_CART: "no cart was left behind, or not long enough ago",
    LeftOut.FILTER_CART_TOTAL: "the cart is worth less than the journey asks",
    LeftOut.FILTER_ONLY_NEW: "it began before the journey was launched for new ones only",
    LeftOut.RE_ENTRY: "the customer was in this journey already",
    LeftOut.MARKETING_NOT_DELIVERABLE: "WhatsApp delivers no marketing to this number at present",
    LeftOut.ERASED: "the customer's data was erased",
    LeftOut.LIMIT: "the launch, or the run, was limited to fewer",
    LeftOut.PACED: "waits for a later day",
    LeftOut.ALREADY_BOUGHT: "the customer bought already",
    LeftOut.ANALYSED: "the conversation was analysed up to its last message already",
    LeftOut.ANALYSED_LATELY: "the conversation was analysed less than a day before; the next run looks again",
    LeftOut.NO_TEXT: "the customer wrote no words in the time that was looked at",
    LeftOut.MAX_ATTEMPTS: "the customer had all the follow-ups that one opportunity gets",
    LeftOut.NOT_VERIFIED: "nobody could say whether the customer has bought",
    LeftOut.MOVED_ON: "somebody has written since the conversation was analysed",
    "entered": "entered",
    "control": "held out as control",
}


REVIEWS: Final[dict[ReviewOutcome, str]] = {
    ReviewOutcome.WAITING: "waits for the model",
    ReviewOutcome.LEFT_OUT: "left out",
    ReviewOutcome.NOT_DETECTED: "no open sale, or not enough intent",
    ReviewOutcome.OPTED_OUT: "the customer asked to be left alone",
    ReviewOutcome.UNREADABLE: "the model gave no usable answer",
    ReviewOutcome.DETECTED: "an open sale, not followed up yet",
    ReviewOutcome.BOUGHT: "the customer had bought",
    ReviewOutcome.REPORTED: "told to the store's own systems",
    ReviewOutcome.ENROLLED: "enrolled for a follow-up",
    ReviewOutcome.CONTROL: "held out as control",
}


def outcome_words(outcome: str) -> str:
    """An entry decision's outcome as a sentence."""
    return OUTCOMES.get(outcome, outcome)


def exit_word(reason: ExitReason, *, elsewhere: bool) -> str:
    """The exit reason as it is reported, purchases split by attribution."""
    return PURCHASED_ELSEWHERE if reason is ExitReason.PURCHASED and elsewhere else reason.value


def local_time(at: datetime, zone: ZoneInfo) -> str:
    """A moment for a person: the store's clock, then UTC."""
    return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M} {zone.key} ({at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"
