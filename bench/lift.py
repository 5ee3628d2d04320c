"""How often the intervals of a holdout's lift hold the truth, on made-up customers of whom the truth is known.

What people spend is drawn with the spread that real orders have: those of the CDNOW customers, whose standard
deviation is as large as their mean. One shape has baskets twice as uneven, and no aim: it shows where it ends. The seed
is fixed; nothing else is.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.figures import Figure, note
from models.holdout import Arm, Stratum
from policies.lift import conversion, revenue

if TYPE_CHECKING:
    import numpy as np

_SEED: Final = 20260101
_AIM: Final = (0.93, 0.97)
_MEAN_MINOR: Final = 5000
_LIKE_CDNOW: Final = 1.0
_CURRENCY: Final = "USD"
_WELCH: Final = "revenue per customer, by Welch's"


@dataclass(frozen=True, slots=True)
class Group:
    """Customers who enter under one percentage, and how they really buy.

    Attributes:
        share: how many of them buy without the journey.
        gain: how many more of them buy with it.
        dearer: how much more each of those spends, as a factor.
    """

    customers: int
    control_percent: int
    share: float = 0.04
    gain: float = 0.02
    dearer: float = 1.1


@dataclass(frozen=True, slots=True)
class Shape:
    """A journey's customers. `uneven` is the standard deviation of what buyers spend, as a share of its mean."""

    name: str
    groups: tuple[Group, ...]
    uneven: float = _LIKE_CDNOW
    has_aim: bool = True


SHAPES: Final = (
    Shape("10% of 2,000", (Group(2000, 10),)),
    Shape("10% of 20,000", (Group(20_000, 10),)),
    Shape("5% of 2,000", (Group(2000, 5),)),
    Shape("10% of 2,000, no effect", (Group(2000, 10, 0.05, 0.0, 1.0),)),
    Shape("5%, then 20% of others who buy more", (Group(4000, 5), Group(1000, 20, 0.1))),
    Shape("10% of 2,000, very uneven baskets", (Group(2000, 10),), 2.0, has_aim=False),
)


def figures(trials: int) -> list[Figure]:
    """The coverage of every shape, and Welch's beside it for revenue."""
    import numpy as np  # noqa: PLC0415 - slow to load, and only this part needs it

    chance = np.random.default_rng(_SEED)
    return [one for shape in SHAPES for one in _coverage(shape, trials, chance)]


def _coverage(shape: Shape, trials: int, chance: "np.random.Generator") -> list[Figure]:
    held: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    buyers, spent = _truth(shape)
    for _ in range(trials):
        strata = [_stratum(group, shape.uneven, chance) for group in shape.groups]
        for measure, found, truth in (
            ("buyers", conversion(strata), buyers),
            ("revenue", revenue(strata, _CURRENCY), spent),
        ):
            for name, interval, true in (
                (f"{measure} per customer", found.difference, truth.treated - truth.control),
                (f"lift in {measure}", found.relative, truth.treated / truth.control - 1),
            ):
                answered[name] += interval is not None
                held[name] += interval is not None and interval.low <= true <= interval.high
        if len(strata) == 1:
            held[_WELCH] += _welch_holds(strata[0], spent.treated - spent.control)
    rows = [_figure(shape, name, held[name], answered[name], trials) for name in answered]
    if len(shape.groups) == 1:
        rows.append(note(f"lift, {shape.name}: {_WELCH}", f"{100 * held[_WELCH] / trials:.1f}% of {trials}"))
    return rows


@dataclass(frozen=True, slots=True)
class _Truth:
    """One measure per customer in both arms."""

    treated: float
    control: float


def _truth(shape: Shape) -> tuple[_Truth, _Truth]:
    """Buyers and revenue per customer, the groups weighing what they do in the comparison."""
    sizes = [one.customers * one.control_percent * (100 - one.control_percent) for one in shape.groups]
    treated = control = dearer = 0.0
    for size, group in zip(sizes, shape.groups, strict=True):
        weight, bought = size / sum(sizes), group.share + group.gain
        treated += weight * bought
        dearer += weight * bought * group.dearer
        control += weight * group.share
    return _Truth(treated, control), _Truth(_MEAN_MINOR * dearer, _MEAN_MINOR * control)


def _figure(shape: Shape, what: str, held: int, answered: int, trials: int) -> Figure:
    name = f"lift, {shape.name}: {what}"
    share = held / answered if answered else 0.0
    measured = f"{100 * share:.1f}% of {answered} (of {trials})"
    low, high = _AIM
    if not shape.has_aim:
        return note(name, measured)
    return Figure(name, f"{100 * low:.0f}-{100 * high:.0f}%", measured, low <= share <= high)


def _stratum(group: Group, uneven: float, chance: "np.random.Generator") -> Stratum:
    held_out = group.customers * group.control_percent // 100
    return Stratum(
        group.control_percent,
        treated=_arm(group.customers - held_out, group.share + group.gain, group.dearer, uneven, chance),
        control=_arm(held_out, group.share, 1.0, uneven, chance),
    )


def _arm(customers: int, share: float, dearer: float, uneven: float, chance: "np.random.Generator") -> Arm:
    buyers = int(chance.binomial(customers, share))
    sigma = math.sqrt(math.log1p(uneven**2))
    spent = chance.lognormal(math.log(_MEAN_MINOR * dearer) - sigma**2 / 2, sigma, buyers)
    return Arm(customers, buyers, {_CURRENCY: Counter(max(1, round(float(one))) for one in spent)})


def _welch_holds(stratum: Stratum, truth: float) -> bool:
    """Welch's interval of the same customers, who bought nothing as zeros."""
    # Slow to load, and only this part needs it.
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW  # type: ignore[import-untyped]  # noqa: PLC0415

    def described(arm: Arm) -> object:
        spent = {0: arm.customers - arm.converted, **arm.spent[_CURRENCY]}
        return DescrStatsW(list(spent), weights=list(spent.values()))

    low, high = CompareMeans(described(stratum.treated), described(stratum.control)).tconfint_diff(usevar="unequal")
    return bool(low <= truth <= high)
