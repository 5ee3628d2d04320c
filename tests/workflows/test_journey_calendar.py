"""Days and hours as customers live them: changes of the clocks, and entrants spread over a day."""

from datetime import UTC, datetime, timedelta

import pytest

from models.enums import EnrollmentState
from models.tables import Enrollment
from tests.stack import HELLO, journey
from tests.workflows.conftest import MONDAY, OpenStack

SPRING = datetime(2030, 3, 30, 9, tzinfo=UTC)
"""09:00 in London on the day before the clocks go forward."""
AUTUMN = datetime(2030, 10, 26, 8, tzinfo=UTC)
"""09:00 in London on the day before the clocks go back."""


@pytest.mark.parametrize(("start", "next_utc_hour"), [(SPRING, 8), (AUTUMN, 9)])
async def test_nine_in_the_morning_stays_nine_when_the_clocks_change(
    open_stack: OpenStack, start: datetime, next_utc_hour: int
) -> None:
    """A stage a day later comes at the same local time, 23 or 25 hours later."""
    async with open_stack(start) as stack:
        enrollment = await stack.begin(journey(("0d", HELLO), ("1d", HELLO)))
        status = await stack.waits(enrollment, 1)
        assert status.due_at is not None
        assert (status.due_at.day, status.due_at.hour) == (start.day + 1, next_utc_hour)
        await stack.advance(hours=25, minutes=1)
        await stack.accepted(2)


async def test_hours_are_elapsed_time_when_the_clocks_change(open_stack: OpenStack) -> None:
    """24h is not a day: on the short day it comes at 10:00."""
    async with open_stack(SPRING) as stack:
        enrollment = await stack.begin(journey(("0d", HELLO), ("24h", HELLO)))
        status = await stack.waits(enrollment, 1)
        assert status.due_at is not None
        assert status.due_at.hour == 9


async def test_spread_gives_each_entrant_a_moment_of_the_day(open_stack: OpenStack) -> None:
    """With `spread: day` journeys start over the open hours, each at its own moment, and send then."""
    async with open_stack() as stack:
        for _ in range(5):
            await stack.person()
        launch = await stack.launch(journey(sending={"hours": "08:00-22:00", "spread": "day"}))
        assert await stack.launched(launch) == {"entered": 5}
        entered = sorted(one.entered_at for one in await stack.rows(Enrollment))
        assert len(set(entered)) == 5
        assert entered[0] >= MONDAY
        assert entered[-1] < MONDAY.replace(hour=22)
        middle = entered[2] + (entered[3] - entered[2]) / 2
        await stack.advance_to(middle)
        await stack.accepted(3)
        await stack.advance_to(MONDAY.replace(hour=22))
        await stack.accepted(5)


async def test_paced_customers_enter_on_their_days(open_stack: OpenStack) -> None:
    """Two a day: the longest silence first, the others on the following mornings when the hours open."""
    async with open_stack() as stack:
        people = [await stack.person(days_ago=70 + number) for number in range(5)]
        launch = await stack.launch(journey(sending={"hours": "08:00-22:00", "max_per_day": 2}))
        assert await stack.launched(launch) == {"entered": 2, "paced": 3}
        await stack.accepted(2)
        assert {one.recipient for one in stack.received()} == {people[3].phone, people[4].phone}
        for day, count in ((8, 4), (9, 5)):
            await stack.advance_to(MONDAY.replace(day=day, hour=7, minute=55))
            assert len(stack.received()) == count - (2 if day == 8 else 1)
            await stack.advance(minutes=6)
            await stack.accepted(count)
        waiting = await stack.rows(Enrollment)
        stack.started += [one.id for one in waiting]
        assert all(one.state is EnrollmentState.WATCHING for one in waiting)


async def test_a_paced_customer_who_buys_first_never_enters(open_stack: OpenStack) -> None:
    """The rules are asked again on the day."""
    async with open_stack() as stack:
        people = [await stack.person(days_ago=70 + number) for number in range(2)]
        launch = await stack.launch(journey(sending={"max_per_day": 1}))
        assert await stack.launched(launch) == {"entered": 1, "paced": 1}
        await stack.accepted(1)
        await stack.buy(people[0], webhook=False)
        await stack.advance(days=1, minutes=1)
        assert len(await stack.rows(Enrollment)) == 1
        assert {one.recipient for one in stack.received()} == {people[1].phone}
        assert timedelta(days=1) < await stack.now() - MONDAY
