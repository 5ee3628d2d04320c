"""To how many new people a portfolio and a number may write in 24 hours, and when there is room for one more.

A recipient is new who got no message outside an open service window in the last 24 hours. The portfolio's limit is
Meta's tier, for all its numbers together. A number has an allowance of its own inside it while it is warmed up or its
quality is low. A fifth of the portfolio's limit is kept for follow-ups and carts, whose moment passes; the number's own
allowance is not divided, because it is there to be used with care and not to be shared.

Source: Meta's pages on messaging limits (tiers, rolling 24 hours, per business portfolio) and on quality ratings.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from math import floor

from models.enums import JourneyKind
from models.warm_up import WarmUp

UNLIMITED = -1
"""What stands for Meta's highest tier where a limit is stored; None stands for a limit that Meta has not told."""

HIGHEST_STEP = 100_000
"""Meta's highest tier that is a number. What a number may do above it is no longer warmed up."""

KEPT_KINDS = frozenset({JourneyKind.FOLLOW_UP, JourneyKind.ABANDONED_CART})

COUNTED_FOR = timedelta(hours=24, minutes=2)
"""How long a recipient counts: Meta's 24 hours, and as long as a message may take from our claim to Meta's count."""

TURN_AFTER = COUNTED_FOR + timedelta(seconds=1)
"""When somebody may have the place of a recipient: a moment later, so that no timer comes a millisecond too early."""

KEPT_A_TURN = timedelta(hours=1)
"""How long a place that has become free is left to the one whose turn it is."""


class Quality(Enum):
    """Meta's colour for a number."""

    GOOD = auto()
    LOW = auto()
    BAD = auto()


def quality_of(word: str | None) -> Quality:
    """The colour in Meta's words; what is unknown is no reason to send less."""
    match (word or "").upper():
        case "YELLOW":
            return Quality.LOW
        case "RED" | "FLAGGED":  # how older API versions call a number that is about to be restricted
            return Quality.BAD
        case _:
            return Quality.GOOD


def forbids_marketing(quality: str | None) -> bool:
    """Whether a number of this colour sends no marketing templates until it is better."""
    return quality_of(quality) is Quality.BAD


def tier_of(daily_limit: int | None) -> int | None:
    """The portfolio's limit; None for none, or none told."""
    return None if daily_limit is None or daily_limit < 0 else daily_limit


def kept_from(limit: int, kind: JourneyKind) -> int:
    """How much of a portfolio's limit messages of the kind may fill: all of it, or all but a fifth.

    One recipient is left to every kind, however low the limit is.
    """
    return limit if kind in KEPT_KINDS else max(limit * 4 // 5, min(limit, 1))


def warmed_up(warm_up: WarmUp, days_before: int, tier: int | None) -> int | None:
    """The allowance of a number after so many earlier days on which it sent; None when nothing limits it any more.

    Args:
        warm_up: the number's rule.
        days_before: store-local days on which it wrote to somebody new, without today.
        tier: the portfolio's limit, None for none.
    """
    ceiling = tier if warm_up.ceiling == "tier" else warm_up.ceiling
    if ceiling is not None and tier is not None:
        ceiling = min(ceiling, tier)
    top = HIGHEST_STEP if ceiling is None else ceiling
    value = warm_up.grow * 0 + warm_up.start
    for _ in range(days_before):
        if value >= top or warm_up.grow == 1:
            break
        value *= warm_up.grow
    if ceiling is None and value >= HIGHEST_STEP:
        return None
    return min(floor(value), top)


def has_allowance(warm_up: WarmUp | None, quality: str | None) -> bool:
    """Whether the number has an allowance of its own, which is counted then."""
    return warm_up is not None or quality_of(quality) is not Quality.GOOD


def number_allowance(tier: int | None, warm_up: WarmUp | None, days_before: int, quality: str | None) -> int | None:
    """How many new recipients the number may have in 24 hours; None for no limit of its own.

    Low quality halves what the number may otherwise do. For one without any limit that is half of Meta's highest
    step: the same rule one step lower, known without a look at what the number happened to send.
    """
    allowance = tier if warm_up is None else warmed_up(warm_up, days_before, tier)
    if quality_of(quality) is Quality.GOOD:
        return allowance
    return max((HIGHEST_STEP if allowance is None else allowance) // 2, 1)


def next_turn(at: datetime, last_promised: datetime | None) -> tuple[datetime | None, int]:
    """Where in the queue of places the next one in line stands.

    Places become free in the order of their recipients' times. Who comes when all are promised waits for the same
    places once more, a round later.

    Args:
        at: now.
        last_promised: the moment that was given to the last one in line, if anybody waits.

    Returns:
        The time of the recipient whose place was promised last, None when none is; and how many rounds lie before.
    """
    if last_promised is None or last_promised <= at:
        return None, 0
    rounds = (last_promised - at - timedelta(microseconds=1)) // TURN_AFTER
    return last_promised - (rounds + 1) * TURN_AFTER, rounds
