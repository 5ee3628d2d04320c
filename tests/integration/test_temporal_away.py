"""Temporal goes away in the middle of a stream of webhooks, and comes back on its own file."""

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from composition import system_clock
from models.enums import EnrollmentState, ExitReason
from models.tables import Enrollment, SignalIntent
from storage.secrets import new_key
from tests.integration.gateways import post, running_gateway
from tests.integration.programs import environment
from tests.stack import BIN, HELLO, journey, register_search_attributes, running_stack
from workflows.plugin import RekindlePlugin

PEOPLE = 20
_STARTS_WITHIN_S = 30
_PUT_OFF = "signals put off"
_MOST_TRIES = 8
"""More than a relay makes in two minutes: it rests 1, 2, 4, 8, 16 and then 30 seconds."""


class _Server:
    """A dev server on a file, which can be killed and started again."""

    def __init__(self, file: Path) -> None:
        self.port = _free_port()
        self._file = file
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            *(str(BIN / "temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1"),
            *("--port", str(self.port), "--db-filename", str(self._file), "--log-level", "never"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def _connected(port: int) -> Client:
    async with asyncio.timeout(_STARTS_WITHIN_S):
        while True:
            try:
                return await Client.connect(f"127.0.0.1:{port}", plugins=[RekindlePlugin()])
            except (RuntimeError, RPCError):
                await asyncio.sleep(0.05)


async def _reason(handle: WorkflowHandle[object, object]) -> ExitReason:
    """How the workflow ended; asked until the server that has just come back can tell."""
    async with asyncio.timeout(90):
        while True:
            try:
                return ExitReason(str(getattr(await handle.result(), "reason", None)))
            except RPCError:
                await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def test_nothing_is_lost_while_temporal_is_away(tmp_path: Path, scratch: Path) -> None:
    """Webhooks go on being taken, the relay tries ever more rarely, and every journey ends when Temporal is back."""
    server, key, log = _Server(tmp_path / "temporal.db"), new_key(), tmp_path / "gateway.log"
    async with AsyncExitStack() as running:
        running.push_async_callback(server.kill)  # last of all: workers cannot end without it
        await server.start()
        client = await _connected(server.port)
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
        gateway = await running.enter_async_context(running_gateway(environment(stack, key, scratch), log))
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
        await _connected(server.port)
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
