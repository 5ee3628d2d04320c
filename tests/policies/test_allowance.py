"""How much a portfolio and a number may do, and whose turn is when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.enums import JourneyKind
from models.warm_up import WarmUp
from policies.allowance import (
    HIGHEST_STEP,
    TURN_AFTER,
    forbids_marketing,
    has_allowance,
    kept_from,
    next_turn,
    number_allowance,
    tier_of,
    warmed_up,
)
from policies.throughput import PAIR_INTERVAL, messages_per_second, pair_free_at

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WARM = WarmUp()
OLD = frozenset({JourneyKind.WIN_BACK, JourneyKind.TRACKING})

limits = st.integers(1, 100_000)
tiers = st.none() | limits
rules = st.builds(
    WarmUp,
    start=st.integers(1, 1000),
    grow=st.decimals("1", "3", places=2),
    ceiling=st.just("tier") | st.integers(1, 100_000),
)


def test_a_warm_up_grows_by_its_factor_to_the_tier() -> None:
    """50, 75, 112, ... and never more than the portfolio's limit."""
    assert [warmed_up(WARM, days, 250) for days in range(6)] == [50, 75, 112, 168, 250, 250]


@given(rules, st.integers(0, 400), tiers)
def test_a_warm_up_never_shrinks_and_stays_below_its_ceiling(rule: WarmUp, days: int, tier: int | None) -> None:
    """One more day allows as much or more; neither the tier nor the rule's own ceiling is passed."""
    today, tomorrow = warmed_up(rule, days, tier), warmed_up(rule, days + 1, tier)
    assert today is None or (tomorrow is None or today <= tomorrow)
    ceilings = [one for one in (tier, rule.ceiling) if isinstance(one, int)]
    assert today is None or today >= 1
    assert today is not None or not ceilings
    assert all(today is not None and today <= one for one in ceilings)
    assert days or today == min([rule.start, *ceilings])


@given(rules | st.none(), st.integers(0, 60), tiers)
def test_low_quality_halves_what_the_number_may_do(rule: WarmUp | None, days: int, tier: int | None) -> None:
    """Of the tier or the warm-up, whichever is less; without either of Meta's highest step; one is always left."""
    good, low = (number_allowance(tier, rule, days, word) for word in ("GREEN", "YELLOW"))
    assert low == max((HIGHEST_STEP if good is None else good) // 2, 1)
    assert low == number_allowance(tier, rule, days, "RED")


@given(limits)
def test_a_fifth_is_kept_for_follow_ups_and_carts(limit: int) -> None:
    """Everything else may fill four fifths, and where that is nobody, one."""
    for kind in JourneyKind:
        share = kept_from(limit, kind)
        assert share == (max(limit * 4 // 5, 1) if kind in OLD else limit)


def test_only_a_red_number_stops_marketing() -> None:
    """Older API versions call it flagged; what nobody knows is no reason."""
    assert [
        word for word in ("GREEN", "YELLOW", "RED", "FLAGGED", "UNKNOWN", "NA", None) if forbids_marketing(word)
    ] == [
        "RED",
        "FLAGGED",
    ]


def test_a_number_is_counted_only_where_something_limits_it() -> None:
    """A green number without a warm-up has no allowance beside its portfolio's."""
    assert not has_allowance(None, "GREEN")
    assert not has_allowance(None, None)
    assert has_allowance(WARM, "GREEN")
    assert has_allowance(None, "YELLOW")


def test_no_limit_and_none_told_are_no_limit() -> None:
    """What Meta tells as unlimited and what it has not told yet hold nobody up."""
    assert [tier_of(one) for one in (None, -1, 250)] == [None, None, 250]


@given(st.sets(st.integers(0, 86_400_000), min_size=1, max_size=8), st.integers(1, 30))
def test_turns_are_handed_out_one_place_at_a_time(offsets: set[int], waiting: int) -> None:
    """The k-th who waits gets the k-th place, and when all are promised, the same places a round later."""
    places = [NOON - timedelta(days=1) + timedelta(milliseconds=one) for one in sorted(offsets)]
    given_turns: list[datetime] = []
    for _ in range(waiting):
        after, rounds = next_turn(NOON, given_turns[-1] if given_turns else None)
        later = [one for one in places if after is None or one > after]
        rounds += not later
        given_turns.append((later or places)[0] + (rounds + 1) * TURN_AFTER)
    size = len(places)
    assert given_turns == [places[k % size] + (k // size + 1) * TURN_AFTER for k in range(waiting)]


def test_a_warm_up_is_read_as_it_is_written() -> None:
    """Text, JSON and what is stored are the same rule; parts that are left out have their usual value."""
    written = "start=20,grow=1.25,ceiling=900"
    rule = WarmUp.parse(written)
    assert rule == WarmUp(start=20, grow=Decimal("1.25"), ceiling=900)
    assert str(rule) == written
    assert WarmUp.model_validate(rule.model_dump(mode="json")) == rule
    assert WarmUp.model_validate({"grow": 1.1}).grow == Decimal("1.1")
    assert WarmUp.parse(" grow = 2 ") == WarmUp(grow=Decimal(2))
    assert WarmUp.parse("none") is None
    assert str(WARM) == "start=50,grow=1.5,ceiling=tier"


@pytest.mark.parametrize(
    "wrong", ["start=0", "grow=0.5", "ceiling=top", "ceiling=0", "speed=3", "start", "start=5,start=6", "start=a"]
)
def test_a_warm_up_that_makes_no_sense_is_refused(wrong: str) -> None:
    """The message says how one is written."""
    with pytest.raises(ValueError, match="start"):
        WarmUp.parse(wrong)
    with pytest.raises(ValidationError):
        WarmUp.model_validate({"first": 5})


def test_staff_know_a_numbers_speed_better_than_its_level() -> None:
    """What was given stands, then Meta's level, then the default."""
    assert messages_per_second(20, "HIGH") == 20
    assert messages_per_second(None, "HIGH") == 1000
    assert [messages_per_second(None, word) for word in ("STANDARD", "NOT_APPLICABLE", None)] == [80, 80, 80]


def test_one_person_gets_a_message_in_six_seconds() -> None:
    """The next one waits for the rest of them."""
    assert pair_free_at(None, NOON) is None
    assert pair_free_at(NOON, NOON + PAIR_INTERVAL) is None
    assert pair_free_at(NOON, NOON + timedelta(seconds=5)) == NOON + PAIR_INTERVAL
