"""A number whose queue is slower than its sending window, or than a text stays fresh."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.registry import Activity
from activities.send import SendActivities
from cli.simulation.clock import ClockInterceptor
from models.enums import EnrollmentState, HoldReason
from models.orchestration import StageRef, StageResult
from models.tables import ModelCall, Send
from policies.guards import ClaimFacts
from tests.stack import HELLO, Stack, journey
from tests.workflows.conftest import MONDAY, OpenStack
from worker import Fleet

WRITTEN = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


class Number:
    """The sending of a number whose worker goes down with each message in its hands, until it is mended."""

    def __init__(self, sending: SendActivities) -> None:
        self._sending = sending
        self.down = True
        self.tried = 0

    @activity.defn
    async def send_message(self, ask: StageRef) -> StageResult:
        """Send, unless it is down."""
        self._die()
        return await self._sending.send_message(ask)

    @activity.defn
    async def settle_unknown(self, ask: StageRef) -> StageResult:
        """Settle, unless it is down."""
        self._die()
        return await self._sending.settle_unknown(ask)

    def _die(self) -> None:
        self.tried += 1
        if self.down:
            raise ApplicationError("the worker is gone", category=ApplicationErrorCategory.BENIGN)


class Workers(Fleet):
    """Workers of which those of the number are down at first."""

    def __init__(self, stack: Stack) -> None:
        clock: Any = stack.clock
        interceptors = [ClockInterceptor(clock)]
        super().__init__(stack.client, stack.services, interceptors=interceptors, limit_rates=False)
        self.number = Number(SendActivities(stack.services))

    async def _serve(self, queue: str, activities: list[Activity], per_second: float, **options: Any) -> None:
        if queue.startswith("whatsapp-"):
            activities = [self.number.send_message, self.number.settle_unknown]
        await super()._serve(queue, activities, per_second, **options)


async def _tried(stack: Stack, number: Number) -> None:
    """Wait until the sending was asked for and did not come about."""

    async def tried() -> bool:
        return number.tried > 0

    await stack.until(tried)


@pytest.mark.parametrize(
    ("due", "opening"),
    [
        (MONDAY.replace(hour=21, minute=50), MONDAY.replace(day=8, hour=8)),
        # London's clocks go forward in the night to Sunday, 31 March 2030, and back in that to 27 October.
        (datetime(2030, 3, 30, 21, 50, tzinfo=UTC), datetime(2030, 3, 31, 7, 0, tzinfo=UTC)),
        (datetime(2030, 10, 26, 20, 50, tzinfo=UTC), datetime(2030, 10, 27, 8, 0, tzinfo=UTC)),
    ],
    ids=["winter", "forward", "back"],
)
async def test_what_queues_past_closing_time_goes_at_the_next_opening_once(
    open_stack: OpenStack, due: datetime, opening: datetime
) -> None:
    """The worker comes back in the night: nothing goes then, no model is paid then, and in the morning it goes once."""
    async with open_stack(due, fleet=False) as stack, Workers(stack) as workers:
        enrollment = await stack.begin(journey(("0d", WRITTEN), ("3d", HELLO), sending={"hours": "08:00-22:00"}))
        await _tried(stack, workers.number)
        await stack.advance(hours=3)
        assert stack.received() == []
        workers.number.down = False
        await stack.advance(minutes=10)
        held = await stack.holds(enrollment, HoldReason.HOURS)
        assert held.due_at == opening
        assert len(await stack.rows(ModelCall)) == 1
        await stack.advance_to(opening - timedelta(minutes=1))
        assert stack.received() == []
        await stack.advance(minutes=1, seconds=5)
        await stack.accepted(1)
        await stack.waits(enrollment, 1)
        assert len(stack.received()) == 1
        assert stack.received()[0].at >= opening
        assert len(await stack.rows(ModelCall)) == 2
        (send,) = await stack.rows(Send)
        assert send.attempt == 1


async def test_a_text_that_grows_old_again_and_again_is_written_twice_at_most(
    open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a slow queue every claim finds an old text: the second one is kept, only the purchases are asked again."""
    ages = iter([True, True, True, True, False])
    monkeypatch.setattr(ClaimFacts, "stale", property(lambda _: next(ages)))
    async with open_stack() as stack:
        enrollment = await stack.begin(journey(("0d", WRITTEN)))
        await stack.accepted(1)
        await stack.reaches(enrollment, EnrollmentState.WATCHING)
        assert len(await stack.rows(ModelCall)) == 2


async def test_a_text_that_grew_old_in_the_queue_is_written_again_once(open_stack: OpenStack) -> None:
    """Twenty minutes late, check and text are done again before the message goes."""
    async with open_stack(fleet=False) as stack, Workers(stack) as workers:
        await stack.begin(journey(("0d", WRITTEN)))
        await _tried(stack, workers.number)
        await stack.advance(minutes=20)
        workers.number.down = False
        await stack.advance(minutes=6)
        await stack.accepted(1)
        assert len(await stack.rows(ModelCall)) == 2
