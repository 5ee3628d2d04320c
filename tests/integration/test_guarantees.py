"""What holds when workers are late, doubled or blind: each of these fails when its guarantee is taken away.

Below the customer's lock, the state of a send and the signal to its workflow there is always a second net, so the
whole system would go on for a while without any one of them. Here each is alone.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.app import GatewaySettings, create_app
from models.enums import AttemptStatus, EventKind, ExitReason, SendState
from models.orchestration import StageResult, StageStep
from models.tables import Enrollment, Send, SendAttempt
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from storage.customers import lock_customer
from storage.engine import Database
from storage.enrollments import lock_customer_of
from storage.events import record_event
from storage.secrets import Cipher, new_key
from storage.sends import claim, find_send, record_failed
from tests.integration.programs import ROOT
from tests.processes import plain_environment
from tests.sending import ready_sends, run_send, send_activities
from tests.serving import serve
from tests.worlds import (
    APP_SECRET,
    NOON,
    PHONE_NUMBER_ID,
    WABA,
    World,
    make_world,
    text_message,
    whatsapp_body,
    whatsapp_headers,
)

PEOPLE = 40
RACERS = 2
_STARTS_WITHIN_S = 60
_LOOK_S = 0.01


@pytest.fixture
async def world(database: Database) -> World:
    """A store on each kind of database."""
    return await make_world(database)


@pytest.fixture
async def on_postgres(postgres_database: Database) -> World:
    """A store on the database that has row locks."""
    return await make_world(postgres_database)


async def _send(world: World, enrollment: str, posted: list[bytes]) -> StageResult:
    """The sending activity, with a WhatsApp that takes everything."""

    def accept(request: httpx.Request) -> httpx.Response:
        posted.append(request.content)
        return httpx.Response(200, json={"messages": [{"id": f"wamid.{len(posted)}"}]})

    return await run_send(send_activities(world, accept), enrollment)


async def _claim(world: World, send: Send) -> str | None:
    async with world.database.write() as session:
        return await claim(session, send, number_id=world.number_id, used_template=True, now=NOON)


async def _read(world: World, enrollment: str) -> Send:
    """The send as a worker reads it."""
    async with world.database.read() as session:
        send = await find_send(session, enrollment, 0, 0)
    assert send is not None
    return send


# --- the unique keys -------------------------------------------------------------------------------------------------


async def test_a_stage_has_one_send_however_many_prepare_it(world: World) -> None:
    """The database itself refuses a second send of the same stage and occurrence."""
    (enrollment,) = await ready_sends(world)
    send = await _read(world, enrollment)
    values = send.model_dump(exclude={"id"})
    with pytest.raises(IntegrityError):
        async with world.database.write() as session:
            session.add(Send(**values))
    async with world.database.write() as session:
        session.add(Send(**values | {"occurrence": 1}))


async def test_an_attempt_is_written_down_once(world: World) -> None:
    """The database itself refuses a second attempt of the same number, under whatever circumstances it is written."""
    (enrollment,) = await ready_sends(world)
    attempt_id = await _claim(world, await _read(world, enrollment))
    attempt, _ = await world.attempt(str(attempt_id))
    with pytest.raises(IntegrityError):
        async with world.database.write() as session:
            session.add(SendAttempt(**attempt.model_dump()))


# --- compare and set -------------------------------------------------------------------------------------------------


async def test_a_worker_that_read_before_another_claimed_gets_nothing(world: World) -> None:
    """Both have read the same number; the second finds it gone, though the first has failed and the send is free."""
    (enrollment,) = await ready_sends(world)
    early, late = await _read(world, enrollment), await _read(world, enrollment)
    first = await _claim(world, early)
    assert first is not None
    async with world.database.write() as session:
        attempt, send = await session.get(SendAttempt, first), await session.get(Send, early.id)
        assert attempt is not None
        assert send is not None
        record_failed(send, attempt, code=131016, now=NOON)
    assert (late.attempt, late.state) == (0, SendState.DRAFTED)
    assert await _claim(world, late) is None
    assert [one.id for one in await world.rows(SendAttempt)] == [first]
    assert await _claim(world, await _read(world, enrollment)) == f"{enrollment}:1:1:2"


@pytest.mark.parametrize(
    "state", [SendState.IN_FLIGHT, SendState.UNKNOWN, SendState.ACCEPTED, SendState.PARKED, SendState.SKIPPED]
)
async def test_a_send_that_is_out_or_over_cannot_be_claimed(world: World, state: SendState) -> None:
    """Whoever has read the newest number is refused all the same while nobody knows, and when it is over."""
    (enrollment,) = await ready_sends(world)
    await _claim(world, await _read(world, enrollment))
    async with world.database.write() as session:
        send = await find_send(session, enrollment, 0, 0)
        assert send is not None
        send.state = state
    assert await _claim(world, await _read(world, enrollment)) is None
    assert len(await world.rows(SendAttempt)) == 1


# --- the customer's lock ---------------------------------------------------------------------------------------------


async def _done_or_waiting(world: World, work: asyncio.Task[Any]) -> bool:
    """Whether it waits for a lock, once it does; false if it has not waited."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(_STARTS_WITHIN_S):
        while not work.done():
            async with world.database.read() as session:
                if (await (await session.connection()).execute(waiting)).scalar_one():
                    return True
            await asyncio.sleep(_LOOK_S)
    return False


async def test_a_claim_waits_for_an_event_that_is_being_stored(on_postgres: World) -> None:
    """The event has the customer's row: a claim that begins meanwhile sees it when it goes on, and posts nothing."""
    world, posted = on_postgres, list[bytes]()
    (enrollment,) = await ready_sends(world)
    (row,) = await world.rows(Enrollment)
    async with world.database.write() as session:
        customer = await lock_customer(session, row.customer_id)
        sending = asyncio.create_task(_send(world, enrollment, posted))
        has_waited = await _done_or_waiting(world, sending)
        await record_event(
            session,
            customer,
            kind=EventKind.CUSTOMER_REPLIED,
            exit_reason=ExitReason.CUSTOMER_REPLIED,
            occurred_at=NOON,
            received_at=NOON,
            source="test",
            dedupe_key="reply",
        )
    result = await sending
    assert has_waited
    assert result.exit is not None
    assert result.exit.reason is ExitReason.CUSTOMER_REPLIED
    assert posted == []
    assert await world.rows(SendAttempt) == []


async def test_an_event_waits_for_a_claim_that_is_being_taken(on_postgres: World) -> None:
    """The claim has the customer's row; the webhook gets its 200 only when the claim is committed."""
    world = on_postgres
    (enrollment,) = await ready_sends(world)
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    raw = whatsapp_body(messages=[text_message("Hello?", phone="+447700900100")])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        async with world.database.write() as session:
            await lock_customer_of(session, enrollment)
            posting = asyncio.create_task(client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw)))
            has_waited = await _done_or_waiting(world, posting)
            send = await find_send(session, enrollment, 0, 0)
            assert send is not None
            assert await claim(session, send, number_id=world.number_id, used_template=True, now=NOON)
        assert (await posting).status_code == 200
    assert has_waited


# --- the last guard --------------------------------------------------------------------------------------------------


async def test_an_event_that_nobody_has_signalled_still_stops_the_claim(world: World) -> None:
    """The reply is committed and its signal never comes: the claim itself reads it, and posts nothing."""
    posted = list[bytes]()
    (enrollment,) = await ready_sends(world)
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    raw = whatsapp_body(messages=[text_message("Hello?", phone="+447700900100")])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        answer = await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
        assert answer.status_code == 200
    result = await _send(world, enrollment, posted)
    assert result.step is StageStep.EXIT
    assert posted == []
    assert await world.rows(SendAttempt) == []


# --- two workers -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _racer(url: str, key: str, whatsapp: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.racer", url, key, whatsapp),
        cwd=ROOT,
        env=plain_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _within(work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(_STARTS_WITHIN_S):
        return await work


async def test_two_workers_after_the_same_sends_post_each_once(database: Database) -> None:
    """Two processes race for every send of a store: WhatsApp sees one POST of each, and nobody's is left out."""
    key = new_key()
    world = World(database, Cipher([key]))
    await world.add_store()
    enrollments = await ready_sends(world, PEOPLE)
    account = Account(WABA, PHONE_NUMBER_ID, "447700900000")
    sandbox = WhatsAppSandbox(
        clock=lambda: NOON, numbers=[SandboxNumber(account, frozenset({"token"}))], app_secret=APP_SECRET
    )
    url = database.engine.url.render_as_string(hide_password=False)
    async with AsyncExitStack() as running:
        address = await running.enter_async_context(serve(WhatsAppApp(sandbox)))
        racers = [await running.enter_async_context(_racer(url, key, address)) for _ in range(RACERS)]
        for racer in racers:
            assert racer.stdout is not None
            assert await _within(racer.stdout.readline()) == b"ready\n"
        told = await _within(asyncio.gather(*(racer.communicate(b"go\n") for racer in racers)))
    assert [racer.returncode for racer in racers] == [0, 0]
    assert sandbox.books.requests == PEOPLE
    assert sorted(str(one.callback_data) for one in sandbox.books.messages) == sorted(
        f"{one}:1:1:1" for one in enrollments
    )
    assert {one.status for one in await world.rows(SendAttempt)} == {AttemptStatus.ACCEPTED}
    steps = Counter(line for out, _ in told for line in out.decode().split())
    assert steps[StageStep.ACCEPTED] >= PEOPLE
    assert set(steps) <= {StageStep.ACCEPTED, StageStep.UNKNOWN}
