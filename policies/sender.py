"""Whether a number may send: it may, it is paused, or somebody must find out whether its pause is over.

A pause whose time has come is not believed to be over: one message goes and tells. Whoever else is due waits for it,
so that a number that is still paused is not asked a thousand times.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PROBE_ANSWERS_WITHIN = timedelta(minutes=5)
"""After which a probe that told nothing is given up and another one may go."""
LAG = timedelta(minutes=10)
"""How much later than the pause's end others look by themselves, if nobody has told them meanwhile."""
SPREAD_S = 1800
"""Over how many seconds they are spread."""


class SenderState(StrEnum):
    """What a number may do."""

    CLEAR = "clear"
    PAUSED = "paused"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause as it is on record.

    Attributes:
        until: when it ends by itself; None until somebody or Meta ends it.
        probe_at: when a message last left to find out.
    """

    until: datetime | None
    probe_at: datetime | None = None


def sender_state(pause: Pause | None, now: datetime) -> SenderState:
    """What the number may do now."""
    if pause is None:
        return SenderState.CLEAR
    if pause.until is None or now < pause.until:
        return SenderState.PAUSED
    if pause.probe_at is not None and pause.until <= pause.probe_at and now < pause.probe_at + PROBE_ANSWERS_WITHIN:
        return SenderState.PAUSED
    return SenderState.PROBE


def look_again_at(pause: Pause, now: datetime, *, offset: timedelta) -> datetime | None:
    """When somebody who waits for the number looks by themselves; `offset` is their own place in the spread."""
    if pause.until is None:
        return None
    return max(pause.until, now) + LAG + offset
