"""Whether a customer is out of all marketing, computed from facts that may have come in any order.

What people say to us, to Meta and to the shop arrives late, twice and out of order. So nothing is added up along the
way: the newest of each kind of word is kept with its own time, and the answer follows from those alone.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.enums import WITHDRAWN_CONSENT, ConsentState


class OptOutSource(StrEnum):
    """How the customer told us."""

    STOP_WORD = "stop_word"
    OPERATOR = "operator"
    WHATSAPP_PREFERENCE = "whatsapp_preference"
    WHATSAPP_REFUSAL = "whatsapp_refusal"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONVERSATION_REVIEW = "conversation_review"


AT_META = frozenset({OptOutSource.WHATSAPP_PREFERENCE, OptOutSource.WHATSAPP_REFUSAL})
"""Told to Meta; only these does a `resume` at Meta lift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFacts:
    """The newest word of each kind.

    Attributes:
        stopped_at: when the customer, or an operator for them, last told us to stop.
        stopped_source: how.
        meta_stop_at: when they last stopped us at Meta, or Meta refused a message for that.
        meta_resume_at: when they last let us go on at Meta.
        consent: to marketing over WhatsApp, as the shop records it.
        consent_at: since when; None where the shop does not say, which is older than any stop.
    """

    stopped_at: datetime | None = None
    stopped_source: str | None = None
    meta_stop_at: datetime | None = None
    meta_resume_at: datetime | None = None
    consent: ConsentState = ConsentState.NEVER_SUBSCRIBED
    consent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OptOut:
    """That somebody is out, since when and by which word."""

    at: datetime
    source: str


def opt_out_of(facts: StopFacts) -> OptOut | None:
    """The newest reason that keeps the customer out, or None when none holds.

    A word to us holds until consent comes back after it. A stop at Meta holds until a resume at Meta after it, whatever
    the consent: Meta would refuse the message. Withdrawn consent holds by itself; where its time is unknown it is none
    of these reasons, but the rules look at the consent itself too.
    """
    reasons = [reason for reason in (own_stop(facts), meta_stop(facts), _withdrawn(facts)) if reason is not None]
    # max() keeps the first of equals: the customer's own word before Meta's.
    return max(reasons, key=lambda reason: reason.at, default=None)


def own_stop(facts: StopFacts) -> OptOut | None:
    """What the customer told us, where it still holds."""
    if facts.stopped_at is None:
        return None
    came_back = (
        facts.consent is ConsentState.SUBSCRIBED
        and facts.consent_at is not None
        and facts.consent_at > facts.stopped_at
    )
    return None if came_back else OptOut(facts.stopped_at, facts.stopped_source or OptOutSource.STOP_WORD)


def meta_stop(facts: StopFacts) -> OptOut | None:
    """What the customer told Meta, where it still holds."""
    if facts.meta_stop_at is None:
        return None
    resumed = facts.meta_resume_at is not None and facts.meta_resume_at > facts.meta_stop_at
    return None if resumed else OptOut(facts.meta_stop_at, OptOutSource.WHATSAPP_PREFERENCE)


def _withdrawn(facts: StopFacts) -> OptOut | None:
    if facts.consent not in WITHDRAWN_CONSENT or facts.consent_at is None:
        return None
    return OptOut(facts.consent_at, OptOutSource.CONSENT_WITHDRAWN)


_WEIGHT = (
    ConsentState.NEVER_SUBSCRIBED,
    ConsentState.PENDING,
    ConsentState.SUBSCRIBED,
    ConsentState.UNSUBSCRIBED,
    ConsentState.REDACTED,
)


def is_newer_consent(state: ConsentState, at: datetime, known: ConsentState, known_at: datetime | None) -> bool:
    """Whether a consent replaces the one that is known; of two from the same moment the stricter one stands."""
    if known_at is None or at > known_at:
        return True
    return at == known_at and _WEIGHT.index(state) > _WEIGHT.index(known)
