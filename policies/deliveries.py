"""When something that a store's own system did not take is sent to it again, as Standard Webhooks advises.

The pauses grow from seconds to hours, over a day: a restart of the receiver is bridged in a minute, an outage of a
night without a hundred requests, and what nobody has taken after a day is given up.
"""

from datetime import datetime, timedelta
from typing import Final

from policies.pacing import spread_offset

GIVEN_UP_AFTER: Final = timedelta(hours=24)
LONGEST_ASKED: Final = timedelta(hours=6)
"""The longest `Retry-After` that is heeded."""
_PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600)
)
_SPREAD: Final = 0.2
"""By how much of itself a pause is made longer at most, so that not all come back at once."""


def next_try(*, first: datetime, now: datetime, tries: int, asked: timedelta | None, key: str) -> datetime | None:
    """When to try again; None to give up. The last try is at the end of the day, whatever the pauses.

    Args:
        first: when the first try was.
        now: when the last one failed.
        tries: how many there were, counting the last.
        asked: how long the receiver asks us to wait.
        key: the delivery's own, for its fixed place within the spread.
    """
    end = first + GIVEN_UP_AFTER
    if now >= end:
        return None
    pause = _PAUSES[min(max(tries, 1), len(_PAUSES)) - 1]
    pause += timedelta(seconds=spread_offset(key, int(pause.total_seconds() * _SPREAD)))
    if asked is not None:
        pause = max(pause, min(asked, LONGEST_ASKED))
    return min(now + pause, end)
