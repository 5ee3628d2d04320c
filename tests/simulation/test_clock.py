"""The calendar of a file on the calendar of a simulation."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.simulation.clock import opening_moment, virtual_moment
from cli.simulation.hours import watched_hours
from models.journey_file import read_journey_bytes

BERLIN = ZoneInfo("Europe/Berlin")


def on_the_clock(at: datetime, as_of: date) -> datetime:
    """The virtual time of a moment of a file, as Berlin's clocks show it."""
    opening = opening_moment(as_of, BERLIN)
    return virtual_moment(at, as_of=as_of, opening=opening, zone=BERLIN).astimezone(BERLIN)


@given(
    as_of=st.dates(date(2000, 1, 1), date(2099, 12, 1)),
    days=st.integers(-60, 60),
    minutes=st.integers(4 * 60, 24 * 60 - 1),
    second=st.integers(0, 59),
)
def test_a_moment_keeps_its_weekday_and_its_local_time(as_of: date, days: int, minutes: int, second: int) -> None:
    """Whatever year the file is from, hours and weekends are where they were, also across clock changes."""
    local = time(minutes // 60, minutes % 60, second)
    there = datetime.combine(as_of + timedelta(days=days), local, BERLIN)
    here = on_the_clock(there, as_of)
    assert (here.weekday(), here.time()) == (there.weekday(), there.time())
    assert here.date() - opening_moment(as_of, BERLIN).astimezone(BERLIN).date() == timedelta(days=days)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-23T00:10:00-03:00", datetime(2030, 3, 25, 4, 10, tzinfo=BERLIN)),
        ("2026-03-28T23:59:59.900+01:00", datetime(2030, 3, 30, 23, 59, 59, tzinfo=BERLIN)),
        ("2026-03-29T01:30:00Z", datetime(2030, 3, 31, 3, 30, tzinfo=BERLIN)),
    ],
)
def test_a_moment_is_read_in_the_stores_zone(at: str, expected: datetime) -> None:
    """A moment is one of the store's day and clock, whatever offset it is written with, in whole seconds."""
    assert on_the_clock(datetime.fromisoformat(at), date(2026, 3, 23)) == expected


JOURNEY = """\
name: hours
kind: follow_up
repeat: {every: 1h, times: 1}
message: {text: Hello}
"""


@pytest.mark.parametrize(
    ("sending", "recipient", "hour", "allowed"),
    [
        ('{hours: "09:00-18:00", time_zone: store}', "+447700900101", 8, True),
        ('{hours: "09:00-18:00", time_zone: recipient}', "+447700900101", 8, False),
        ('{hours: "09:00-18:00", time_zone: recipient}', "+447700900101", 17, True),
        ('{hours: "09:00-18:00", time_zone: recipient}', "+491511234567", 17, False),
        ('{hours: "09:00-18:00", time_zone: recipient}', "nobody", 8, True),
        ("{hours: business, time_zone: store}", "+447700900101", 7, True),
    ],
)
def test_the_sandbox_watches_the_hours_of_the_one_who_counts(
    sending: str, recipient: str, hour: int, *, allowed: bool
) -> None:
    """Hours are the recipient's where the journey says so and the number tells a zone, else the store's."""
    hours = watched_hours([read_journey_bytes(f"{JOURNEY}sending: {sending}\n".encode())], BERLIN)
    assert hours.allow(recipient, datetime(2030, 1, 15, hour, 30, tzinfo=UTC)) is allowed


def test_several_journeys_allow_what_one_of_them_allows() -> None:
    """What arrives outside the hours of all journeys is counted, and no weekend counts as business."""
    early = read_journey_bytes(f'{JOURNEY}sending: {{hours: "05:00-06:00", time_zone: store}}\n'.encode())
    business = read_journey_bytes(f"{JOURNEY}sending: {{hours: business, time_zone: store}}\n".encode())
    hours = watched_hours([early, business], BERLIN)
    saturday = datetime(2030, 1, 19, tzinfo=BERLIN)
    at = [saturday.replace(hour=hour, minute=30) for hour in (5, 7, 12)] + [saturday.replace(day=18, hour=12)]
    assert [hours.allow("+447700900101", one) for one in at] == [True, False, False, True]
