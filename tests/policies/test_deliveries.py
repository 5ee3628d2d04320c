"""When a webhook that was not taken is sent again."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from policies.deliveries import GIVEN_UP_AFTER, LONGEST_ASKED, next_try

FIRST = datetime(2030, 1, 7, 9, tzinfo=UTC)


@given(
    st.text(max_size=10),
    st.lists(st.timedeltas(timedelta(0), timedelta(seconds=30)), min_size=40, max_size=40),
    st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=400))),
)
def test_it_is_tried_for_a_day_and_to_its_end(key: str, slow: list[timedelta], asked: timedelta | None) -> None:
    """However slow the answers and whatever they ask: some tries, each later than the one before, to the day's end."""
    now, tries = FIRST + slow[0], 1
    while (again := next_try(first=FIRST, now=now, tries=tries, asked=asked, key=key)) is not None:
        assert now < again <= FIRST + GIVEN_UP_AFTER
        if asked is not None:
            assert again - now >= min(asked, LONGEST_ASKED, FIRST + GIVEN_UP_AFTER - now)
        now, tries = again + slow[tries], tries + 1
        assert tries < 40 or asked is not None
        if tries == 40:
            return
    assert FIRST + GIVEN_UP_AFTER <= now <= FIRST + GIVEN_UP_AFTER + slow[tries - 1]
    assert 3 <= tries <= 20


def test_the_pauses_grow_from_seconds_to_hours() -> None:
    """A restart is bridged within a minute, and a night takes few requests."""
    pauses = []
    now, tries = FIRST, 1
    while (again := next_try(first=FIRST, now=now, tries=tries, asked=None, key="7")) is not None:
        pauses.append(again - now)
        now, tries = again, tries + 1
    assert timedelta(seconds=5) <= pauses[0] <= timedelta(seconds=6)
    assert pauses[0] + pauses[1] <= timedelta(minutes=1)
    assert all(one <= other for one, other in itertools.pairwise(pauses[:-1]))
    assert timedelta(hours=6) <= max(pauses) <= timedelta(hours=7.2)
    assert 10 <= tries <= 13


def test_not_all_come_back_at_one_moment() -> None:
    """Deliveries that failed together are spread over a fifth of the pause."""
    moments = {next_try(first=FIRST, now=FIRST, tries=5, asked=None, key=str(number)) for number in range(100)}
    assert len(moments) > 50
