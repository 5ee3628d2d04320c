"""Days, slots and their order."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.journey import SendingRules, Weekday
from policies.calendar import SendingHours, is_open, local_date, next_opening, start_of_local_day
from policies.pacing import Waiter, assign_days, put_off, spread_offset, start_moment

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 7, 6)
DAYTIME = SendingHours.parse("08:00-22:00")
BUSINESS = SendingHours.parse("business")
AT_ONCE, SPREAD = SendingRules(), SendingRules(spread="day")

zones = st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata"]).map(ZoneInfo)
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))


def local(text: str) -> datetime:
    """A time in Berlin as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@given(
    st.integers(0, 60),
    st.dictionaries(st.integers(-2, 8), st.integers(0, 9), max_size=6),
    st.integers(1, 7),
    st.booleans(),
)
def test_no_day_takes_more_than_its_number(number: int, taken: dict[int, int], most: int, workdays: bool) -> None:  # noqa: FBT001 - drawn
    """Days rise along the queue, none is overbooked by us, and none with room is passed over."""
    already = {MONDAY + timedelta(days=shift): count for shift, count in taken.items()}
    hours = BUSINESS if workdays else None
    given_days = assign_days(range(number), already_by_day=already, first_day=MONDAY, max_per_day=most, hours=hours)
    assert len(given_days) == number
    assert given_days == sorted(given_days)
    ours = Counter(given_days)
    assert all(day >= MONDAY and count + already.get(day, 0) <= most for day, count in ours.items())
    if given_days:
        for shift in range((given_days[-1] - MONDAY).days):
            day = MONDAY + timedelta(days=shift)
            closed = workdays and day.weekday() > 4
            assert closed == (day not in ours) or already.get(day, 0) >= most
            assert closed or ours[day] + already.get(day, 0) >= most


def test_a_number_below_one_is_an_error() -> None:
    """Nobody could ever enter."""
    with pytest.raises(ValueError, match="at least 1"):
        assign_days([1], already_by_day={}, first_day=MONDAY, max_per_day=0)


@given(st.text(), st.integers(-5, 200_000))
def test_an_offset_lies_within_the_open_seconds(key: str, seconds: int) -> None:
    """Never outside, and the same each time."""
    offset = spread_offset(key, seconds)
    assert offset == spread_offset(key, seconds)
    assert offset == 0 or 0 <= offset < seconds


def test_offsets_are_spread_evenly() -> None:
    """Of ten thousand keys each tenth of the day gets about a tenth."""
    tenths = Counter(spread_offset(str(key), 50_400) // 5040 for key in range(10_000))
    assert len(tenths) == 10
    assert all(850 <= count <= 1150 for count in tenths.values())


def test_without_spread_today_is_at_once_and_later_days_start_at_their_opening() -> None:
    """Today or a day that has passed starts now, tomorrow at its first open moment."""
    now = local("2026-07-06T12:34:56")
    for day in (MONDAY, MONDAY - timedelta(days=1)):
        assert start_moment("k", day, AT_ONCE, DAYTIME, BERLIN, now) == now
    assert start_moment("k", date(2026, 7, 7), AT_ONCE, DAYTIME, BERLIN, now) == local("2026-07-07T08:00")
    assert start_moment("k", date(2026, 7, 11), AT_ONCE, BUSINESS, BERLIN, now) == local("2026-07-13T08:00")


def test_spread_uses_what_remains_of_the_day() -> None:
    """Entrants of today lie between now and the closing, over all of it."""
    now = local("2026-07-06T20:00")
    starts = [start_moment(str(key), MONDAY, SPREAD, DAYTIME, BERLIN, now) for key in range(200)]
    assert now <= min(starts) < local("2026-07-06T20:10")
    assert local("2026-07-06T21:50") < max(starts) < local("2026-07-06T22:00")


def test_spread_over_a_day_that_has_closed_takes_the_next_open_day() -> None:
    """After closing time on Friday business hours go on with Monday, spread over it."""
    starts = [
        start_moment(str(key), date(2026, 7, 10), SPREAD, BUSINESS, BERLIN, local("2026-07-10T18:00"))
        for key in range(50)
    ]
    assert {start.astimezone(BERLIN).date() for start in starts} == {date(2026, 7, 13)}
    assert len(set(starts)) > 40


def test_spread_over_a_night_window_uses_both_its_parts_of_the_day() -> None:
    """A day of 20:00-02:00 has two hours in the morning and four in the evening."""
    night = SendingHours.parse("20:00-02:00")
    hours = Counter(
        start_moment(str(key), MONDAY, SPREAD, night, BERLIN, local("2026-07-05T12:00")).astimezone(BERLIN).hour
        for key in range(300)
    )
    assert set(hours) == {0, 1, 20, 21, 22, 23}


@given(
    st.text(max_size=8),
    days,
    zones,
    st.sampled_from(["00:00-24:00", "08:00-22:00", "22:00-03:00", "business"]),
    st.integers(-200_000, 200_000),
)
@settings(max_examples=150)
def test_a_spread_start_is_open_not_past_and_on_its_day(
    key: str, day: date, zone: ZoneInfo, text: str, seconds: int
) -> None:
    """The slot is inside the hours, never before now, and on the given day unless that has no open second left."""
    hours = SendingHours.parse(text, list(Weekday))
    now = start_of_local_day(day, zone) + timedelta(seconds=seconds)
    start = start_moment(key, day, SPREAD, hours, zone, now)
    assert start == start_moment(key, day, SPREAD, hours, zone, now)
    assert start >= now
    assert is_open(start, hours, zone)
    expected = local_date(next_opening(max(now, start_of_local_day(day, zone)), hours, zone), zone)
    assert local_date(start, zone) == expected


def test_whoever_missed_their_day_is_put_off_with_those_behind_them() -> None:
    """A day takes no more than before and nobody's day comes earlier; control goes along with the one before."""
    monday = date(2026, 11, 23)
    written = [(-3, False), (-3, False), (-3, True), (-2, False), (0, False), (1, True), (1, False), (9, False)]
    queue = [Waiter(monday + timedelta(days=day), control) for day, control in written]

    def put(entered: int) -> list[int]:
        days = put_off(queue, entered_today=entered, today=monday, max_per_day=2)
        return [(day - monday).days for day in days]

    assert put(0) == [0, 0, 0, 1, 1, 1, 2, 9]
    assert put(1) == [0, 1, 1, 1, 2, 2, 2, 9]
    assert put(5) == [1, 1, 1, 2, 2, 2, 3, 9]
    hours = SendingHours.parse("08:00-20:00", [Weekday.WED, Weekday.FRI])
    days = put_off(queue, entered_today=0, today=monday, max_per_day=2, hours=hours)
    assert [(day - monday).days for day in days] == [2, 2, 2, 4, 4, 4, 9, 9]
    with pytest.raises(ValueError, match="max_per_day"):
        put_off(queue, entered_today=0, today=monday, max_per_day=0)
