"""When the runs of a daily review begin."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sending import Weekday
from policies.calendar import local_date
from policies.run_times import Oddity, RunTimes

MADRID, NEW_YORK = ZoneInfo("Europe/Madrid"), ZoneInfo("America/New_York")
EVERY_DAY = frozenset(Weekday)
ZONES = (
    *("Europe/Madrid", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"),
    *("Africa/Casablanca", "Pacific/Auckland", "America/Sao_Paulo"),
)


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    """A moment in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_nine_stays_nine_when_the_clocks_change() -> None:
    """The run before the change and the one after it begin at the same local time, an hour apart in UTC."""
    runs = RunTimes(time(9), EVERY_DAY, MADRID).runs(at(2027, 3, 27, 0))
    assert list(islice(runs, 2)) == [at(2027, 3, 27, 8), at(2027, 3, 28, 7)]


def test_days_off_have_no_run() -> None:
    """The run after Friday's is Monday's."""
    weekdays = frozenset(set(Weekday) - {Weekday.SAT, Weekday.SUN})
    assert RunTimes(time(9), weekdays, MADRID).following(at(2027, 1, 15, 8, 1)) == at(2027, 1, 18, 8)


def test_a_run_at_the_moment_itself_counts() -> None:
    """The run that is due now is both the following and the latest one."""
    times = RunTimes(time(9), EVERY_DAY, MADRID)
    assert times.following(at(2027, 1, 15, 8)) == times.latest(at(2027, 1, 15, 8)) == at(2027, 1, 15, 8)


@pytest.mark.parametrize(
    ("zone", "day", "clock", "begins", "oddity"),
    [
        (MADRID, date(2027, 3, 28), time(2, 30), at(2027, 3, 28, 1), Oddity.MISSING),
        (MADRID, date(2027, 10, 31), time(2, 30), at(2027, 10, 31, 0, 30), Oddity.TWICE),
        (NEW_YORK, date(2027, 3, 14), time(2, 30), at(2027, 3, 14, 7), Oddity.MISSING),
        (NEW_YORK, date(2027, 11, 7), time(1, 30), at(2027, 11, 7, 5, 30), Oddity.TWICE),
        (ZoneInfo("America/Santiago"), date(2027, 9, 5), time(0, 30), at(2027, 9, 5, 4), Oddity.MISSING),
        (ZoneInfo("Australia/Lord_Howe"), date(2027, 10, 3), time(2, 15), at(2027, 10, 2, 15, 30), Oddity.MISSING),
    ],
)
def test_a_day_that_a_clock_change_touches_has_one_run(
    zone: ZoneInfo, day: date, clock: time, begins: datetime, oddity: Oddity
) -> None:
    """A time that is jumped over runs right after the gap, one that comes twice the first time, and the day is told."""
    times = RunTimes(clock, EVERY_DAY, zone)
    assert times.on(day) == begins
    odd = times.odd_days(begins - timedelta(days=30), days=60)
    assert [(one.day, one.oddity, one.at) for one in odd] == [(day, oddity, begins)]


def test_a_day_that_the_zone_skipped_has_no_run() -> None:
    """Samoa had no 30 December 2011."""
    times = RunTimes(time(9), EVERY_DAY, ZoneInfo("Pacific/Apia"))
    assert times.on(date(2011, 12, 30)) is None
    assert times.following(at(2011, 12, 29, 20)) == at(2011, 12, 30, 19)


@given(
    st.sampled_from(ZONES),
    st.times(max_value=time(23, 59)).map(lambda one: one.replace(second=0, microsecond=0)),
    st.frozensets(st.sampled_from(Weekday), min_size=1),
)
def test_a_year_has_one_run_on_each_active_day(name: str, clock: time, weekdays: frozenset[Weekday]) -> None:
    """In any zone, whatever the time: one run on each active local day, none on another, not before its time."""
    zone = ZoneInfo(name)
    times = RunTimes(clock, weekdays, zone)
    days = [date(2027, 1, 2) + timedelta(days=number) for number in range(363)]
    wanted = [day for day in days if tuple(Weekday)[day.weekday()] in weekdays]
    runs = list(islice(times.runs(at(2027, 1, 1, 0)), 400))
    found = [one for one in runs if days[0] <= local_date(one, zone) <= days[-1]]
    assert [local_date(one, zone) for one in found] == wanted
    assert found == sorted(found)
    assert all(one.astimezone(zone).time() >= clock for one in found)
    odd = {one.day: one.at for one in times.odd_days(at(2027, 1, 2, 12), days=362)}
    for one in found:
        assert times.following(one) == one == times.latest(one)
        assert one.astimezone(zone).time() == clock or odd[local_date(one, zone)] == one
