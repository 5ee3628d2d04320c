"""Which win-backs ask for the same people."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.audience import Audience
from models.journey import WinBack
from models.journey_file import read_journey
from policies.audience_overlap import overlaps

EXAMPLES = Path(__file__).parents[2] / "examples"


def _audience(least: int, most: int | None = None, **total: Any) -> Audience:
    return Audience.model_validate(
        {"inactive_days": least, "inactive_days_max": most, "last_order_total": total or None}
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (_audience(60, 89), _audience(90, 179), False),
        (_audience(60, 90), _audience(90, 180), True),
        (_audience(60), _audience(90, 179), True),
        (_audience(90, 179), _audience(180), False),
        (_audience(60, min=20, max=50), _audience(60, min=50.01), False),
        (_audience(60, min=20, max=50), _audience(60, min=50), True),
        (_audience(60, max=19), _audience(60, min=20), False),
        (_audience(60, max=19), _audience(60), True),
    ],
)
def test_two_filters_overlap_where_both_ranges_have_a_value_in_common(
    one: Audience, other: Audience, *, expected: bool
) -> None:
    """Days and amounts, both ends included; an end that is left out is open."""
    assert overlaps(one, other) is expected
    assert overlaps(other, one) is expected


_DAYS = st.tuples(st.integers(1, 12), st.none() | st.integers(0, 6))


@given(_DAYS, _DAYS)
def test_it_is_what_trying_every_day_says(first: tuple[int, int | None], second: tuple[int, int | None]) -> None:
    """Somebody of some number of days passes both filters, or nobody does."""
    one, other = (_audience(least, None if span is None else least + span) for least, span in (first, second))
    both = [
        day
        for day in range(1, 40)
        if all(
            each.inactive_days <= day <= (day if each.inactive_days_max is None else each.inactive_days_max)
            for each in (one, other)
        )
    ]
    assert overlaps(one, other) is bool(both)


def test_the_tiers_of_the_examples_do_not_overlap() -> None:
    """Three files side by side ask for everybody who is away for two months or more, and for nobody twice."""
    files = sorted((EXAMPLES / "win_back_tiers").glob("*.yaml"))
    tiers = [read_journey(file.read_text(encoding="utf-8")) for file in files]
    audiences = [one.audience for one in tiers if isinstance(one, WinBack)]
    assert len(audiences) == 3
    assert not any(overlaps(one, other) for one, other in combinations(audiences, 2))
    assert overlaps(_audience(60), audiences[0])
    days = {day for one in audiences for day in range(one.inactive_days, (one.inactive_days_max or 400) + 1)}
    assert days == set(range(60, 401))
    assert len({one.priority for one in tiers}) == 1
    assert {str(one.coupon) for one in tiers} == {f"preset='{name}'" for name in ("gentle", "standard", "strong")}
