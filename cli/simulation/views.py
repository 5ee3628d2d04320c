"""What tables and charts show of one simulation, of several, or of two files: one source, so that they agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from cli.simulation.document import Outcome
from cli.simulation.several_document import (
    AmountSpread,
    Assumptions,
    Comparison,
    CountSpread,
    DaySpread,
    PointDocument,
    Ranged,
    TotalSpread,
)
from cli.simulation.tallies import of_outcome, spread_by_period, spread_of
from reports.wording import HOLDS

_MOST_DAYS: Final = 31
"""What lasts longer is shown by week."""
_CAPS: Final = {"max_per_day": "no room left that day (max_per_day)", "portfolio_limit": "WhatsApp's limit"}
_FIGURES: Final = {
    "considered": "considered",
    "entered": "entered",
    "control": "held out, to compare with",
    "paced": "still waiting for their day",
    "skipped": "left out",
    "sent": "messages sent",
    "credits": "credits",
    "orders": "orders that belong to the journey",
    "unfinished": "not over at the end",
    "virtual_days": "days",
}
CAUTION: Final = (
    "This is what would come if the rates were so. They are assumptions of whoever ran it; nothing of it was measured, "
    "and it does not foretell what real customers do."
)

AnySpread = CountSpread | AmountSpread


@dataclass(frozen=True, slots=True)
class Side:
    """One column of figures: everything, or one of two files.

    Attributes:
        label: short, for legends; empty where there is only one.
        title: whose it is, in full.
    """

    label: str
    title: str
    outcomes: Sequence[Outcome]
    points: Sequence[PointDocument] = ()

    @property
    def total(self) -> TotalSpread:
        """What its runs came to."""
        return spread_of([of_outcome(one) for one in self.outcomes])


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, or one column of a table."""

    name: str
    values: Sequence[AnySpread]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines that have a unit in common.

    Attributes:
        series: empty where there is nothing to draw.
        nothing: what is said then.
    """

    title: str
    unit: str
    series: Sequence[Series]
    nothing: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is shown.

    Attributes:
        difference: the second side less the first.
        weekly: whether `begins` are Mondays.
        begins: the first day of each period.
    """

    heading: str
    sides: Sequence[Side]
    difference: TotalSpread | None
    assumed: Assumptions
    weekly: bool
    begins: Sequence[date]
    charts: Sequence[Chart]

    @property
    def period(self) -> str:
        """What a row of a table is about."""
        return "week from" if self.weekly else "day"


def view_of_one(journeys: Sequence[str], assumed: Assumptions, outcome: Outcome) -> View:
    """Of a single simulation."""
    return _view(" and ".join(journeys), [Side("", " and ".join(journeys), [outcome])], assumed)


def view_of(document: Ranged | Comparison) -> View:
    """Of several."""
    if isinstance(document, Ranged):
        name, outcomes = " and ".join(document.journeys), [run.outcome for run in document.runs]
        return _view(name, [Side("", name, outcomes, document.points)], document.assumed)
    sides = [
        Side(label, f"{one.file} ({one.journey})", [run.outcome for run in one.runs], one.points)
        for label, one in zip("AB", document.files, strict=True)
    ]
    return _view("Two files side by side", sides, document.assumed, document.difference)


def _view(heading: str, sides: Sequence[Side], assumed: Assumptions, difference: TotalSpread | None = None) -> View:
    weekly = max(len(one.days) for side in sides for one in side.outcomes) > _MOST_DAYS
    rows = [{one.date: one for one in spread_by_period(side.outcomes, weeks=weekly)} for side in sides]
    begins = sorted({begin for side in rows for begin in side})
    named = [
        (side.label, [_row(of_side, begin, begins) for begin in begins])
        for side, of_side in zip(sides, rows, strict=True)
    ]
    return View(heading, sides, difference, assumed, weekly, begins, _charts(named))


def _row(rows: dict[date, DaySpread], begin: date, begins: Sequence[date]) -> DaySpread:
    """The side's own row; after its end what it had come to stands."""
    if begin in rows:
        return rows[begin]
    last = rows[max(one for one in begins if one in rows)]
    return DaySpread(day=last.day, date=begin, figures={}, revenue={}, revenue_so_far=last.revenue_so_far)


def _charts(sides: Sequence[tuple[str, Sequence[DaySpread]]]) -> list[Chart]:
    currencies = sorted({currency for _, rows in sides for row in rows for currency in row.revenue_so_far})
    return [
        Chart("Messages sent", "messages", _counted(sides, ["sent"], {"sent": "messages"}), "Nothing was sent."),
        Chart(
            "Stages held",
            "stages that began to wait",
            _split(sides, "holds", {word.value: text for word, text in HOLDS.items()}),
            "No stage was held.",
        ),
        Chart("Caps reached", "people who had to wait", _split(sides, "capped", _CAPS), "No cap was reached."),
        Chart("Credits spent", "credits", _counted(sides, ["credits"], {"credits": "credits"}), "None were spent."),
        *(
            Chart(f"Revenue so far, {currency}", currency, _revenue(sides, currency), "No order came in.")
            for currency in currencies
        ),
    ] + ([] if currencies else [Chart("Revenue so far", "", [], "No order that belongs to the journey came in.")])


def _split(sides: Sequence[tuple[str, Sequence[DaySpread]]], of: str, words: dict[str, str]) -> list[Series]:
    names = dict.fromkeys(
        name for _, rows in sides for row in rows for name in row.figures if name.startswith(f"{of}:")
    )
    return _counted(sides, list(names), {f"{of}:{word}": word.replace("_", " ") for word in words})


def _counted(
    sides: Sequence[tuple[str, Sequence[DaySpread]]], names: Iterable[str], words: dict[str, str]
) -> list[Series]:
    none = CountSpread(lowest=0, middle=0, highest=0)
    found = []
    for name in names:
        for label, rows in sides:
            values = [row.figures.get(name, none) for row in rows]
            if any(one.highest for one in values):
                found.append(Series(_labelled(words.get(name, name), label), values))
    return found


def _revenue(sides: Sequence[tuple[str, Sequence[DaySpread]]], currency: str) -> list[Series]:
    none = AmountSpread(lowest="0", middle="0", highest="0")
    return [
        Series(_labelled(currency, label), [row.revenue_so_far.get(currency, none) for row in rows])
        for label, rows in sides
    ]


def _labelled(name: str, label: str) -> str:
    return f"{label}: {name}" if label else name


def figure_rows(view: View) -> list[tuple[str, list[AnySpread]]]:
    """The totals, a name and its figures: of each side, and of the difference."""
    totals = [side.total for side in view.sides] + ([view.difference] if view.difference is not None else [])
    none = CountSpread(lowest=0, middle=0, highest=0)
    rows: list[tuple[str, list[AnySpread]]] = []
    names = dict.fromkeys([*_FIGURES, *(name for one in totals for name in one.figures)])
    for name in names:
        found: list[AnySpread] = [one.figures.get(name, none) for one in totals]
        if name in _FIGURES or any(one.lowest or one.highest for one in found):
            rows.append((_in_words(name), found))
    for currency in sorted({currency for one in totals for currency in one.revenue}):
        nothing = AmountSpread(lowest="0", middle="0", highest="0")
        rows.append((f"revenue, {currency}", [one.revenue.get(currency, nothing) for one in totals]))
    return rows


def _in_words(name: str) -> str:
    kind, _, word = name.partition(":")
    match kind:
        case "exits":
            return f"ended: {word.replace('_', ' ')}"
        case "holds":
            return f"held: {word.replace('_', ' ')}"
        case "capped":
            return f"capped: {_CAPS.get(word, word)}"
        case _:
            return _FIGURES.get(name, name)


def assumption_lines(assumed: Assumptions) -> list[str]:
    """What the figures rest on, a sentence each."""
    lines = []
    if assumed.replies is None or assumed.order_rate is None:
        lines.append("Customers do what the files say and nothing else.")
    else:
        lines.append(
            f"Invented: {_range(assumed.replies.low, assumed.replies.high)} of messages are answered, "
            f"{_range(assumed.order_rate.low, assumed.order_rate.high)} bring an order, "
            f"{assumed.stops:.1%} are answered with STOP."
        )
        lines.append("Who orders by invention spends what they spent the last time, or completes the cart they left.")
    seeds = ", ".join(str(seed) for seed in assumed.seeds)
    lines.append(f"The draws begin from seed {seeds}; the people are the same in every run.")
    lines.append(f"{assumed.as_of} is the day that counted as today; the days shown are those of the virtual calendar.")
    lines.append(f"In credits, a message costs {assumed.message_price} and a call of the model {assumed.call_price}.")
    lines.append(
        "Revenue is what orders that belong to the journey come to (attribution window or coupon), before costs."
    )
    return lines


def _range(low: float, high: float) -> str:
    return f"{low:.1%}" if low == high else f"{low:.1%} to {high:.1%}"


def in_a_cell(spread: AnySpread) -> str:
    """`12`, or `12 (9-15)` where the runs differ."""
    if spread.lowest == spread.highest:
        return str(spread.middle)
    return f"{spread.middle} ({spread.lowest} to {spread.highest})"
