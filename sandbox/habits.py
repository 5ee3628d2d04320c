"""What simulated customers tend to do, apart from them: to be asked for it, nothing of their world need be loaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """How often a message moves somebody, as shares of 1.

    Attributes:
        replies: answer it.
        stops: answer STOP.
        orders: order.
    """

    replies: float = 0.06
    stops: float = 0.01
    orders: float = 0.05
