"""What simulations came to as plain numbers that can be added, taken from each other and spread over several runs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from statistics import median_low

from cli.simulation.document import DayCounts, Outcome
from cli.simulation.several_document import AmountSpread, CountSpread, DaySpread, Spread, TotalSpread
from models.money import Money


@dataclass(frozen=True, slots=True)
class Tally:
    """Figures of a day, of some days or of a whole simulation.

    Attributes:
        figures: counts by name; where a count is split by words, `name:word`.
        revenue: minor units by currency.
    """

    figures: Counter[str] = field(default_factory=Counter)
    revenue: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        figures, revenue = Counter(self.figures), Counter(self.revenue)
        figures.update(other.figures)  # unlike `+` it keeps what is zero
        revenue.update(other.revenue)
        return Tally(figures, revenue)

    def __sub__(self, other: "Tally") -> "Tally":
        figures, revenue = Counter(self.figures), Counter(self.revenue)
        figures.subtract(other.figures)
        revenue.subtract(other.revenue)
        return Tally(figures, revenue)


def of_day(day: DayCounts) -> Tally:
    """A day's figures."""
    figures = Counter(entered=day.entered, sent=day.sent, orders=day.orders, credits=day.credits)
    figures.update({f"holds:{reason}": count for reason, count in day.holds.items()})
    figures.update({f"capped:{limit}": count for limit, count in day.capped.items()})
    return Tally(figures, Counter({currency: _minor(text, currency) for currency, text in day.revenue.items()}))


def of_outcome(outcome: Outcome) -> Tally:
    """A whole simulation's figures; orders and revenue are those of the days."""
    audience = outcome.audience
    figures = Counter(
        considered=audience.considered,
        control=audience.control,
        paced=audience.paced,
        skipped=sum(audience.skipped.values()),
        unfinished=sum(outcome.unfinished.values()),
        virtual_days=outcome.virtual_days,
    )
    figures.update({f"exits:{reason}": count for reason, count in outcome.exits.items()})
    return sum((of_day(day) for day in outcome.days), Tally(figures))


def by_period(outcome: Outcome, *, weeks: bool) -> dict[date, Tally]:
    """The days' figures by date, or added up by the Monday of each week."""
    found: dict[date, Tally] = {}
    for day in outcome.days:
        begin = day.date - timedelta(days=day.date.weekday()) if weeks else day.date
        found[begin] = found.get(begin, Tally()) + of_day(day)
    return found


def spread_of(tallies: Sequence[Tally]) -> TotalSpread:
    """The lowest, the middle and the highest of each figure; each comes from one of the runs.

    Args:
        tallies: at least one.
    """
    names = dict.fromkeys(name for one in tallies for name in one.figures)
    currencies = sorted({currency for one in tallies for currency in one.revenue})
    return TotalSpread(
        figures={name: _counts(one.figures[name] for one in tallies) for name in names},
        revenue={currency: _amounts((one.revenue[currency] for one in tallies), currency) for currency in currencies},
    )


def spread_of_outcomes(outcomes: Sequence[Outcome]) -> Spread:
    """Of the whole simulations and, by day, of what had come until then."""
    total = spread_of([of_outcome(one) for one in outcomes])
    return Spread(figures=total.figures, revenue=total.revenue, days=spread_by_period(outcomes, weeks=False))


def spread_by_period(outcomes: Sequence[Outcome], *, weeks: bool) -> list[DaySpread]:
    """Day by day or week by week; a run that was over earlier has nothing more to add."""
    runs = [by_period(one, weeks=weeks) for one in outcomes]
    found, so_far = [], [Tally() for _ in runs]
    for number, begin in enumerate(sorted({begin for run in runs for begin in run}), start=1):
        here = [run.get(begin, Tally()) for run in runs]
        so_far = [before + one for before, one in zip(so_far, here, strict=True)]
        spread, until = spread_of(here), spread_of(so_far)
        found.append(
            DaySpread(
                day=number,
                date=begin,
                figures=spread.figures,
                revenue={currency: spread.revenue.get(currency, _nothing(currency)) for currency in until.revenue},
                revenue_so_far=until.revenue,
            )
        )
    return found


def _counts(numbers: Iterable[int]) -> CountSpread:
    listed = list(numbers)
    return CountSpread(lowest=min(listed), middle=median_low(listed), highest=max(listed))


def _amounts(minor: Iterable[int], currency: str) -> AmountSpread:
    found = _counts(minor)
    lowest, middle, highest = (str(Money(one, currency).amount) for one in (found.lowest, found.middle, found.highest))
    return AmountSpread(lowest=lowest, middle=middle, highest=highest)


def _nothing(currency: str) -> AmountSpread:
    return _amounts([0], currency)


def _minor(text: str, currency: str) -> int:
    return Money.of(Decimal(text), currency).minor
