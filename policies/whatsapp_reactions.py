"""What an error of the WhatsApp Cloud API means for the send, the recipient, the template or the number.

Codes are the only thing that Meta keeps stable; HTTP status and title change. The rule for what is not in the table:
try again only where Meta itself says that the fault passes, and where there is no error to read at all assume that
the message may have gone.

The table serves the answer to our request and the status that comes later alike.

Source: Meta's error code page of 2026-09-11, with what recorded exchanges show.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never


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
    """Not sent; the same request will fail again. Nobody else asks with that message until something has changed."""
    SENDER_PAUSED = "sender_paused"
    """Not sent; nothing may go from this number or account until somebody or time mends it."""
    COUNTRY_BLOCKED = "country_blocked"
    """Not sent; the account may not write to people of this country."""
    CREDENTIAL_FATAL = "credential_fatal"
    """Not sent; the token, a permission or a configured id is wrong."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """Perhaps sent; nothing more is posted until a status settles it."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a code is tried again: `first` after the first try, each pause `growth` times the one before.

    After `most` tries it is treated as `then`; without one it is tried at the longest pace for as long as the hold
    clock runs.
    """

    first: timedelta
    growth: int = 2
    longest: timedelta = timedelta(minutes=15)
    most: int | None = None
    then: Reaction | None = None

    def pause(self, tries: int) -> timedelta:
        """The pause after that many tries; what has not passed after some quick ones is met at the slow pace."""
        if tries >= _STEPS and self.most is None:
            return max(self.first, self.longest)
        pause = self.first
        for _ in range(tries - 1):
            pause = min(pause * self.growth, self.longest)
        return pause

    def is_over(self, tries: int) -> bool:
        """Whether that many tries are all there are."""
        return self.most is not None and tries >= self.most


@dataclass(frozen=True, slots=True)
class _Row:
    """A code: what to do, what to tell staff, its pace where it is tried again, and how far a bug reaches."""

    reaction: Reaction
    text: str
    pacing: Pacing | None = None
    only_this_send: bool = False


_STEPS = 6
_DAY = timedelta(hours=24)
_SOONER = timedelta(hours=6)
_BILLS = frozenset({131042, 131044})
"""What a payment mends within minutes; it is looked for four times a day."""
_DROPS = frozenset({131042, 131045, 131048})
"""What Meta says of a sender by answer or, after it has taken the message, by webhook."""
_HOUR = timedelta(hours=1)
_WEATHER = Pacing(timedelta(seconds=2))
"""For whatever Meta names no pace: a broken line, a busy server."""
_SERVER_FAULT = Pacing(timedelta(minutes=1))
"""For faults of Meta's own servers, told in Graph's error format. Their documented meaning is that the message was not
sent, and Meta says to try again; but a server that cannot say what went wrong may be wrong about that, too. A message
that went out all the same is reported within seconds, with the first attempt's callback data, and that settles it."""
_FEW = Pacing(timedelta(minutes=1), growth=4, longest=_HOUR, most=6, then=Reaction.REQUEST_BUG)
"""The same for those of which Meta says "a few times": over two hours, after which it is our request."""
_QUOTA = Pacing(timedelta(minutes=5))
_MINUTES = Pacing(timedelta(minutes=1), growth=3)
_PAIR = Pacing(timedelta(seconds=4), growth=4)
"""Meta asks for 4^X seconds before the try X+1 to the same person."""

_INVALID_PARAMETER = 100
_WRONG_OBJECT = 33
_PERMISSION = range(200, 300)
_REGISTRATION = range(133_000, 134_000)
_UNAUTHORIZED, _FORBIDDEN, _REQUEST_TIMEOUT, _TOO_MANY, _SERVER = 401, 403, 408, 429, 500

_LOGIN = "The access token is missing, expired or revoked. Store a new one; sending goes on by itself."
_RIGHTS = "The app lacks a permission for this account. Grant it in Meta's business settings."
_REGISTER = "The number's registration with WhatsApp is incomplete. Finish it in WhatsApp Manager."
_REGISTER_LIMIT = "The number was registered too often or with wrong PINs. Wait, then register it again."
_PAYLOAD = "The request does not fit what Meta expects. This is our fault; such messages wait until it is mended."
_DRIFT = "What we send does not fit the template as Meta has it now. Compare the journey's variables with the template."
_BUSY = "Meta had a passing fault. The message is tried again by itself."
_SLOW = "Too many requests at once. Sending slows down and goes on by itself."

_TABLE: dict[int, _Row] = {
    0: _Row(Reaction.CREDENTIAL_FATAL, _LOGIN),
    1: _Row(Reaction.RETRY_SOON, _BUSY, _FEW, only_this_send=True),
    2: _Row(Reaction.RETRY_SOON, _BUSY, _SERVER_FAULT),
    3: _Row(Reaction.CREDENTIAL_FATAL, _RIGHTS),
    4: _Row(Reaction.RETRY_SOON, _SLOW, _QUOTA),
    10: _Row(Reaction.CREDENTIAL_FATAL, _RIGHTS),
    33: _Row(Reaction.CREDENTIAL_FATAL, "The number's id is wrong or was deleted. Check the store's number settings."),
    100: _Row(Reaction.REQUEST_BUG, _PAYLOAD),
    104: _Row(Reaction.CREDENTIAL_FATAL, _LOGIN),
    190: _Row(Reaction.CREDENTIAL_FATAL, _LOGIN),
    200: _Row(Reaction.CREDENTIAL_FATAL, _RIGHTS),
    299: _Row(Reaction.CREDENTIAL_FATAL, _RIGHTS),
    368: _Row(
        Reaction.SENDER_PAUSED, "Meta blocked the account for a policy violation. Look at its account quality page."
    ),
    80007: _Row(Reaction.RETRY_SOON, _SLOW, _QUOTA),
    130403: _Row(Reaction.RECIPIENT_PERMANENT, "The business itself blocked this person. Unblock them to write again."),
    130429: _Row(Reaction.RETRY_SOON, _SLOW, Pacing(timedelta(seconds=10))),
    130472: _Row(
        Reaction.RECIPIENT_COOLDOWN, "Meta keeps marketing from this person as part of a test. Nothing to do."
    ),
    130497: _Row(
        Reaction.COUNTRY_BLOCKED,
        "The account may not write to people in this country. They are left out; ask Meta to lift it.",
    ),
    131000: _Row(Reaction.RETRY_SOON, _BUSY, _FEW, only_this_send=True),
    131005: _Row(Reaction.CREDENTIAL_FATAL, _RIGHTS),
    131008: _Row(Reaction.REQUEST_BUG, _PAYLOAD),
    131009: _Row(Reaction.REQUEST_BUG, _PAYLOAD),
    131016: _Row(Reaction.RETRY_SOON, _BUSY, _SERVER_FAULT),
    131021: _Row(
        Reaction.RECIPIENT_PERMANENT, "The customer's number is the store's own. Correct the customer's number."
    ),
    131026: _Row(
        Reaction.RECIPIENT_PERMANENT,
        "The number is not on WhatsApp, blocks the store, or runs an old app. It is left alone for now.",
    ),
    131030: _Row(
        Reaction.REQUEST_BUG,
        "A test number writes only to people on its list. Add them or use a real number.",
        only_this_send=True,
    ),
    131031: _Row(Reaction.SENDER_PAUSED, "Meta locked the account. Look at its account quality page and appeal."),
    131037: _Row(
        Reaction.SENDER_PAUSED, "The number's display name is not approved. Get it approved in WhatsApp Manager."
    ),
    131042: _Row(Reaction.SENDER_PAUSED, "There is a problem with paying Meta. Correct the account's billing."),
    131044: _Row(
        Reaction.SENDER_PAUSED, "There is a problem with paying Meta for calls. Correct the account's billing."
    ),
    131045: _Row(Reaction.SENDER_PAUSED, _REGISTER),
    131047: _Row(Reaction.WINDOW_CLOSED, "The customer last wrote over 24 hours ago. The template is sent instead."),
    131048: _Row(
        Reaction.SENDER_PAUSED,
        "People reported the number as spam. Marketing rests for a day; check its quality.",
    ),
    131049: _Row(
        Reaction.RETRY_24H,
        "Meta limits how much marketing this person gets. Tried again after a day, then skipped.",
    ),
    131050: _Row(Reaction.RECIPIENT_OPTOUT, "The customer stopped marketing in WhatsApp. They get no more of it."),
    131051: _Row(Reaction.REQUEST_BUG, _PAYLOAD),
    # About a customer's own attachment: it tells nothing of what we sent.
    131052: _Row(Reaction.UNKNOWN_OUTCOME, "A file that the customer sent could not be fetched. Nothing to do."),
    131053: _Row(
        Reaction.RETRY_SOON,
        "Meta could not fetch the picture or file. Tried again; then check its link.",
        Pacing(timedelta(seconds=30), growth=4, most=3, then=Reaction.REQUEST_BUG),
    ),
    131055: _Row(Reaction.REQUEST_BUG, _PAYLOAD),
    131056: _Row(
        Reaction.RETRY_SOON, "Too many messages to this one person. Tried again after a growing pause.", _PAIR
    ),
    131057: _Row(Reaction.RETRY_SOON, "The account is being upgraded. Tried again in some minutes.", _MINUTES),
    131062: _Row(
        Reaction.REQUEST_BUG,
        "This message needs a phone number, and the customer has only a WhatsApp user id.",
        only_this_send=True,
    ),
    131063: _Row(
        Reaction.SENDER_PAUSED,
        "The account does not take marketing on this path. Turn it on in WhatsApp Manager.",
    ),
    131064: _Row(
        Reaction.SENDER_PAUSED, "Templates were in the wrong category, so Meta limits the account for a while."
    ),
    132000: _Row(Reaction.REQUEST_BUG, _DRIFT),
    132001: _Row(Reaction.TEMPLATE_HELD, "The template is missing in this language or not approved. Check it at Meta."),
    132005: _Row(
        Reaction.REQUEST_BUG,
        "With this customer's values the text is too long. Shorten the variables.",
        only_this_send=True,
    ),
    132007: _Row(Reaction.TEMPLATE_DEAD, "The template breaks Meta's content policy. Rewrite it and have it reviewed."),
    132008: _Row(Reaction.REQUEST_BUG, _DRIFT, only_this_send=True),
    132012: _Row(Reaction.REQUEST_BUG, _DRIFT),
    132015: _Row(
        Reaction.TEMPLATE_HELD, "The template is paused for low quality. It goes on when Meta lifts the pause."
    ),
    132016: _Row(Reaction.TEMPLATE_DEAD, "Meta disabled the template for good. Use another one."),
    132018: _Row(
        Reaction.REQUEST_BUG,
        "A value has a line break, a tab or too many spaces. Correct the variable.",
        only_this_send=True,
    ),
    132068: _Row(Reaction.TEMPLATE_HELD, "The form that the template opens is blocked. Correct it at Meta."),
    132069: _Row(
        Reaction.RETRY_SOON,
        "The form that the template opens is slowed down. Tried again later.",
        Pacing(_HOUR, longest=_HOUR),
    ),
    133000: _Row(Reaction.SENDER_PAUSED, _REGISTER),
    133004: _Row(Reaction.RETRY_SOON, _BUSY, _SERVER_FAULT),
    133005: _Row(Reaction.SENDER_PAUSED, _REGISTER),
    133006: _Row(Reaction.SENDER_PAUSED, _REGISTER),
    133008: _Row(Reaction.SENDER_PAUSED, _REGISTER_LIMIT),
    133009: _Row(Reaction.SENDER_PAUSED, _REGISTER_LIMIT),
    133010: _Row(Reaction.SENDER_PAUSED, _REGISTER),
    133015: _Row(
        Reaction.RETRY_SOON,
        "The number was deleted a moment ago. Tried again in some minutes.",
        Pacing(timedelta(minutes=5)),
    ),
    133016: _Row(Reaction.SENDER_PAUSED, _REGISTER_LIMIT),
    134011: _Row(Reaction.SENDER_PAUSED, "The terms of WhatsApp's payments are not accepted. Accept them at Meta."),
    134100: _Row(Reaction.REQUEST_BUG, "This path takes marketing templates only. Check the template's category."),
    134101: _Row(
        Reaction.RETRY_SOON,
        "The template is new and Meta still prepares it. Tried again in ten minutes.",
        Pacing(timedelta(minutes=10)),
    ),
    134102: _Row(Reaction.TEMPLATE_HELD, "The template cannot be used on this path at present. Check it at Meta."),
    135000: _Row(Reaction.REQUEST_BUG, _PAYLOAD),
    137000: _Row(
        Reaction.REQUEST_BUG,
        "The person behind the number has changed. Check the customer before writing again.",
        only_this_send=True,
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
        return _TABLE[code].reaction
    if code in _PERMISSION:
        return Reaction.CREDENTIAL_FATAL
    if code in _REGISTRATION:
        return Reaction.SENDER_PAUSED
    return Reaction.RETRY_SOON if is_transient or http_status >= _SERVER else Reaction.REQUEST_BUG


def pacing_of(code: int | None) -> Pacing:
    """How a code that is tried again is paced."""
    if code is None:
        return _WEATHER
    row = _TABLE.get(code)
    return row.pacing or _WEATHER if row is not None else _SERVER_FAULT


def blocks_template(code: int | None) -> bool:
    """Whether a request that is called wrong with this code says so of everybody's, and not of one customer's values.

    Without a code it was no word of Meta's. A code that is not in the table may say it of all, and holding all is the
    mistake that can be made good.
    """
    if code is None:
        return False
    row = _TABLE.get(code)
    return row is None or not row.only_this_send


def rest_after(code: int | None) -> timedelta:
    """How long a paused sender is left alone before one message finds out whether it may send again."""
    return _SOONER if code in _BILLS else _DAY


def is_told_later(code: int | None) -> bool:
    """Whether a paused sender's message may be taken and dropped for this code, so that taking it proves nothing."""
    return code in _DROPS


def gets_nothing(code: int | None) -> bool:
    """Whether somebody of whom this code was said can be sent nothing at all, and not only no marketing."""
    return code is not None and reaction_for(code, None, 0, is_transient=False) is Reaction.RECIPIENT_PERMANENT


def may_follow(reaction: Reaction) -> bool:
    """Whether a message that Meta took and then reported as failed may be tried again or replaced, in its stage.

    What says something of the person ends their journey instead, and of a code that says nothing nobody knows.
    """
    match reaction:
        case Reaction.RECIPIENT_OPTOUT | Reaction.RECIPIENT_PERMANENT | Reaction.UNKNOWN_OUTCOME:
            return False
        case (
            Reaction.RETRY_SOON
            | Reaction.RETRY_24H
            | Reaction.WINDOW_CLOSED
            | Reaction.RECIPIENT_COOLDOWN
            | Reaction.TEMPLATE_HELD
            | Reaction.TEMPLATE_DEAD
            | Reaction.REQUEST_BUG
            | Reaction.SENDER_PAUSED
            | Reaction.COUNTRY_BLOCKED
            | Reaction.CREDENTIAL_FATAL
        ):
            return True
        case _:
            assert_never(reaction)


def explain(code: int | None) -> str:
    """What the code means and what to do, in a sentence or two for staff."""
    if code is None:
        return (
            "No readable answer came, so the message may have gone. It is not sent again until WhatsApp reports on it."
        )
    if code in _TABLE:
        return _TABLE[code].text
    if code in _PERMISSION:
        return _RIGHTS
    if code in _REGISTRATION:
        return _REGISTER
    return (
        f"WhatsApp reported code {code}, which is not in our list. Such messages wait until somebody has looked at it."
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
