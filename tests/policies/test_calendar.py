"""Sending hours, spans and local days, over zones whose clocks do everything that clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.journey import Span, Weekday
from policies.calendar import (
    SendingHours,
    add_span,
    closes_at,
    inactive_days,
    is_open,
    local_date,
    next_opening,
    start_of_local_day,
)

BERLIN, NEW_YORK, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")
APIA, SAO_PAULO, LORD_HOWE = ZoneInfo("Pacific/Apia"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Australia/Lord_Howe")

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
]

# Clock changes: Berlin and New York, both ways; Sao Paulo at midnight; Lord Howe by half an hour; Apia's lost day.
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2006, 4, 2, 3, 31, tzinfo=UTC),
]

zones = st.sampled_from(ZONES).map(ZoneInfo)
anywhen = st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
near_a_change = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-200_000, 200_000),
)
moments = st.one_of(anywhen, near_a_change)


@st.composite
def sending_hours(draw: st.DrawFn) -> SendingHours:
    """Any hours that a file can hold."""
    start = draw(st.integers(0, 1439))
    end = draw(st.integers(1, 1440).filter(lambda minute: minute != start))
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return SendingHours(start, end, days)


def at(zone: ZoneInfo, text: str, fold: int = 0) -> datetime:
    """A local time as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def span(text: str) -> Span:
    """A span as it is written."""
    return Span.model_validate(text)


DAYTIME = SendingHours.parse("08:00-22:00")
NIGHT = SendingHours.parse("20:00-02:00", [Weekday.FRI])


# --- writing hours -------------------------------------------------------------------------------------------------


def test_parse_reads_plain_hours() -> None:
    """Hours are half-open minutes of the day on every day unless days are named."""
    assert SendingHours.parse("08:00-22:00") == SendingHours(480, 1320, frozenset(range(7)))


def test_business_is_monday_to_friday_of_the_named_days() -> None:
    """`business` keeps only those of the named weekdays that are working days."""
    assert SendingHours.parse("Business") == SendingHours(480, 1080, frozenset(range(5)))
    assert SendingHours.parse("business", [Weekday.FRI, Weekday.SAT]).weekdays == {4}


def test_whole_day_hours_are_always_open_only_on_all_days() -> None:
    """`00:00-24:00` never closes, unless a weekday is missing."""
    assert SendingHours.parse("00:00-24:00").always
    assert not SendingHours.parse("00:00-24:00", [Weekday.MON]).always


@pytest.mark.parametrize(
    "text", ["25:00-26:00", "08:60-09:00", "08:00-25:00", "24:00-08:00", "09:00-09:00", "9-17", ""]
)
def test_impossible_hours_are_refused(text: str) -> None:
    """Times that no clock shows, empty intervals and other writing are errors."""
    with pytest.raises(ValueError, match=r"\w"):
        SendingHours.parse(text)


def test_hours_without_a_day_are_refused() -> None:
    """No weekday at all, or none that `business` keeps, is an error."""
    with pytest.raises(ValueError, match="weekdays is empty"):
        SendingHours.parse("08:00-22:00", [])
    with pytest.raises(ValueError, match="Monday to Friday"):
        SendingHours.parse("business", [Weekday.SUN])


# --- open or closed ------------------------------------------------------------------------------------------------


def test_the_start_is_open_and_the_end_is_closed() -> None:
    """08:00 sharp is open, 22:00 sharp is closed."""
    assert is_open(at(BERLIN, "2026-07-01T08:00"), DAYTIME, BERLIN)
    assert not is_open(at(BERLIN, "2026-07-01T22:00"), DAYTIME, BERLIN)
    assert not is_open(at(BERLIN, "2026-07-01T07:59:59.999999"), DAYTIME, BERLIN)
    assert is_open(at(BERLIN, "2026-07-01T21:59:59.999999"), DAYTIME, BERLIN)


def test_a_window_across_midnight_belongs_to_the_day_it_starts_on() -> None:
    """Friday's night window is open early on Saturday and closed early on Friday."""
    assert is_open(at(BERLIN, "2026-07-04T01:59"), NIGHT, BERLIN)
    assert not is_open(at(BERLIN, "2026-07-03T01:59"), NIGHT, BERLIN)
    assert not is_open(at(BERLIN, "2026-07-04T20:00"), NIGHT, BERLIN)
    assert next_opening(at(BERLIN, "2026-07-04T02:00"), NIGHT, BERLIN) == at(BERLIN, "2026-07-10T20:00")
    assert closes_at(at(BERLIN, "2026-07-03T23:00"), NIGHT, BERLIN) == at(BERLIN, "2026-07-04T02:00")


def test_opening_in_a_gap_is_the_gaps_end() -> None:
    """Hours from 02:30 open at 03:00 on the night on which 02:30 does not happen."""
    hours = SendingHours.parse("02:30-05:00")
    assert next_opening(at(BERLIN, "2026-03-29T01:00"), hours, BERLIN) == at(BERLIN, "2026-03-29T03:00")


def test_the_wall_clock_rules_both_times_in_a_fold() -> None:
    """Hours until 02:30 close twice on the night on which 02:30 happens twice."""
    hours = SendingHours.parse("01:00-02:30")
    first, second = at(BERLIN, "2026-10-25T02:30"), at(BERLIN, "2026-10-25T02:30", fold=1)
    assert closes_at(at(BERLIN, "2026-10-25T01:00"), hours, BERLIN) == first
    assert next_opening(first, hours, BERLIN) == at(BERLIN, "2026-10-25T02:00", fold=1)
    assert closes_at(at(BERLIN, "2026-10-25T02:00", fold=1), hours, BERLIN) == second


def test_nine_in_the_morning_stays_nine_across_a_clock_change() -> None:
    """The opening follows the wall clock, so it moves by an hour in UTC."""
    hours = SendingHours.parse("09:00-10:00")
    assert next_opening(at(NEW_YORK, "2026-03-07T10:00"), hours, NEW_YORK) == datetime(2026, 3, 8, 13, tzinfo=UTC)
    assert next_opening(at(NEW_YORK, "2026-03-06T10:00"), hours, NEW_YORK) == datetime(2026, 3, 7, 14, tzinfo=UTC)


def test_a_weekly_window_on_a_skipped_day_opens_a_week_later() -> None:
    """Apia had no Friday 30 December 2011, so Friday hours opened on 6 January 2012."""
    hours = SendingHours.parse("09:00-10:00", [Weekday.FRI])
    assert next_opening(at(APIA, "2011-12-23T10:00"), hours, APIA) == at(APIA, "2012-01-06T09:00")


def test_hours_that_never_close_have_no_end() -> None:
    """Always-open hours close at no moment, and adjacent whole days are one interval."""
    now = datetime(2026, 5, 5, tzinfo=UTC)
    assert closes_at(now, SendingHours.parse("00:00-24:00"), BERLIN) is None
    weekend = SendingHours.parse("00:00-24:00", [Weekday.SAT, Weekday.SUN])
    assert closes_at(at(BERLIN, "2026-07-04T12:00"), weekend, BERLIN) == at(BERLIN, "2026-07-06T00:00")


def test_the_end_asked_for_while_closed_is_that_of_the_next_interval() -> None:
    """After closing time the window in which a message can go is tomorrow's."""
    assert closes_at(at(BERLIN, "2026-07-01T23:00"), DAYTIME, BERLIN) == at(BERLIN, "2026-07-02T22:00")
    assert closes_at(at(BERLIN, "2026-07-01T22:00"), DAYTIME, BERLIN) == at(BERLIN, "2026-07-02T22:00")


def test_naive_moments_are_refused() -> None:
    """A moment without a zone has no place on the calendar."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point of the test
    for ask in (is_open, next_opening, closes_at):
        with pytest.raises(ValueError, match="naive"):
            ask(naive, DAYTIME, BERLIN)
    with pytest.raises(ValueError, match="naive"):
        local_date(naive, BERLIN)


@given(moments, sending_hours(), zones, st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
@settings(max_examples=400)
def test_next_opening_is_the_first_open_moment(
    now: datetime, hours: SendingHours, zone: ZoneInfo, shares: list[float]
) -> None:
    """The opening is open, not before now, and nothing between is open."""
    opening = next_opening(now, hours, zone)
    assert opening.tzinfo is UTC
    assert opening >= now
    assert is_open(opening, hours, zone)
    if opening > now:
        probes = [now + (opening - now) * share for share in shares]
        probes += [opening - timedelta(microseconds=1), opening - timedelta(minutes=1)]
        assert not any(is_open(probe, hours, zone) for probe in probes if now <= probe < opening)


@given(moments, sending_hours(), zones, st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
@settings(max_examples=400)
def test_closes_at_is_the_end_of_an_unbroken_open_interval(
    now: datetime, hours: SendingHours, zone: ZoneInfo, shares: list[float]
) -> None:
    """Everything from an open moment to its closing is open, and the closing is not."""
    opening = next_opening(now, hours, zone)
    closing = closes_at(opening, hours, zone)
    if hours.always:
        assert closing is None
        return
    assert closing is not None
    assert closing > opening
    assert not is_open(closing, hours, zone)
    probes = [opening + (closing - opening) * share for share in shares]
    probes.append(closing - timedelta(microseconds=1))
    assert all(is_open(probe, hours, zone) for probe in probes if probe < closing)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("text", ["00:30-02:15", "23:30-01:10", "02:00-03:00", "08:00-22:00"])
def test_searches_agree_with_a_walk_minute_by_minute(change: datetime, text: str) -> None:
    """Around every clock change the searches find what asking each minute finds."""
    hours = SendingHours.parse(text)
    start = change - timedelta(hours=30)
    for zone in map(ZoneInfo, ZONES):
        walked = [is_open(start + timedelta(minutes=n), hours, zone) for n in range(60 * 60)]
        for n in range(0, 25 * 60, 97):
            moment = start + timedelta(minutes=n)
            if True not in walked[n:]:  # Apia's lost day
                continue
            opening = n + walked[n:].index(True)
            assert next_opening(moment, hours, zone) == start + timedelta(minutes=opening)
            if walked[n] and False in walked[n:]:
                closing = n + walked[n:].index(False)
                assert closes_at(moment, hours, zone) == start + timedelta(minutes=closing)


# --- spans ---------------------------------------------------------------------------------------------------------


def test_hours_are_elapsed_time_and_days_are_calendar_time() -> None:
    """Across a clock change 24h and 1d part."""
    anchor = at(BERLIN, "2026-03-28T09:00")
    assert add_span(anchor, span("24h"), BERLIN) == at(BERLIN, "2026-03-29T10:00")
    assert add_span(anchor, span("1d"), BERLIN) == at(BERLIN, "2026-03-29T09:00")
    assert add_span(anchor, span("90m"), BERLIN) == anchor + timedelta(minutes=90)


def test_months_end_on_the_last_day_of_a_short_month() -> None:
    """31 January and a month is the last day of February, and two months is 31 March."""
    anchor = at(BERLIN, "2026-01-31T10:00")
    assert add_span(anchor, span("1mo"), BERLIN) == at(BERLIN, "2026-02-28T10:00")
    assert add_span(anchor, span("2mo"), BERLIN) == at(BERLIN, "2026-03-31T10:00")
    assert add_span(anchor, span("25mo"), BERLIN) == at(BERLIN, "2028-02-29T10:00")


def test_a_span_into_a_gap_moves_forward_past_it() -> None:
    """02:30 on the night without one becomes 03:30, and a lost day becomes the next at the same time."""
    assert add_span(at(BERLIN, "2026-03-28T02:30"), span("1d"), BERLIN) == at(BERLIN, "2026-03-29T03:30")
    assert add_span(at(APIA, "2011-12-29T10:00"), span("1d"), APIA) == at(APIA, "2011-12-31T10:00")


def test_a_span_into_a_fold_takes_the_first_occurrence() -> None:
    """02:30 on the night with two is the earlier one."""
    assert add_span(at(BERLIN, "2026-10-24T02:30"), span("1d"), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_an_empty_span_is_the_anchor_even_in_a_fold() -> None:
    """0d from the second 02:30 does not go back to the first."""
    anchor = at(BERLIN, "2026-10-25T02:30", fold=1)
    assert add_span(anchor, span("0d"), BERLIN) == anchor


def test_a_span_beyond_the_calendar_is_a_value_error() -> None:
    """The year 10000 cannot be written down."""
    anchor = datetime(9999, 12, 1, 12, tzinfo=UTC)
    for text in ("2mo", "60d", "2000h"):
        with pytest.raises(ValueError, match="beyond"):
            add_span(anchor, span(text), BERLIN)


@given(moments, st.integers(1, 400), zones)
@settings(max_examples=200)
def test_days_keep_the_local_time(anchor: datetime, days: int, zone: ZoneInfo) -> None:
    """After so many days the wall shows the same time, or it does not exist on that day and a later one is shown."""
    before = anchor.astimezone(zone).replace(tzinfo=None)
    result = add_span(anchor, Span.model_validate(f"{days}d"), zone)
    after = result.astimezone(zone).replace(tzinfo=None)
    wanted = before + timedelta(days=days)
    assert result.tzinfo is UTC
    if after != wanted:
        assert after > wanted
        exists = wanted.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted
        assert not exists


@given(moments, st.integers(1, 60), zones)
@settings(max_examples=200)
def test_months_land_in_the_month_so_many_later(anchor: datetime, months: int, zone: ZoneInfo) -> None:
    """The result lies in the right month on the same day, or on the last day of a shorter one."""
    before = anchor.astimezone(zone)
    after = add_span(anchor, Span.model_validate(f"{months}mo"), zone).astimezone(zone)
    if zone.key == "Pacific/Apia" and after.date() == date(2011, 12, 31):
        return  # the target can be the day that was skipped
    assert (after.year * 12 + after.month) - (before.year * 12 + before.month) == months
    last = (date(after.year + after.month // 12, after.month % 12 + 1, 1) - timedelta(days=1)).day
    assert after.day == min(before.day, last)


# --- local days ----------------------------------------------------------------------------------------------------


def test_inactive_days_are_calendar_dates_of_the_store() -> None:
    """An order late yesterday is one day old early today, and the zone decides which day that was."""
    assert inactive_days(at(KOLKATA, "2026-05-01T23:59"), at(KOLKATA, "2026-05-02T00:01"), KOLKATA) == 1
    assert inactive_days(at(KOLKATA, "2026-05-01T23:59"), at(KOLKATA, "2026-05-02T00:01"), NEW_YORK) == 0
    assert inactive_days(at(BERLIN, "2026-01-01T09:00"), at(BERLIN, "2026-03-02T08:00"), BERLIN) == 60


def test_a_day_without_midnight_starts_after_the_jump() -> None:
    """On 4 November 2018 Sao Paulo's day started at 01:00."""
    assert start_of_local_day(date(2018, 11, 4), SAO_PAULO) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_a_day_whose_midnight_lies_inside_a_jump_starts_at_the_jumps_end() -> None:
    """Toronto's clocks went from 23:30 to 00:30 on 30 March 1919, so the 31st started at half past midnight."""
    toronto = ZoneInfo("America/Toronto")
    start = start_of_local_day(date(1919, 3, 31), toronto)
    assert start.astimezone(toronto).replace(tzinfo=None).isoformat() == "1919-03-31T00:30:00"


@given(moments, zones)
@settings(max_examples=300)
def test_a_local_day_starts_at_its_first_moment(moment: datetime, zone: ZoneInfo) -> None:
    """The start has the day's date, and a moment before it has an earlier one."""
    day = local_date(moment, zone)
    start = start_of_local_day(day, zone)
    assert start.tzinfo is UTC
    assert start <= moment or local_date(start, zone) == day
    assert local_date(start, zone) == day
    assert local_date(start - timedelta(microseconds=1), zone) < day
    assert start_of_local_day(day + timedelta(days=1), zone) > start
