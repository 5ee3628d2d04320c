"""What a store's people are written about its events: what happened, what it means, what to do."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from models.enums import PauseCause, StoreEventKind
from providers.mail import Mail
from storage.mails import DueMail

_WHAT_TO_DO: Final[dict[PauseCause, str]] = {
    PauseCause.STAFF: "Nothing is sent until somebody runs `starter.py resume {journey}`.",
    PauseCause.STOP_LOSS: (
        "Too many of its last messages failed or made customers opt out, so it stopped by itself before it did more "
        "harm. Look at `starter.py journeys` and at the messages, mend what is wrong, then run\n"
        "`starter.py resume {journey}` (or with `--missed skip` to leave out what came due meanwhile)."
    ),
    PauseCause.SHOP_DISCONNECTED: (
        "The shop refuses us, or has removed the app. Install the app again, or store a new token with\n"
        "`starter.py store add {store} --replace`; it goes on by itself when the shop answers."
    ),
    PauseCause.CREDENTIAL_REFUSED: (
        "WhatsApp refuses the stored access token. Store a new one with `starter.py store add {store} --replace`;\n"
        "it goes on by itself when WhatsApp takes it."
    ),
    PauseCause.PAYMENT_PROBLEM: (
        "Meta does not accept the account's payment. Mend the payment method in Meta's billing settings;\n"
        "it goes on by itself after that."
    ),
}


def mail_about(due: DueMail, store: str) -> Mail:
    """The mail about an event; codes, names and figures only, since no event knows of a customer."""
    journeys = due.detail.get("journeys")
    named = due.journey or (", ".join(map(str, journeys)) if isinstance(journeys, list) else None)
    what, paragraphs = _told(due, store, named or "the journey")
    subject = f"[{store}] {named}: {what}" if named else f"[{store}] {what}"
    about = [f"Store: {store}", f"When: {due.at:%Y-%m-%d %H:%M} UTC"]
    about += [f"Journey: {named}"] if named else []
    about += [f"Number: {due.number}"] if due.number else []
    about += _figures(due.detail)
    body = "\n\n".join([f"{subject}.", *paragraphs, "\n".join(about), "Rekindle wrote this by itself."])
    return Mail(key=f"event-{due.event_id}.{due.at:%Y%m%d%H%M%S}", subject=_one_line(subject), body=f"{body}\n")


def _told(due: DueMail, store: str, journey: str) -> tuple[str, list[str]]:
    """The event in a few words, and what to do about it."""
    match due.kind:
        case StoreEventKind.JOURNEY_PENDING:
            return "waits for its templates", ["It goes live by itself when WhatsApp has approved all of them."]
        case StoreEventKind.JOURNEY_LIVE:
            return "is live", ["All its templates are approved. Whoever qualifies today enters now; nothing is to do."]
        case StoreEventKind.JOURNEY_PAUSED:
            cause = _cause(due.detail)
            return f"is paused ({cause.value})", [_WHAT_TO_DO[cause].format(journey=journey, store=store)]
        case StoreEventKind.JOURNEY_RESUMED:
            return "sends again", ["What paused it is mended. Whoever was due is written to within the sending hours."]
        case StoreEventKind.TEMPLATE_STATUS_CHANGED:
            return "a template's status has changed", [
                "`starter.py templates` lists what can be sent; `starter.py doctor` says which journeys need it."
            ]
        case StoreEventKind.TEMPLATE_BLOCKED:
            return "WhatsApp refuses a message, and nobody else is sent it", [
                "Compare the journey's variables with the template at Meta; `starter.py doctor` lists what is blocked."
            ]
        case StoreEventKind.NUMBER_QUALITY_CHANGED:
            return "the number's quality has changed", [
                "A red number sends no marketing until it is better; a yellow one sends half as much.",
                "Customers have blocked or reported its messages: write to fewer of them, and less often.",
            ]
        case StoreEventKind.SENDER_PAUSED:
            return "the number may not send at present", [
                "`starter.py store check` says what Meta tells of it; what waits goes by itself when it may send again."
            ]
        case StoreEventKind.CREDENTIAL_REFUSED:
            return "a stored credential is refused", [
                f"Store a new one with `starter.py store add {store} --replace`, then run `starter.py store check`."
            ]
        case StoreEventKind.CREDITS_EXHAUSTED:
            return "there are no credits left", [
                "Nothing is written or sent until some are added (`starter.py credits`); then it goes on by itself."
            ]
        case StoreEventKind.WEBHOOK_DISABLED:
            return "a webhook endpoint is disabled", [
                "It took nothing for a day, or says that it is gone, so it is told of nothing more. Mend it, then run",
                "`starter.py webhooks enable ID`; `starter.py webhooks deliveries --failed` lists what it has missed.",
            ]
        case StoreEventKind.RUN_STOPPED:
            return "a review of conversations was stopped", [
                "It sends nothing more; `starter.py runs` says how far it came and why it ended.",
                "Mend the cause: the next run looks at everything that this one has not come to.",
            ]
        case _:
            assert_never(due.kind)


def _cause(detail: Mapping[str, Any]) -> PauseCause:
    told = str(detail.get("cause"))
    return PauseCause(told) if told in set(PauseCause) else PauseCause.STAFF


def _figures(detail: Mapping[str, Any]) -> list[str]:
    """Everything else that the event says, one line each."""
    lines = []
    for key, value in detail.items():
        if key == "journeys" or value is None:
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        lines.append(_one_line(f"{key.replace('_', ' ').capitalize()}: {shown}"))
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())
