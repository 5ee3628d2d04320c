"""How far a sender's limits let a plan go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.reach import Reach, reach

PLANS = st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("wanted", "room", "hold_days", "expected"),
    [
        ([10], 10, 3, None),
        ([10], 4, 3, Reach(wanted=10, room=4, waiting=6, lost=0, days=3)),
        ([10], 4, 1, Reach(wanted=10, room=4, waiting=4, lost=2, days=2)),
        ([10], 4, 0, Reach(wanted=10, room=4, waiting=0, lost=6, days=1)),
        ([5, 5], 4, 3, Reach(wanted=5, room=4, waiting=3, lost=0, days=3)),
        ([10, 0, 0, 0, 0, 1], 0, 3, Reach(wanted=10, room=0, waiting=0, lost=11, days=0)),
    ],
)
def test_who_comes_first_goes_first_until_the_hold_ends(
    wanted: list[int], room: int, hold_days: int, expected: Reach | None
) -> None:
    """A message may go on its day or so many days later, in the order in which they were due."""
    assert reach(wanted, lambda _: room, hold_days) == expected


def test_room_that_grows_is_counted_day_by_day() -> None:
    """A warm-up's second day has more room than its first, and no limit at all takes everybody."""
    assert reach([10], [2, 3, 50].__getitem__, 5) == Reach(wanted=10, room=2, waiting=8, lost=0, days=3)
    assert reach([10], [2, None].__getitem__, 5) == Reach(wanted=10, room=2, waiting=8, lost=0, days=2)
    assert reach([10], lambda _: None, 5) is None


@given(PLANS, st.integers(1, 60), st.integers(0, 5))
def test_nobody_goes_twice_or_is_forgotten(plan: list[int], room: int, hold_days: int) -> None:
    """Lost and late ones are of the plan, with patience nobody is lost, and where all fit nothing is said."""
    found = reach(plan, lambda _: room, hold_days)
    assert (found is None) == (max(plan) <= room)
    if found is not None:
        assert found.lost + found.waiting <= sum(plan)
        patient = reach(plan, lambda _: room, sum(plan))
        assert patient is not None
        assert patient.lost == 0
        assert patient.days >= -(-sum(plan) // room)
