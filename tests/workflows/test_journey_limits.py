"""A journey at WhatsApp's limits: it waits for its turn, for more room, or for a better number, and then goes on."""

from datetime import timedelta

from models.enums import HoldReason
from models.tables import Number
from sandbox.whatsapp.announcements import Announcements
from tests.stack import Stack

SOON = {"minutes": 1}


async def test_whoever_finds_no_room_goes_in_turn_or_when_there_is_more(stack: Stack) -> None:
    """Of three at a limit of one the second goes a day later by itself, the third when Meta raises the limit."""
    stack.whatsapp.tier = 1
    await stack.check_health()
    (number,) = await stack.rows(Number)
    assert number.daily_limit == 1
    await stack.begin()
    await stack.accepted(1)
    waiting = [await stack.begin() for _ in range(2)]
    held = [await stack.holds(one, HoldReason.PORTFOLIO_LIMIT) for one in waiting]
    first, second = sorted(one.due_at for one in held if one.due_at is not None)
    assert second - first > timedelta(hours=23)
    await stack.advance_to(first + timedelta(minutes=1))
    await stack.accepted(2)
    assert stack.whatsapp.books.refused.total() == 0
    await stack.post(Announcements(stack.whatsapp).limit(2000, await stack.now()))
    await stack.advance(**SOON)
    await stack.accepted(3)
    assert stack.whatsapp.books.refused.total() == 0


async def test_a_red_number_waits_until_meta_thinks_better_of_it(stack: Stack) -> None:
    """Nothing is posted while it is flagged, health checks that find it so wake nobody, and its end releases."""
    await stack.post(Announcements(stack.whatsapp).number_event("FLAGGED", await stack.now()))
    enrollment = await stack.begin()
    await stack.holds(enrollment, HoldReason.SENDER_PAUSED)
    await stack.advance(hours=3)
    assert stack.received() == []
    await stack.check_health()
    (number,) = await stack.rows(Number)
    assert (number.quality, number.throughput) == ("GREEN", "STANDARD")
    await stack.advance(**SOON)
    await stack.accepted(1)
