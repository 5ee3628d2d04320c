"""Rates that nobody knows exactly, and the points at which a simulation is run to see what hangs on them."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from models.journey import JourneyDefinition


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of 1, or two between which it lies."""

    low: Decimal
    high: Decimal

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """`0.05`, or `0.05-0.15`.

        Raises:
            ValueError: it is neither; the text says what is wrong.
        """
        try:
            numbers = [Decimal(part.strip()) for part in text.split("-")]
        except InvalidOperation:
            numbers = []
        if len(numbers) not in {1, 2} or not all(one.is_finite() for one in numbers):
            msg = f"{text!r} is neither a share such as 0.05 nor a range such as 0.05-0.15"
            raise ValueError(msg)
        if not 0 <= numbers[0] <= numbers[-1] <= 1:
            msg = f"{text!r} does not lie between 0 and 1, lower end first"
            raise ValueError(msg)
        return cls(numbers[0], numbers[-1])

    @property
    def middle(self) -> Decimal:
        """Half way."""
        return (self.low + self.high) / 2

    @property
    def is_range(self) -> bool:
        """Whether its ends differ."""
        return self.low != self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}" if self.is_range else str(self.low)


@dataclass(frozen=True, slots=True)
class Point:
    """One assumption: shares of messages that are answered, and that bring an order."""

    replies: float
    orders: float


def points(replies: Rate, orders: Rate) -> tuple[Point, ...]:
    """The middle of both first, then every combination of their ends: who replies does not order any more."""
    middle = Point(float(replies.middle), float(orders.middle))
    corners = [
        Point(float(reply), float(order))
        for reply in (replies.low, replies.high)
        for order in (orders.low, orders.high)
    ]
    return tuple(dict.fromkeys([middle, *corners]))


def are_alternatives(definitions: tuple[JourneyDefinition, ...]) -> bool:
    """Whether two files are rather compared than run together: they would want the same people."""
    return len(definitions) == _A_PAIR and len({one.kind for one in definitions}) == 1


_A_PAIR = 2
