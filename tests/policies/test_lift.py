"""What a journey brought, by its holdout."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep  # type: ignore[import-untyped]
from statsmodels.stats.weightstats import DescrStatsW  # type: ignore[import-untyped]

from models.enums import LiftAnswer
from models.holdout import Arm, Stratum
from policies.lift import Comparison, Estimate, conversion, revenue

USD = "USD"


def stratum(treated: Arm, control: Arm, *, percent: int = 10) -> Stratum:
    """Customers under one percentage."""
    return Stratum(percent, treated, control)


def arm(customers: int, converted: int, *, each: int = 5000, currency: str = USD) -> Arm:
    """An arm whose buyers spend a little more, one after the other."""
    return Arm(customers, converted, {currency: {each + number: 1 for number in range(converted)}})


def known(estimate: Estimate | None) -> Estimate:
    """The estimate, which there is."""
    assert estimate is not None
    return estimate


def test_two_shares_are_compared_by_newcombes_method() -> None:
    """With one stratum the interval is the one that statsmodels gives for two proportions."""
    found = known(conversion([stratum(arm(1800, 108), arm(200, 8))]).difference)
    low, high = confint_proportions_2indep(108, 1800, 8, 200, method="newcomb", compare="diff")
    assert found.value == pytest.approx(108 / 1800 - 8 / 200)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_what_buyers_spend_gets_students_interval_on_the_logarithm() -> None:
    """Where everybody buys, an arm's interval is the mean, times and divided by what Student's t says."""
    spent = {1000: 30, 2000: 50, 9000: 40}
    everybody = Arm(120, 120, {USD: spent})
    found = known(revenue([stratum(everybody, everybody)], USD).treated)
    described = DescrStatsW(list(spent), weights=list(spent.values()))
    _, high = described.tconfint_mean()
    share = known(conversion([stratum(everybody, everybody)]).treated)
    reach = (high - described.mean) / described.mean
    assert found.value == pytest.approx(described.mean)
    assert found.high == pytest.approx(described.mean * math.exp(reach))
    assert found.low == pytest.approx(described.mean * math.exp(-math.hypot(reach, math.log(1 / share.low))))


@pytest.mark.parametrize(
    ("treated", "control", "answer"),
    [
        (arm(1800, 180), arm(200, 6), LiftAnswer.GAIN),
        (arm(1800, 54), arm(200, 24), LiftAnswer.LOSS),
        (arm(1800, 92), arm(200, 10), LiftAnswer.NO_DIFFERENCE),
        (arm(1800, 100), arm(99, 9), LiftAnswer.NOT_ENOUGH_DATA),
        (arm(99, 9), arm(1800, 100), LiftAnswer.NOT_ENOUGH_DATA),
        (arm(1800, 40), arm(200, 6), LiftAnswer.NOT_ENOUGH_DATA),
        (arm(1800, 0), arm(200, 0), LiftAnswer.NOT_ENOUGH_DATA),
        (arm(1800, 90), arm(0, 0), LiftAnswer.NOT_ENOUGH_DATA),
    ],
)
def test_the_answer_comes_first(treated: Arm, control: Arm, answer: LiftAnswer) -> None:
    """A gain or a loss only where the whole interval is on one side, and nothing at all from too few."""
    found = conversion([stratum(treated, control)])
    assert found.answer is answer
    assert (found.difference is None) == (answer is LiftAnswer.NOT_ENOUGH_DATA) == bool(found.lacking)


def test_without_anybody_held_out_there_is_nothing_to_compare() -> None:
    """No stratum has a control group: that is another answer than too little data."""
    assert conversion([]) == revenue([], USD) == Comparison(LiftAnswer.NO_HOLDOUT)


def test_what_is_lacking_is_told_by_expectation_and_not_by_luck() -> None:
    """Buyers of the smaller arm are reckoned from the rate of both: a control group that had bad luck is looked at."""
    (lacking,) = conversion([stratum(arm(1900, 38), arm(100, 2))]).lacking
    assert (lacking.control, lacking.customers, lacking.buyers, lacking.more) == (True, 100, 2.0, 150)
    unlucky = conversion([stratum(arm(1900, 190), arm(100, 0))])
    assert unlucky.answer is LiftAnswer.GAIN
    assert unlucky.relative is None


def test_revenue_needs_buyers_that_differ_from_each_other() -> None:
    """One buyer in an arm says nothing of how differently people spend, however many are expected."""
    found = revenue([stratum(arm(1900, 190), arm(100, 1))], USD)
    assert (found.answer, found.difference, found.lacking) == (LiftAnswer.NOT_ENOUGH_DATA, None, ())


def test_currencies_are_never_added_together() -> None:
    """What was spent in another currency is nothing in this one."""
    mixed = Arm(1000, 100, {USD: {5000: 60}, "EUR": {4000: 40}})
    found = revenue([stratum(mixed, mixed)], "EUR")
    assert known(found.treated).value == pytest.approx(40 * 4000 / 1000)
    assert known(found.difference).value == 0


def test_extra_is_the_difference_over_all_the_treated() -> None:
    """So many customers bought who would not have, with the interval's own ends."""
    found = conversion([stratum(arm(1800, 180), arm(200, 6))])
    difference, extra = known(found.difference), known(found.extra)
    assert (extra.value, extra.low, extra.high) == pytest.approx(
        (difference.value * 1800, difference.low * 1800, difference.high * 1800)
    )


def test_customers_are_compared_with_those_who_had_the_same_chance_of_being_held_out() -> None:
    """A percentage raised for people who buy more anyway makes no difference where there is none within either."""
    few = stratum(arm(9500, 190), arm(500, 10), percent=5)
    many = stratum(arm(500, 100), arm(500, 100), percent=50)
    assert known(conversion([few, many]).difference).value == pytest.approx(0)
    assert known(revenue([few, many], USD).difference).value == pytest.approx(0, abs=40)
    # Thrown together, those held out would seem to buy far more.
    assert conversion([stratum(arm(10_000, 290), arm(1000, 110))]).answer is LiftAnswer.LOSS


def test_a_stratum_with_one_arm_alone_changes_nothing() -> None:
    """Customers who have nobody to be compared with say nothing."""
    one = stratum(arm(1800, 180), arm(200, 6))
    assert conversion([one, stratum(arm(500, 400), Arm(), percent=1)]) == conversion([one])


ARMS = st.builds(
    lambda customers, share: arm(customers, int(customers * share)),
    st.integers(0, 5000),
    st.floats(0, 1),
)
STRATA = st.lists(st.builds(stratum, ARMS, ARMS), max_size=3)


@given(STRATA, st.sampled_from([conversion, lambda strata: revenue(strata, USD)]))
def test_every_answer_agrees_with_its_intervals(
    strata: list[Stratum], measure: Callable[[list[Stratum]], Comparison]
) -> None:
    """Whatever was counted: a figure lies in its interval, and what includes nothing is never called a gain."""
    found = measure(strata)
    for one in (found.treated, found.control, found.difference, found.relative, found.extra):
        if one is not None:
            assert one.low <= one.value + 1e-9
            assert one.value <= one.high + 1e-9
    if found.answer in (LiftAnswer.GAIN, LiftAnswer.LOSS):
        for one in (found.difference, found.relative, found.extra):
            assert one is None or one.low * one.high > 0
    if found.difference is None:
        assert found.answer in (LiftAnswer.NOT_ENOUGH_DATA, LiftAnswer.NO_HOLDOUT)
        assert found.treated is found.control is found.relative is found.extra is None
