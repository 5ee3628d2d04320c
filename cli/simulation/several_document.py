"""The documents of `simulate --json` where it ran more than once: over a range of rates, or two files side by side.

Figures are named as in the document of one simulation; where a count is split by words, `name:word`.
"""

from datetime import date

from cli.simulation.document import Outcome
from reports.documents import Document


class CountSpread(Document):
    """The lowest, the middle and the highest of the runs; of an even number the lower of the two middle ones."""

    lowest: int
    middle: int
    highest: int


class AmountSpread(Document):
    """As `CountSpread`, in the currency's major units."""

    lowest: str
    middle: str
    highest: str


class TotalSpread(Document):
    """What whole simulations came to; each figure by itself, so that its middle run is not always the same one."""

    figures: dict[str, CountSpread]
    revenue: dict[str, AmountSpread]


class DaySpread(TotalSpread):
    """A day of the runs.

    Attributes:
        date: on the virtual calendar, as in the document of one simulation.
        revenue_so_far: from the opening to this day's end.
    """

    day: int
    date: date
    revenue_so_far: dict[str, AmountSpread]


class Spread(TotalSpread):
    """Of all runs."""

    days: list[DaySpread]


class Between(Document):
    """A rate that was assumed, a share of 1; the same twice where it was no range."""

    low: float
    high: float


class Assumptions(Document):
    """What the runs rest on; none of it is an estimate of ours.

    Attributes:
        replies: share of messages that are answered; null, with the next two, where people do nothing by invention.
        order_rate: share of messages that bring an order.
        stops: share of messages that are answered with STOP.
        seeds: of the draws; each point was run with each of them.
        as_of: the day of the files that counted as the opening's.
        message_price: in whole credits; so for `call_price`, of the model.
    """

    replies: Between | None
    order_rate: Between | None
    stops: float | None
    seeds: list[int]
    as_of: date
    message_price: int
    call_price: int


class RunDocument(Document):
    """One run, and the rates and the seed that it was made with."""

    replies: float | None
    order_rate: float | None
    seed: int
    outcome: Outcome


class PointDocument(TotalSpread):
    """The runs at one point of the ranges."""

    replies: float | None
    order_rate: float | None
    runs: int


class Ranged(Document):
    """What `simulate --json` answers with for several runs of the same journeys."""

    journeys: list[str]
    assumed: Assumptions
    runs: list[RunDocument]
    points: list[PointDocument]
    spread: Spread


class FileDocument(Document):
    """What one file came to, in a world of its own."""

    file: str
    journey: str
    runs: list[RunDocument]
    points: list[PointDocument]
    spread: Spread


class Comparison(Document):
    """What `simulate --json` answers with for two files side by side, with the same people and the same draws.

    Attributes:
        difference: the second less the first, run by run of the same rates and seed.
    """

    assumed: Assumptions
    files: list[FileDocument]
    difference: TotalSpread


Simulated = Outcome | Ranged | Comparison
"""What the command answers with: one simulation, several of the same journeys, or of two files."""
