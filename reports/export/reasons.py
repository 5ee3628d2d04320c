"""The reasons for which somebody did not get a message, as keys that say which vocabulary they come from.

`closed:unsubscribed` and `left_out:unsubscribed` are two different stories; the prefixes are those of `stats --list`.
"""

from typing import Final

from models.enums import EnrollmentState, HoldReason, SkipReason
from policies.whatsapp_reactions import explain
from reports.wording import EXITS, HOLDS, OUTCOMES, SKIPS, STATES

CONTROL: Final = "control"
FAILED: Final = "failed"
PACED: Final = "paced"
TAKEN_OFF: Final = "taken_off"
"""Somebody was given a later day, and does not wait for it any more: the journey was stopped, for all or for them."""


def in_words(reason: str) -> str:
    """A reason for a person, without what is known of the single case."""
    kind, _, word = reason.partition(":")
    match kind:
        case "closed":
            return EXITS.get(word, word)
        case "holding":
            return HOLDS[HoldReason(word)]
        case "state":
            return STATES[EnrollmentState(word)]
        case "skipped":
            return SKIPS[SkipReason(word)]
        case "failed":
            return explain(int(word)) if word else "the message did not go"
        case "left_out":
            return OUTCOMES.get(word, word)
        case "taken_off":
            return "waited for a later day, and was taken off it"
        case _:
            return OUTCOMES.get(kind, kind)
