"""Stages ready to be sent, the sending activity with the network's edge in the test's hand, and late workers."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import httpx
from temporalio.testing import ActivityEnvironment

from activities.send import SendActivities
from activities.services import Services
from models.enums import JourneyState, TemplateStatus
from models.orchestration import StageRef, StageResult, StageStep
from models.tables import Journey, Template
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.enrollments import enrollment_facts
from storage.sends import Draft, ensure_send, save_draft
from tests.nobody import nobodys_temporal
from tests.worlds import NOON, WABA, World

ACCEPTED = {"messaging_product": "whatsapp", "messages": [{"id": "wamid.1", "message_status": "accepted"}]}
Wire = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
Answer = tuple[int, dict[str, Any]] | None
TAKEN: Answer = (200, ACCEPTED)
REFUSED: Answer = (400, {"error": {"code": 131026}})
BROKEN: Answer = None


def send_activities(world: World, wire: Wire) -> SendActivities:
    """The activity, whose requests are answered by `wire`."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(wire))
    return SendActivities(
        Services(
            database=world.database,
            cipher=world.cipher,
            whatsapp=WhatsAppClient(http),
            shopify=ShopifyClient(http),
            temporal=nobodys_temporal(),
        )
    )


async def run_send(activities: SendActivities, enrollment: str, *, attempt: int = 1, **asked: Any) -> StageResult:
    """Run the sending of a first stage at noon."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=NOON, attempt=attempt)
    return await environment.run(activities.send_message, StageRef(enrollment_id=enrollment, stage=0, **asked))


async def settle_unknown(activities: SendActivities, enrollment: str, *, after: timedelta) -> StageResult:
    """Run what follows when no status has come, so long after noon."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=NOON + after)
    return await environment.run(activities.settle_unknown, StageRef(enrollment_id=enrollment, stage=0))


async def ready_sends(world: World, count: int = 1) -> list[str]:
    """Customers in an active journey whose first message is drafted and checked."""
    enrollments = [
        await world.enroll(await world.customer(f"+{447700900100 + number}", external_id=str(number)))
        for number in range(count)
    ]
    async with world.database.write() as session:
        session.add(
            Template(waba_id=WABA, name="winback_hello", language="en", status=TemplateStatus.APPROVED, synced_at=NOON)
        )
        for enrollment in enrollments:
            facts = await enrollment_facts(session, enrollment)
            send = await ensure_send(session, facts, 0, 0)
            save_draft(send, Draft("winback_hello", "en", {"1": "you"}), now=NOON)
            send.checked_at = NOON
        (await session.get_one(Journey, 1)).state = JourneyState.ACTIVE
    return enrollments


class SlowLine:
    """The network's edge: the first request hangs until it is let go, the others are answered at once."""

    def __init__(self, first: Answer, second: Answer) -> None:
        self.posted: list[str] = []
        self.hangs = asyncio.Event()
        self.go_on = asyncio.Event()
        self._answers = iter((first, second))

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        self.posted.append(json.loads(request.content)["biz_opaque_callback_data"])
        answer = next(self._answers)
        if not self.hangs.is_set():
            self.hangs.set()
            await self.go_on.wait()
        if answer is None:
            raise httpx.ReadError("broken")
        return httpx.Response(answer[0], json=answer[1])


class LateWorker:
    """A worker that hangs in its request until Temporal has given it up, and whose successor found its claim.

    Attributes:
        enrollment: whose first message it sends.
        activities: for whoever comes after it; a request of theirs is answered at once.
        posted: the ids of the attempts that were posted.
    """

    def __init__(self, enrollment: str, activities: SendActivities, line: SlowLine) -> None:
        self.enrollment = enrollment
        self.activities = activities
        self.posted = line.posted
        self._line = line
        self._sending = asyncio.create_task(run_send(activities, enrollment))

    @classmethod
    async def given_up(cls, world: World, answer: Answer, second: Answer | None = None) -> Self:
        """One whose request will be answered with `answer`, and the next attempt's with `second`."""
        line = SlowLine(answer, second)
        (enrollment,) = await ready_sends(world)
        late = cls(enrollment, send_activities(world, line), line)
        await line.hangs.wait()
        assert (await run_send(late.activities, enrollment, attempt=2)).step is StageStep.UNKNOWN
        return late

    async def comes_back(self) -> StageResult:
        """Its request is answered, and it writes down what it knows."""
        self._line.go_on.set()
        return await self._sending
