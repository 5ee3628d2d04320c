"""What a journey really brought: both arms of its holdout side by side, with 95% intervals.

The share of an arm that buys gets Wilson's interval, and what a buyer spends one of Student's on the logarithm, as
what people spend is skewed; both come from statsmodels. They are put together by the method of variance estimates
recovery: Zou and Donner, "Construction of confidence limits about effect measures" (Statistics in Medicine 27, 2008).
For two shares of one stratum that is Newcombe's tenth method (Statistics in Medicine 17, 1998). `bench/lift.py`
measures how often the intervals hold the truth, beside Welch's.

With several strata, each weighs what it can tell (Mantel and Haenszel's n1 n0 / (n1 + n0)), so that customers are
compared with those alone who had the same chance of being held out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models.enums import LiftAnswer
from models.holdout import Arm, Stratum

LEVEL: Final = 0.95

LEAST_CUSTOMERS: Final = 100
"""Of each arm: of fewer, a single buyer is more than a percentage point."""

LEAST_BUYERS: Final = 5
"""Of each arm, as expected from the rate of both together (the rule of thumb of tests of frequencies).

Not as counted: an arm that waits for its own luck to turn is looked at only when it was lucky, and then an interval
that says 95% holds the truth in 60 to 90% (measured).
"""

_LEAST_SPENDERS: Final = 2
"""In each arm, or how differently they spend cannot be told."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def shows(self) -> LiftAnswer:
        """What a difference from nothing says: an interval that holds zero shows none."""
        if self.low > 0:
            return LiftAnswer.GAIN
        return LiftAnswer.LOSS if self.high < 0 else LiftAnswer.NO_DIFFERENCE

    def times(self, factor: float) -> "Estimate":
        """So many times as much."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What one arm lacks before anything is said.

    Attributes:
        control: whether it is the control group.
        customers: whose horizon is over.
        buyers: how many of them are expected to have bought, at the rate of both arms together.
        more: how many customers it takes beyond these; None while nobody has bought.
    """

    control: bool
    customers: int
    buyers: float
    more: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure per customer in both arms.

    Attributes:
        answer: in a word.
        lacking: what it takes before more can be said.
        treated: of those who were written to; None where nothing can be said, as of all that follow.
        control: of those who were held out.
        difference: treated less control.
        relative: the same as a share of control; None also where control has nothing.
        extra: the difference over all the treated who are compared.
    """

    answer: LiftAnswer
    lacking: tuple[Shortage, ...] = ()
    treated: Estimate | None = None
    control: Estimate | None = None
    difference: Estimate | None = None
    relative: Estimate | None = None
    extra: Estimate | None = None


def conversion(strata: Sequence[Stratum]) -> Comparison:
    """Buyers per customer. A stratum without both arms is compared with nobody and left out."""
    return _compared(strata, lambda arm: arm.converted, lambda one, pick: _share(one, pick, lambda arm: arm.converted))


def revenue(strata: Sequence[Stratum], currency: str) -> Comparison:
    """Revenue per customer in one currency's minor units, who bought nothing included."""

    def spenders(arm: Arm) -> int:
        return sum(arm.spent.get(currency, {}).values())

    return _compared(strata, spenders, lambda one, pick: _revenue(one, pick, currency, spenders))


_Pick = Callable[[Stratum], Arm]
_Count = Callable[[Arm], int]


def _treated(stratum: Stratum) -> Arm:
    return stratum.treated


def _control(stratum: Stratum) -> Arm:
    return stratum.control


def _compared(
    strata: Sequence[Stratum], buyers: _Count, per_customer: Callable[[Sequence[Stratum], _Pick], Estimate | None]
) -> Comparison:
    both = [one for one in strata if one.treated.customers and one.control.customers]
    if not both:
        answer = LiftAnswer.NOT_ENOUGH_DATA if strata else LiftAnswer.NO_HOLDOUT
        return Comparison(answer, _shortages(strata, buyers) if strata else ())
    lacking = _shortages(both, buyers)
    treated = control = None
    if not lacking:
        treated, control = per_customer(both, _treated), per_customer(both, _control)
    if treated is None or control is None:
        return Comparison(LiftAnswer.NOT_ENOUGH_DATA, lacking)
    difference, relative = _difference(treated, control), _relative(treated, control)
    answer = difference.shows
    if relative is not None and relative.shows is not answer:
        answer = LiftAnswer.NO_DIFFERENCE
    return Comparison(
        answer,
        treated=treated,
        control=control,
        difference=difference,
        relative=relative,
        extra=difference.times(sum(one.treated.customers for one in both)),
    )


def _shortages(strata: Sequence[Stratum], buyers: _Count) -> tuple[Shortage, ...]:
    sizes = [sum(pick(one).customers for one in strata) for pick in (_treated, _control)]
    bought = sum(buyers(arm) for one in strata for arm in (one.treated, one.control))
    rate = bought / sum(sizes) if sum(sizes) else 0.0
    found = []
    for control, customers in zip((False, True), sizes, strict=True):
        expected = customers * rate
        if customers >= LEAST_CUSTOMERS and expected >= LEAST_BUYERS:
            continue
        needed = max(LEAST_CUSTOMERS, math.ceil(LEAST_BUYERS / rate)) if rate else None
        found.append(Shortage(control, customers, expected, needed - customers if needed is not None else None))
    return tuple(found)


def _weights(strata: Sequence[Stratum]) -> list[float]:
    """What each stratum weighs; together one."""
    found = [
        one.treated.customers * one.control.customers / (one.treated.customers + one.control.customers)
        for one in strata
    ]
    return [one / sum(found) for one in found]


def _share(strata: Sequence[Stratum], pick: _Pick, buyers: _Count) -> Estimate:
    """The share that buys, over the strata."""
    # Slow to load, and rarely needed.
    from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]  # noqa: PLC0415

    value = below = above = 0.0
    for weight, one in zip(_weights(strata), strata, strict=True):
        arm = pick(one)
        share = buyers(arm) / arm.customers
        low, high = proportion_confint(buyers(arm), arm.customers, alpha=1 - LEVEL, method="wilson")
        value += weight * share
        below += (weight * (share - low)) ** 2
        above += (weight * (high - share)) ** 2
    return Estimate(value, value - math.sqrt(below), value + math.sqrt(above))


def _revenue(strata: Sequence[Stratum], pick: _Pick, currency: str, spenders: _Count) -> Estimate | None:
    """The share that buys times what a buyer spends; None where too few buy to tell how differently they spend."""
    if sum(spenders(pick(one)) for one in strata) < _LEAST_SPENDERS:
        return None
    share = _share(strata, pick, spenders)
    spend, spread = _spend(
        [
            (pick(one).spent.get(currency, {}), weight / pick(one).customers)
            for weight, one in zip(_weights(strata), strata, strict=True)
        ]
    )
    if share.low <= 0:
        return None
    value = share.value * spend
    below = math.hypot(math.log(share.value / share.low), spread)
    above = math.hypot(math.log(share.high / share.value), spread)
    return Estimate(value, value * math.exp(-below), value * math.exp(above))


def _spend(groups: Sequence[tuple[Mapping[int, int], float]]) -> tuple[float, float]:
    """What a buyer spends on average, and how far the interval of its logarithm reaches to each side.

    Args:
        groups: amounts with how many spent each, and what one buyer of the group weighs.
    """
    # Slow to load, and rarely needed.
    import numpy as np  # noqa: PLC0415
    from statsmodels.regression.linear_model import WLS  # type: ignore[import-untyped]  # noqa: PLC0415

    amounts = np.concatenate([np.repeat([float(one) for one in spent], list(spent.values())) for spent, _ in groups])
    weights = np.repeat([weight for _, weight in groups], [sum(spent.values()) for spent, _ in groups])
    # The mean of unequally weighted people with the spread that they themselves show (White's variance).
    fitted = WLS(amounts, np.ones(len(amounts)), weights=weights).fit(cov_type="HC1", use_t=True)
    mean = float(fitted.params[0])
    return mean, (float(fitted.conf_int(alpha=1 - LEVEL)[0][1]) - mean) / mean


def _difference(treated: Estimate, control: Estimate) -> Estimate:
    value = treated.value - control.value
    return Estimate(
        value,
        value - math.hypot(treated.value - treated.low, control.high - control.value),
        value + math.hypot(treated.high - treated.value, control.value - control.low),
    )


def _relative(treated: Estimate, control: Estimate) -> Estimate | None:
    """The same on the logarithm, as a share of control: 0.25 is a quarter more."""
    if min(treated.low, control.low) <= 0:
        return None
    value = math.log(treated.value / control.value)
    below = math.hypot(math.log(treated.value / treated.low), math.log(control.high / control.value))
    above = math.hypot(math.log(treated.high / treated.value), math.log(control.value / control.low))
    return Estimate(math.expm1(value), math.expm1(value - below), math.expm1(value + above))
