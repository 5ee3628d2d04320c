"""Tests of models.hours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hours import BUSINESS, Hours, parse_hours


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:00-22:00", Hours(480, 1320)),
        (" 8:00 - 22:30 ", Hours(480, 1350)),
        ("00:00-24:00", Hours(0, 1440)),
        ("22:00-06:00", Hours(1320, 360)),
        ("business", BUSINESS),
        ("Business", BUSINESS),
    ],
)
def test_hours_are_read(text: str, hours: Hours) -> None:
    """Both forms, with blanks, one-digit hours, midnight and past midnight."""
    assert parse_hours(text) == hours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("08:00-25:00", "25:00 is no time"),
        ("08:60-22:00", "08:60 is no time"),
        ("08:00-24:01", "24:01 is no time"),
        ("08:00-08:00", "never open"),
        ("24:00-08:00", "cannot start at 24:00"),
        ("08:00-00:00", "write 24:00"),
        ("8-22", "no stretch of hours"),
        ("always", "no stretch of hours"),
        ("", "no stretch of hours"),
        ("08:00-22:00 CET", "no stretch of hours"),
    ],
)
def test_impossible_hours_are_refused(text: str, words: str) -> None:
    """Each way to be impossible says what is wrong."""
    with pytest.raises(ValueError, match=words):
        parse_hours(text)


def test_only_the_whole_day_is_always() -> None:
    """One missing minute is not always."""
    assert parse_hours("00:00-24:00").always
    assert not parse_hours("00:00-23:59").always


@given(start=st.integers(0, 1439), end=st.integers(1, 1440))
def test_what_hours_say_of_themselves_is_read_back(start: int, end: int) -> None:
    """The text form of any hours parses to the same hours."""
    if start == end:
        return
    assert parse_hours(str(Hours(start, end))) == Hours(start, end)
