"""What an error of the WhatsApp Cloud API means for the send, the recipient, the template or the number.

Codes are the only thing that Meta keeps stable; HTTP status and title change. The rule for what is not in the table:
try again only where Meta itself says that the fault passes, and where there is no error to read at all assume that
the message may have gone.

Source: Meta's error code page of 2026-09-11, with what recorded exchanges show.
"""

from enum import StrEnum


class Reaction(StrEnum):
    """The classes of answer; what each does to a send stands in the sending activity."""

    RETRY_SOON = "retry_soon"
    """Not sent; a bounded number of tries with growing pauses."""
    RETRY_24H = "retry_24h"
    """Not sent; Meta's own limit for this person. A day's pause at least, once or twice, then the stage is skipped."""
    WINDOW_CLOSED = "window_closed"
    """Not sent; free text came too late, the template may go."""
    RECIPIENT_OPTOUT = "recipient_optout"
    """Not sent; the person stopped marketing in WhatsApp."""
    RECIPIENT_PERMANENT = "recipient_permanent"
    """Not sent; this number cannot be reached."""
    RECIPIENT_COOLDOWN = "recipient_cooldown"
    """Not sent; this person gets no marketing for a while."""
    TEMPLATE_HELD = "template_held"
    """Not sent; the template may come back."""
    TEMPLATE_DEAD = "template_dead"
    """Not sent; the template does not come back."""
    REQUEST_BUG = "request_bug"
    """Not sent; the same request will fail again. Parked, with an alert."""
    SENDER_PAUSED = "sender_paused"
    """Not sent; nothing may go from this number or account until somebody or time mends it."""
    CREDENTIAL_FATAL = "credential_fatal"
    """Not sent; the token, a permission or a configured id is wrong."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """Perhaps sent; nothing more is posted until a status settles it."""


_INVALID_PARAMETER = 100
_WRONG_OBJECT = 33
_PERMISSION = range(200, 300)
_REGISTRATION = range(133_000, 134_000)
_UNAUTHORIZED, _FORBIDDEN, _REQUEST_TIMEOUT, _TOO_MANY, _SERVER = 401, 403, 408, 429, 500

_LOGIN = "The access token is missing, expired or revoked. Store a new one; sending goes on by itself."
_RIGHTS = "The app lacks a permission for this account. Grant it in Meta's business settings."
_REGISTER = "The number's registration with WhatsApp is incomplete. Finish it in WhatsApp Manager."
_REGISTER_LIMIT = "The number was registered too often or with wrong PINs. Wait, then register it again."
_PAYLOAD = "The request does not fit what Meta expects. This is our fault; the message is parked and must be looked at."
_DRIFT = "What we send does not fit the template as Meta has it now. Compare the journey's variables with the template."
_BUSY = "Meta had a passing fault. The message is tried again by itself."
_SLOW = "Too many requests at once. Sending slows down and goes on by itself."

_TABLE: dict[int, tuple[Reaction, str]] = {
    0: (Reaction.CREDENTIAL_FATAL, _LOGIN),
    1: (Reaction.RETRY_SOON, _BUSY),
    2: (Reaction.RETRY_SOON, _BUSY),
    3: (Reaction.CREDENTIAL_FATAL, _RIGHTS),
    4: (Reaction.RETRY_SOON, _SLOW),
    10: (Reaction.CREDENTIAL_FATAL, _RIGHTS),
    33: (Reaction.CREDENTIAL_FATAL, "The number's id is wrong or was deleted. Check the store's number settings."),
    100: (Reaction.REQUEST_BUG, _PAYLOAD),
    104: (Reaction.CREDENTIAL_FATAL, _LOGIN),
    190: (Reaction.CREDENTIAL_FATAL, _LOGIN),
    200: (Reaction.CREDENTIAL_FATAL, _RIGHTS),
    299: (Reaction.CREDENTIAL_FATAL, _RIGHTS),
    368: (Reaction.SENDER_PAUSED, "Meta blocked the account for a policy violation. Look at its account quality page."),
    80007: (Reaction.RETRY_SOON, _SLOW),
    130403: (Reaction.RECIPIENT_PERMANENT, "The business itself blocked this person. Unblock them to write again."),
    130429: (Reaction.RETRY_SOON, _SLOW),
    130472: (Reaction.RECIPIENT_COOLDOWN, "Meta keeps marketing from this person as part of a test. Nothing to do."),
    130497: (Reaction.SENDER_PAUSED, "The account may not write to people in this country. Ask Meta to lift it."),
    131000: (Reaction.RETRY_SOON, _BUSY),
    131005: (Reaction.CREDENTIAL_FATAL, _RIGHTS),
    131008: (Reaction.REQUEST_BUG, _PAYLOAD),
    131009: (Reaction.REQUEST_BUG, _PAYLOAD),
    131016: (Reaction.RETRY_SOON, _BUSY),
    131021: (Reaction.RECIPIENT_PERMANENT, "The customer's number is the store's own. Correct the customer's number."),
    131026: (
        Reaction.RECIPIENT_PERMANENT,
        "The number is not on WhatsApp, blocks the store, or runs an old app. It is left alone for now.",
    ),
    131030: (Reaction.REQUEST_BUG, "A test number writes only to people on its list. Add them or use a real number."),
    131031: (Reaction.SENDER_PAUSED, "Meta locked the account. Look at its account quality page and appeal."),
    131037: (Reaction.SENDER_PAUSED, "The number's display name is not approved. Get it approved in WhatsApp Manager."),
    131042: (Reaction.SENDER_PAUSED, "There is a problem with paying Meta. Correct the account's billing."),
    131044: (Reaction.SENDER_PAUSED, "There is a problem with paying Meta for calls. Correct the account's billing."),
    131045: (Reaction.SENDER_PAUSED, _REGISTER),
    131047: (Reaction.WINDOW_CLOSED, "The customer last wrote over 24 hours ago. The template is sent instead."),
    131048: (
        Reaction.SENDER_PAUSED,
        "People reported the number as spam. Marketing rests for a day; check its quality.",
    ),
    131049: (
        Reaction.RETRY_24H,
        "Meta limits how much marketing this person gets. Tried again after a day, then skipped.",
    ),
    131050: (Reaction.RECIPIENT_OPTOUT, "The customer stopped marketing in WhatsApp. They get no more of it."),
    131051: (Reaction.REQUEST_BUG, _PAYLOAD),
    # About a customer's own attachment: it tells nothing of what we sent.
    131052: (Reaction.UNKNOWN_OUTCOME, "A file that the customer sent could not be fetched. Nothing to do."),
    131053: (Reaction.RETRY_SOON, "Meta could not fetch the picture or file. Tried again; then check its link."),
    131055: (Reaction.REQUEST_BUG, _PAYLOAD),
    131056: (Reaction.RETRY_SOON, "Too many messages to this one person. Tried again after a growing pause."),
    131057: (Reaction.RETRY_SOON, "The account is being upgraded. Tried again in some minutes."),
    131062: (Reaction.REQUEST_BUG, "This message needs a phone number, and the customer has only a WhatsApp user id."),
    131063: (
        Reaction.SENDER_PAUSED,
        "The account does not take marketing on this path. Turn it on in WhatsApp Manager.",
    ),
    131064: (Reaction.SENDER_PAUSED, "Templates were in the wrong category, so Meta limits the account for a while."),
    132000: (Reaction.REQUEST_BUG, _DRIFT),
    132001: (Reaction.TEMPLATE_HELD, "The template is missing in this language or not approved. Check it at Meta."),
    132005: (Reaction.REQUEST_BUG, "With this customer's values the text is too long. Shorten the variables."),
    132007: (Reaction.TEMPLATE_DEAD, "The template breaks Meta's content policy. Rewrite it and have it reviewed."),
    132008: (Reaction.REQUEST_BUG, _DRIFT),
    132012: (Reaction.REQUEST_BUG, _DRIFT),
    132015: (Reaction.TEMPLATE_HELD, "The template is paused for low quality. It goes on when Meta lifts the pause."),
    132016: (Reaction.TEMPLATE_DEAD, "Meta disabled the template for good. Use another one."),
    132018: (Reaction.REQUEST_BUG, "A value has a line break, a tab or too many spaces. Correct the variable."),
    132068: (Reaction.TEMPLATE_HELD, "The form that the template opens is blocked. Correct it at Meta."),
    132069: (Reaction.RETRY_SOON, "The form that the template opens is slowed down. Tried again later."),
    133000: (Reaction.SENDER_PAUSED, _REGISTER),
    133004: (Reaction.RETRY_SOON, _BUSY),
    133005: (Reaction.SENDER_PAUSED, _REGISTER),
    133006: (Reaction.SENDER_PAUSED, _REGISTER),
    133008: (Reaction.SENDER_PAUSED, _REGISTER_LIMIT),
    133009: (Reaction.SENDER_PAUSED, _REGISTER_LIMIT),
    133010: (Reaction.SENDER_PAUSED, _REGISTER),
    133015: (Reaction.RETRY_SOON, "The number was deleted a moment ago. Tried again in some minutes."),
    133016: (Reaction.SENDER_PAUSED, _REGISTER_LIMIT),
    134011: (Reaction.SENDER_PAUSED, "The terms of WhatsApp's payments are not accepted. Accept them at Meta."),
    134100: (Reaction.REQUEST_BUG, "This path takes marketing templates only. Check the template's category."),
    134101: (Reaction.RETRY_SOON, "The template is new and Meta still prepares it. Tried again in ten minutes."),
    134102: (Reaction.TEMPLATE_HELD, "The template cannot be used on this path at present. Check it at Meta."),
    135000: (Reaction.REQUEST_BUG, _PAYLOAD),
    137000: (
        Reaction.REQUEST_BUG,
        "The person behind the number has changed. Check the customer before writing again.",
    ),
}

KNOWN_CODES = frozenset(_TABLE)
"""Every code of the table; the ranges 200-299 and 133xxx are known beyond it."""


def reaction_for(code: int | None, subcode: int | None, http_status: int, is_transient: bool) -> Reaction:  # noqa: FBT001 - the fourth field of Graph's own error body
    """What to do about an error of POST /messages or of a failed status.

    Args:
        code: Graph's or the status's error code; None when the answer held no error that could be read.
        subcode: Graph's `error_subcode`.
        http_status: of the answer; 0 when there was none, or for a status webhook.
        is_transient: Graph's own word that the fault passes.
    """
    if code is None:
        return _without_code(http_status)
    if code == _INVALID_PARAMETER and subcode == _WRONG_OBJECT:
        # What a wrong number or account id, or a missing permission, looks like in practice.
        return Reaction.CREDENTIAL_FATAL
    if code in _TABLE:
        return _TABLE[code][0]
    if code in _PERMISSION:
        return Reaction.CREDENTIAL_FATAL
    if code in _REGISTRATION:
        return Reaction.SENDER_PAUSED
    return Reaction.RETRY_SOON if is_transient or http_status >= _SERVER else Reaction.REQUEST_BUG


def explain(code: int | None) -> str:
    """What the code means and what to do, in a sentence or two for staff."""
    if code is None:
        return (
            "No readable answer came, so the message may have gone. It is not sent again until WhatsApp reports on it."
        )
    if code in _TABLE:
        return _TABLE[code][1]
    if code in _PERMISSION:
        return _RIGHTS
    if code in _REGISTRATION:
        return _REGISTER
    return (
        f"WhatsApp reported code {code}, which is not in our list. The message waits until somebody has looked at it."
    )


def _without_code(http_status: int) -> Reaction:
    """A gateway before Meta may answer without Graph's error; only a clear refusal says that nothing was sent."""
    if http_status in {_UNAUTHORIZED, _FORBIDDEN}:
        return Reaction.CREDENTIAL_FATAL
    if http_status == _TOO_MANY:
        return Reaction.RETRY_SOON
    if 400 <= http_status < _SERVER and http_status != _REQUEST_TIMEOUT:  # noqa: PLR2004 - HTTP's client errors
        return Reaction.REQUEST_BUG
    return Reaction.UNKNOWN_OUTCOME
