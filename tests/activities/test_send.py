"""The sending activity alone, on both databases, with the network's edge in the test's hand."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.send import SendActivities
from activities.services import Services
from gateway.app import GatewaySettings, create_app
from models.enums import AttemptStatus, ExitReason, JourneyState, SendState, TemplateStatus
from models.orchestration import StageRef, StageResult, StageStep
from models.tables import Enrollment, Journey, Send, SendAttempt, Shop, Template
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.engine import Database
from storage.enrollments import enrollment_facts
from storage.sends import Draft, ensure_send, save_draft
from tests.worlds import NOON, WABA, World, make_world, text_message, whatsapp_body, whatsapp_headers

ACCEPTED = {"messaging_product": "whatsapp", "messages": [{"id": "wamid.1", "message_status": "accepted"}]}
Wire = Callable[[httpx.Request], httpx.Response]


def _activities(world: World, wire: Wire) -> SendActivities:
    http = httpx.AsyncClient(transport=httpx.MockTransport(wire))
    return SendActivities(
        Services(
            database=world.database,
            cipher=world.cipher,
            whatsapp=WhatsAppClient(http),
            shopify=ShopifyClient(http),
            temporal=mock.create_autospec(Client, instance=True),
        )
    )


async def _run(activities: SendActivities, enrollment: str, *, attempt: int = 1) -> StageResult:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=NOON, attempt=attempt)
    return await environment.run(activities.send_message, StageRef(enrollment_id=enrollment, stage=0))


async def _ready(world: World, count: int = 1) -> list[str]:
    """Customers in an active journey whose first message is drafted and checked."""
    async with world.database.write() as session:
        session.add(
            Template(waba_id=WABA, name="winback_hello", language="en", status=TemplateStatus.APPROVED, synced_at=NOON)
        )
    enrollments = []
    for number in range(count):
        person = await world.customer(f"+{447700900100 + number}", external_id=str(number))
        enrollments.append(await world.enroll(person))
    async with world.database.write() as session:
        for enrollment in enrollments:
            facts = await enrollment_facts(session, enrollment)
            send = await ensure_send(session, facts, 0, 0)
            save_draft(send, Draft("winback_hello", "en", {"1": "you"}), now=NOON)
            send.checked_at = NOON
        journey = await session.get(Journey, 1)
        assert journey is not None
        journey.state = JourneyState.ACTIVE
    return enrollments


@pytest.fixture
async def world(database: Database) -> World:
    """A store on each kind of database."""
    return await make_world(database)


async def test_an_activity_that_died_during_its_post_posts_nothing_when_repeated(world: World) -> None:
    """The claim stands without a record: whoever repeats the activity finds the outcome unknown."""
    posted: list[str] = []

    def die(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content)["biz_opaque_callback_data"])
        raise asyncio.CancelledError

    (enrollment,) = await _ready(world)
    activities = _activities(world, die)
    with pytest.raises(asyncio.CancelledError):
        await _run(activities, enrollment)
    for attempt in (2, 3):
        assert (await _run(activities, enrollment, attempt=attempt)).step is StageStep.UNKNOWN
    assert posted == [f"{enrollment}:1:1:1"]
    (row,) = await world.rows(SendAttempt)
    (send,) = await world.rows(Send)
    assert (row.status, send.state) == (AttemptStatus.UNKNOWN, SendState.UNKNOWN)


async def test_an_activity_that_is_repeated_after_it_sent_answers_the_same(world: World) -> None:
    """Its answer to Temporal was lost: the message is not sent again, and the stage ends as it did."""
    posted: list[bytes] = []

    def accept(request: httpx.Request) -> httpx.Response:
        posted.append(request.content)
        return httpx.Response(200, json=ACCEPTED)

    (enrollment,) = await _ready(world)
    activities = _activities(world, accept)
    first = await _run(activities, enrollment)
    assert first.step is StageStep.ACCEPTED
    assert await _run(activities, enrollment, attempt=2) == first
    assert len(posted) == 1


async def test_two_workers_at_once_post_once(world: World) -> None:
    """A late worker beside its successor: one of them has the claim."""
    posted: list[bytes] = []

    def accept(request: httpx.Request) -> httpx.Response:
        posted.append(request.content)
        return httpx.Response(200, json=ACCEPTED)

    (enrollment,) = await _ready(world)
    results = await asyncio.gather(*(_run(_activities(world, accept), enrollment) for _ in range(4)))
    assert len(posted) == 1
    assert len(await world.rows(SendAttempt)) == 1
    assert StageStep.ACCEPTED in {one.step for one in results}


async def test_nothing_is_claimed_once_an_exit_event_is_stored(world: World) -> None:
    """Replies race sends: when the gateway has answered 200, the customer's attempts are final (promise 2)."""
    numbers = iter(range(1000))

    def accept(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"messages": [{"id": f"wamid.{next(numbers)}"}]})

    enrollments = await _ready(world, 16)
    activities = _activities(world, accept)
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    at_answer: dict[str, int] = {}

    async def attempts(enrollment: str) -> int:
        return sum(one.id.startswith(f"{enrollment}:") for one in await world.rows(SendAttempt))

    async def reply(number: int, client: httpx.AsyncClient) -> None:
        raw = whatsapp_body(messages=[text_message("Hello?", f"wamid.in{number}", phone=f"+{447700900100 + number}")])
        answer = await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
        assert answer.status_code == 200
        at_answer[enrollments[number]] = await attempts(enrollments[number])

    async def late(number: int) -> None:
        # Each starts some turns of the loop later than the one before, so that both may come first.
        for _ in range(number * 10):
            await asyncio.sleep(0)
        await _run(activities, enrollments[number])

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for number in range(4):
            await reply(number, client)
            assert (await _run(activities, enrollments[number])).step is StageStep.EXIT
        await asyncio.gather(*(reply(number, client) for number in range(4, 16)), *map(late, range(4, 16)))
    for enrollment in enrollments:
        result = await _run(activities, enrollment, attempt=2)
        sent = at_answer[enrollment] == 1
        assert result.step is (StageStep.ACCEPTED if sent else StageStep.EXIT)
        if result.exit is not None:
            assert result.exit.reason is ExitReason.CUSTOMER_REPLIED
        assert await attempts(enrollment) == at_answer[enrollment]
    assert len(await world.rows(Enrollment)) == 16
    assert len(await world.rows(Shop)) == 1
