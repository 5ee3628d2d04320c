"""How many messages a second a number may send: the server-side rate of its task queue.

Source: Meta's pages on throughput (80 messages a second by default, 1,000 after the automatic upgrade, 20 where the
number is also used in the WhatsApp Business app) and on pair rates (one message to the same person in six seconds).
"""

from datetime import datetime, timedelta

STANDARD_PER_SECOND = 80
FASTEST = 1000
_TOLD = {"STANDARD": STANDARD_PER_SECOND, "HIGH": FASTEST}

PAIR_INTERVAL = timedelta(seconds=6)
"""Between two messages of one number to one person."""


def messages_per_second(given: int | None, told: str | None) -> int:
    """The number's rate: what staff have given it, else what Meta tells, else the default.

    Staff come first because Meta's level does not say that a number shares its throughput with an app.

    Args:
        given: by `store add --messages-per-second`.
        told: Meta's word for the number's level.
    """
    return given if given is not None else _TOLD.get(told or "", STANDARD_PER_SECOND)


def pair_free_at(last_at: datetime | None, at: datetime) -> datetime | None:
    """When the number may write to the person again; None for now."""
    if last_at is None or last_at + PAIR_INTERVAL <= at:
        return None
    return last_at + PAIR_INTERVAL
