"""Temporal goes away in the middle of a stream of webhooks, and comes back on its own file."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from composition import system_clock
from models.enums import EnrollmentState, ExitReason
from models.tables import Enrollment, SignalIntent
from storage.secrets import new_key
from tests.devserver import ServerOnFile
from tests.integration.gateways import post, running_gateway
from tests.integration.programs import environment
from tests.stack import HELLO, journey, register_search_attributes, running_stack

PEOPLE = 20
_PUT_OFF = "signals put off"
_MOST_TRIES = 8
"""More than a relay makes in two minutes: it rests 1, 2, 4, 8, 16 and then 30 seconds."""


async def _reason(handle: WorkflowHandle[object, object]) -> ExitReason:
    """How the workflow ended; asked until the server that has just come back can tell."""
    async with asyncio.timeout(90):
        while True:
            try:
                return ExitReason(str(getattr(await handle.result(), "reason", None)))
            except RPCError:
                await asyncio.sleep(0.05)


async def test_nothing_is_lost_while_temporal_is_away(tmp_path: Path) -> None:
    """Webhooks go on being taken, the relay tries ever more rarely, and every journey ends when Temporal is back."""
    server, key, log = ServerOnFile(tmp_path / "temporal.db"), new_key(), tmp_path / "gateway.log"
    async with AsyncExitStack() as running:
        running.push_async_callback(server.kill)  # last of all: workers cannot end without it
        await server.start()
        client = await server.connected()
        await register_search_attributes(client)
        url = f"sqlite+aiosqlite:///{tmp_path}/stack.db"
        stack = await running.enter_async_context(running_stack(client, url, clock=system_clock, key=key))
        enrollments, bodies = [], []
        for _ in range(PEOPLE):
            person = await stack.person()
            enrollments.append(await stack.begin(journey(("3d", HELLO)), person))
            bodies.append(stack.whatsapp.inbound(person.phone, "Hello?", stack.clock()))
        for enrollment in enrollments:
            await stack.waits(enrollment, 0)
        gateway = await running.enter_async_context(running_gateway(environment(stack, key), log))
        http = await running.enter_async_context(httpx.AsyncClient())

        async def settled() -> list[SignalIntent]:
            return [one for one in await stack.rows(SignalIntent) if one.settled_at is not None]

        half = PEOPLE // 2
        assert {await post(http, gateway.url, raw) for raw in bodies[:half]} == {200}
        await stack.until(settled, settle=False, within=60)
        await server.kill()
        assert {await post(http, gateway.url, raw) for raw in bodies[half:]} == {200}

        async def relay_rests() -> bool:
            return log.read_text().count(_PUT_OFF) >= 3

        await stack.until(relay_rests, settle=False, within=60)
        assert len(await settled()) < PEOPLE
        await server.start()
        await server.connected()
        reasons = [await _reason(stack.handle(enrollment)) for enrollment in enrollments]
        assert reasons == [ExitReason.CUSTOMER_REPLIED] * PEOPLE

        async def all_settled() -> bool:
            return len(await settled()) == PEOPLE

        await stack.until(all_settled, settle=False, within=90)
        intents = await stack.rows(SignalIntent)
        assert sorted(one.enrollment_id for one in intents) == sorted(enrollments)
        assert {one.outcome for one in intents} <= {"delivered", "closed"}
        assert max(one.tries for one in intents) <= _MOST_TRIES
        assert log.read_text().count(_PUT_OFF) <= _MOST_TRIES
        assert {one.state for one in await stack.rows(Enrollment)} == {EnrollmentState.CLOSED}
