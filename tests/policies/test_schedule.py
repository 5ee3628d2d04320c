"""Tests of policies.schedule: what the kinds of journey count from entry."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models.journey import JourneyDefinition
from models.journey_file import read_journey
from policies.schedule import Whereabouts, due_after, horizon

ENTERED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STORE = Whereabouts(customer_zone=None, phone=None, store_zone="UTC")

FOLLOW_UP = """\
name: silent
kind: follow_up
repeat: {every: 2h, times: 2}
message: {text: Hi}
sending: {hours: "00:00-24:00", time_zone: store}
"""

CART = """\
name: cart
kind: abandoned_cart
stages:
  - {after: 15m, message: {text: Hi}}
  - {after: 23h, message: {text: Ho}}
sending: {hours: "00:00-24:00", time_zone: store}
"""


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        (FOLLOW_UP, timedelta(0), timedelta(hours=2)),
        (CART, timedelta(minutes=15), timedelta(hours=23)),
    ],
)
def test_a_follow_up_has_waited_before_entry_and_a_cart_waits_after_it(
    text: str, first: timedelta, second: timedelta
) -> None:
    """The first message of a follow-up is due at entry; every other stage is due after its own delay."""
    definition: JourneyDefinition = read_journey(text)
    assert due_after(definition, 0, ENTERED, STORE) == ENTERED + first
    assert due_after(definition, 1, ENTERED, STORE) == ENTERED + second
    assert due_after(definition, 2, ENTERED, STORE) == ENTERED + timedelta(days=5)
    assert horizon(definition, ENTERED, ZoneInfo("UTC")) == ENTERED + first + second + timedelta(days=5)


def test_a_follow_up_that_is_due_at_night_waits_for_the_opening() -> None:
    """The silence may end at any hour, the message goes inside the sending hours."""
    definition = read_journey(FOLLOW_UP.replace("00:00-24:00", "business"))
    saturday = datetime(2026, 3, 7, 20, 0, tzinfo=UTC)
    assert due_after(definition, 0, saturday, STORE) == datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
