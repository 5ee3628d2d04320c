import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from gateway.relay import Relay
from models.enums import EnrollmentState, EventKind, ExitReason, HoldReason
from models.orchestration import AttemptSettled, ExitNotice, Released
from models.tables import Enrollment, SignalIntent
from storage.customers import lock_customer
from storage.events import add_attempt_settled, add_broadcast, add_intent, record_event
from storage.intents import JITTER, PAGE, take_due
from tests.gateway.conftest import Door
from tests.worlds import NOON, World, later, text_message, whatsapp_body

QUEUE = "relay"
_RELEASED = 6 * PAGE


@workflow.defn
class Recorder:
    """Keeps every signal until it is told to stop."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        """Everything heard until the stop."""
        await workflow.wait_condition(lambda: any(word.startswith("stop ") for word in self.heard))
        return self.heard

    @workflow.signal
    def customer_replied(self, notice: ExitNotice) -> None:
        """An exit notice."""
        self.heard.append(f"customer_replied {notice.reason.value} {notice.at:%H:%M} {notice.event_id}")

    @workflow.signal
    def stop(self, notice: ExitNotice) -> None:
        """Ends the recording."""
        self.heard.append(f"stop {notice.reason.value}")

    @workflow.signal
    def attempt_settled(self, notice: AttemptSettled) -> None:
        """A settled attempt."""
        self.heard.append(f"attempt_settled {notice.attempt_id}")

    @workflow.signal
    def released(self, notice: Released) -> None:
        """A release."""
        self.heard.append(f"released {notice.key}")

    @workflow.query
    def so_far(self) -> list[str]:
        """Everything heard."""
        return self.heard


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    """A real Temporal server with a worker for the recorder."""
    environment = await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="error",
    )
    async with environment as server:
        runner = UnsandboxedWorkflowRunner()
        async with Worker(server.client, task_queue=QUEUE, workflows=[Recorder], workflow_runner=runner):
            yield server.client


@pytest.fixture
async def relay(door: Door, temporal: Client) -> Relay:
    """A relay on the world's database."""
    return Relay(door.world.database, temporal, door.world.clock)


async def start(temporal: Client, enrollment: str) -> str:
    """Start the enrollment's workflow; its id."""
    handle = await temporal.start_workflow(Recorder.run, id=enrollment, task_queue=QUEUE)
    return handle.id


async def heard(temporal: Client, enrollment: str) -> list[str]:
    """What the workflow has heard."""
    return await temporal.get_workflow_handle(enrollment).query(Recorder.so_far)


async def enrolled(world: World, request: pytest.FixtureRequest, number: int = 0, **values: object) -> str:
    """An enrollment whose id no other test uses."""
    customer = await world.customer(f"+4477009{number:05}")
    return await world.enroll(customer, id=f"enr-{abs(hash(request.node.name)) % 10**9}-{number}", **values)


async def happen(
    world: World,
    enrollment: str,
    kind: EventKind = EventKind.CUSTOMER_REPLIED,
    reason: ExitReason = ExitReason.CUSTOMER_REPLIED,
) -> None:
    """Record an event of the enrollment's customer, a reply unless told otherwise."""
    row = await world.one(Enrollment, enrollment)
    async with world.database.write() as session:
        customer = await lock_customer(session, row.customer_id)
        await record_event(
            session,
            customer,
            kind=kind,
            exit_reason=reason,
            occurred_at=world.now,
            received_at=world.now,
            source="test",
            dedupe_key=f"{kind}:{enrollment}",
        )


async def test_a_webhook_reaches_the_workflow(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """A signed reply becomes a signal with the event's reason, time and id, and its intent is settled."""
    enrollment = await start(temporal, await enrolled(door.world, request))
    raw = whatsapp_body(messages=[text_message("hi", phone="+447700900000")])
    assert await door.whatsapp(raw) == 200
    assert await relay.drain() == 1
    assert await heard(temporal, enrollment) == ["customer_replied customer_replied 12:00 1"]
    assert [intent.outcome for intent in await door.world.rows(SignalIntent)] == ["delivered"]
    assert await relay.drain() == 0


async def test_every_signal_has_the_payload_that_its_handler_declares(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """Settled attempts and releases arrive as their own models, all others as exit notices."""
    enrollment = await start(temporal, await enrolled(door.world, request))
    async with door.world.database.write() as session:
        add_attempt_settled(session, enrollment, "e:0:0:1", now=NOON)
    assert await relay.drain() == 1
    assert await heard(temporal, enrollment) == ["attempt_settled e:0:0:1"]


async def _until(look: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(30):
        while not await look():  # noqa: ASYNC110 - Temporal and the counts tell nobody by themselves
            await asyncio.sleep(0.001)


async def _has_released(relay: Relay) -> int:
    return relay.counts["not_found"]


async def test_a_reply_is_told_while_thousands_are_released(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """A reply that comes in the middle of a large broadcast is on its way after a page or two of it, not after all."""
    enrollment = await start(temporal, await enrolled(door.world, request))
    async with door.world.database.write() as session:
        for number in range(_RELEASED):
            add_intent(session, f"enr-released-{number}", "released", {"key": "x"}, now=NOON)
    releasing = asyncio.create_task(relay.drain())
    await _until(lambda: _has_released(relay))
    before = relay.counts["not_found"]
    await happen(door.world, enrollment)
    await _until(lambda: heard(temporal, enrollment))
    assert relay.counts["not_found"] - before <= 3 * PAGE
    await releasing
    assert relay.counts["not_found"] == _RELEASED


async def test_an_intent_for_an_enrollment_that_is_starting_is_retried(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """Not found is not final before the workflow exists; the pauses grow and the signal arrives in the end."""
    enrollment = await enrolled(door.world, request, state=EnrollmentState.STARTING)
    await happen(door.world, enrollment)
    pauses = []
    for _ in range(4):
        assert await relay.drain() == 0
        [intent] = await door.world.rows(SignalIntent)
        assert intent.settled_at is None
        pauses.append(intent.next_try_at - door.world.now)
        assert await relay.next_due_at() == intent.next_try_at
        door.world.now = intent.next_try_at
    assert pauses == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)]
    await start(temporal, enrollment)
    assert await relay.drain() == 1
    assert await heard(temporal, enrollment) == ["customer_replied customer_replied 12:00 1"]


async def test_an_intent_for_a_closed_enrollment_is_over(
    door: Door, relay: Relay, request: pytest.FixtureRequest
) -> None:
    """Not found is final once the enrollment is closed."""
    enrollment = await enrolled(door.world, request)
    await happen(door.world, enrollment)
    async with door.world.database.write() as session:
        (await session.get_one(Enrollment, enrollment)).state = EnrollmentState.CLOSED
    assert await relay.drain() == 0
    assert [intent.outcome for intent in await door.world.rows(SignalIntent)] == ["closed"]


async def test_a_broadcast_reaches_all_who_hold_for_it(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """One row becomes an intent for each holder of that key, spread over half a minute, and is then settled."""
    key = "template:1:hello:en"
    holding = {"state": EnrollmentState.HOLDING, "hold_reason": HoldReason.TEMPLATE_HELD}
    mine = [await enrolled(door.world, request, number, **holding, hold_key=key) for number in range(3)]
    await enrolled(door.world, request, 3, **holding, hold_key="template:1:other:en")
    await enrolled(door.world, request, 4)
    for enrollment in mine:
        await start(temporal, enrollment)
    async with door.world.database.write() as session:
        add_broadcast(session, key, now=NOON)
    await relay.drain()
    broadcast, *intents = await door.world.rows(SignalIntent)
    assert broadcast.outcome == "expanded"
    assert [intent.enrollment_id for intent in intents] == sorted(mine)
    assert all(NOON <= intent.next_try_at <= NOON + JITTER for intent in intents)
    assert len({intent.next_try_at for intent in intents}) == 3
    door.world.now += JITTER
    await relay.drain()
    assert [await heard(temporal, enrollment) for enrollment in mine] == [[f"released {key}"]] * 3


async def test_a_long_broadcast_goes_in_pages(
    door: Door, relay: Relay, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More holders than a page are all told, each once."""
    monkeypatch.setattr("storage.intents.BROADCAST_PAGE", 2)
    holding = {"state": EnrollmentState.HOLDING, "hold_key": "k"}
    mine = [await enrolled(door.world, request, number, **holding) for number in range(5)]
    async with door.world.database.write() as session:
        add_broadcast(session, "k", now=NOON)
    await relay.drain()
    _, *intents = await door.world.rows(SignalIntent)
    assert sorted(intent.enrollment_id for intent in intents) == sorted(mine)
    assert all(intent.payload == {"key": "k"} for intent in intents)


async def test_two_relays_share_the_work(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """Every signal is delivered once although two relays look at the same time."""
    mine = [await enrolled(door.world, request, number) for number in range(10)]
    for enrollment in mine:
        await start(temporal, enrollment)
        await happen(door.world, enrollment)
    other = Relay(door.world.database, temporal, door.world.clock)
    assert sum(await asyncio.gather(relay.drain(), other.drain())) == len(mine)
    assert [len(await heard(temporal, enrollment)) for enrollment in mine] == [1] * len(mine)


async def test_a_relay_that_dies_only_delays(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """An intent that was taken and never settled is free again when its lease is over."""
    enrollment = await start(temporal, await enrolled(door.world, request))
    await happen(door.world, enrollment)
    async with door.world.database.write() as session:
        assert len(await take_due(session, now=door.world.now)) == 1
    assert await relay.drain() == 0
    door.world.now = later(minutes=1)
    assert await relay.drain() == 1


async def test_nothing_is_lost_while_temporal_is_away(
    door: Door, temporal: Client, request: pytest.FixtureRequest
) -> None:
    """A relay that cannot connect keeps every intent, and delivers when it can."""
    enrollment = await start(temporal, await enrolled(door.world, request))
    await happen(door.world, enrollment)
    away = await Client.connect("127.0.0.1:1", lazy=True, data_converter=pydantic_data_converter)
    assert await Relay(door.world.database, away, door.world.clock).drain() == 0
    [intent] = await door.world.rows(SignalIntent)
    assert (intent.settled_at, intent.tries) == (None, 1)
    door.world.now = intent.next_try_at
    assert await Relay(door.world.database, temporal, door.world.clock).drain() == 1


async def test_a_woken_relay_looks_at_once(
    door: Door, relay: Relay, temporal: Client, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running relay delivers as soon as it is woken, and ends when it is told to."""
    monkeypatch.setattr("gateway.relay.LOOK_EVERY", 3600.0)
    enrollment = await start(temporal, await enrolled(door.world, request))
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await happen(door.world, enrollment, EventKind.STOP, ExitReason.STOPPED_BY_STAFF)
    relay.wake()
    assert await temporal.get_workflow_handle(enrollment).result() == ["stop stopped_by_staff"]
    stop.set()
    await asyncio.wait_for(running, 10)


class _Deaf:
    """A Temporal that is away, and counts who asks for it."""

    asked = 0

    def get_workflow_handle(self, _workflow_id: str) -> "_Deaf":
        """Of any workflow."""
        return self

    async def signal(self, *_arguments: object, **_options: object) -> None:
        """Never comes through, though never at once either."""
        self.asked += 1
        await asyncio.sleep(0)
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")


async def test_a_relay_that_found_temporal_away_asks_with_one_request(
    door: Door, request: pytest.FixtureRequest
) -> None:
    """The first round meets it with a few signals under way, each further one tries a single one; all are kept."""
    for number in range(30):
        await happen(door.world, await enrolled(door.world, request, number))
    deaf = _Deaf()
    relay = Relay(door.world.database, cast("Client", deaf), door.world.clock)
    await relay.drain()
    first = deaf.asked
    assert 1 < first < 30
    for _ in range(3):
        door.world.now += timedelta(minutes=10)
        await relay.drain()
    assert deaf.asked == first + 3
    intents = await door.world.rows(SignalIntent)
    assert [(one.settled_at, one.tries) for one in intents] == [(None, 4)] * 30
