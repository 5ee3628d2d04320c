"""The stop-loss: a journey whose messages fail or drive people away pauses itself before it does more harm.

Looked at are a journey's last `WINDOW` messages that were tried since it last began to run, at least `LEAST` of them
decided. A message counts as lost when its last attempt failed, whatever the reason, or when the customer opted out
because of it. One whose outcome is open does not count yet: it is under way, or refused in a way after which the next
attempt follows by itself (a busy server; a window that closed, after which the template goes). A parked message is
decided and not lost: nobody knows that it failed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from models.enums import AttemptStatus, SendState
from policies.whatsapp_reactions import Reaction, reaction_for

WINDOW: Final = 200
LEAST: Final = 30
OPT_OUT_WITHIN: Final = timedelta(hours=72)
"""How long after its receipt a message is what somebody opted out of."""
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
_FOLLOWED: Final = frozenset({Reaction.RETRY_SOON, Reaction.WINDOW_CLOSED})
"""Refusals after which the next attempt follows by itself."""


class Fate(StrEnum):
    """What became of one message."""

    WELL = "well"
    FAILED = "failed"
    OPTED_OUT = "opted_out"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Loss:
    """How many of the decided messages were lost, and how."""

    decided: int
    failed: int
    opted_out: int

    @property
    def lost(self) -> int:
        """All that were lost; a message is lost once."""
        return self.failed + self.opted_out

    def exceeds(self, percent: int) -> bool:
        """Whether more than that share was lost, of enough messages to say so; 0 switches the stop-loss off."""
        return percent > 0 and self.decided >= LEAST and self.lost * 100 > percent * self.decided


def fate_of(state: SendState, status: AttemptStatus, error_code: int | None, *, opted_out: bool) -> Fate:
    """What became of a message, from where its send stands and how its last attempt went."""
    if opted_out:
        return Fate.OPTED_OUT
    if status is AttemptStatus.FAILED:
        if state is not SendState.FAILED:
            return Fate.FAILED
        code_says = reaction_for(error_code, None, 0, is_transient=False) if error_code is not None else None
        return Fate.OPEN if code_says is None or code_says in _FOLLOWED else Fate.FAILED
    return Fate.OPEN if state in (SendState.IN_FLIGHT, SendState.UNKNOWN) else Fate.WELL


def loss_of(fates: Iterable[Fate]) -> Loss:
    """The sum over the newest messages of a journey, at most `WINDOW`."""
    counts = Counter(fates)
    failed, opted_out = counts[Fate.FAILED], counts[Fate.OPTED_OUT]
    return Loss(decided=counts[Fate.WELL] + failed + opted_out, failed=failed, opted_out=opted_out)


def led_to_opt_out(came_at: datetime, opted_out_at: datetime, *, still_in_it: bool) -> bool:
    """Whether the customer's latest message is what they opted out of.

    Args:
        came_at: when it was received, or else accepted.
        opted_out_at: when they opted out.
        still_in_it: whether the passage that it belongs to was still running.
    """
    if came_at > opted_out_at + _CLOCKS_DIFFER:
        return False
    return still_in_it or opted_out_at - came_at <= OPT_OUT_WITHIN
