"""A simulation's workflows in a process of their own, so that they and the activities have a core each.

Python runs one thread at a time. Orchestration needs nothing of the simulated world: no clock but Temporal's and, for
the plan that a journey loads when it starts, the database. So it is a worker like any other, as in production, where
workers are processes too. The workflows of simulated people are here as well: only what they do happens elsewhere.

`python -m cli.simulation.orchestration` reads where to work from the first line of its standard input, and serves until
that ends, and with it the simulation that started it.
"""

import quick_start  # noqa: F401 - for its effect

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.services import Services
from cli.simulation.memory import rare_full_collections
from cli.simulation.reviews import RunsWorkflow
from composition import run_async
from observability import configure_logging, route_temporal_logs
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from sandbox.chats import ChatWorkflow
from sandbox.shoppers import BUILD, QUEUE, ShopperWorkflow
from storage.engine import Database
from storage.secrets import Cipher, new_key
from worker import Fleet, Share
from workflows.plugin import RekindlePlugin

_READY = b"ready\n"
_STICKY_FOR = timedelta(hours=1)
"""Of the virtual clock, which runs while a whole audience is being worked through."""
_ROOT = Path(__file__).resolve().parents[2]
_LET_THE_RUNTIME_END_S = 0.02


class OrchestrationError(Exception):
    """The process did not start, or ended too early; it has said why on stderr."""


class _EndedError(Exception):
    """The process ended while it was needed."""


class _Place(BaseModel):
    """Where to work.

    Attributes:
        address: Temporal's.
        database_url: the simulation's throw-away database.
        cached: how many workflows stay in memory.
    """

    address: str
    database_url: str
    cached: int


class Orchestration:
    """The process, which loads what it needs while the simulated world is being built."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @contextlib.asynccontextmanager
    async def serving(self, address: str, database_url: str, *, cached: int) -> AsyncIterator[None]:
        """Serve the simulation's workflows inside the block; the process ends with it.

        Args:
            address: Temporal's.
            database_url: the simulation's throw-away database.
            cached: how many workflows stay in memory.

        Raises:
            OrchestrationError: the process did not start, or ended before the block.
        """
        place = _Place(address=address, database_url=database_url, cached=cached)
        try:
            if self._process.stdin is not None:
                with contextlib.suppress(ConnectionError):
                    self._process.stdin.write(f"{place.model_dump_json()}\n".encode())
                    await self._process.stdin.drain()
            await _until_ready(self._process)
            async with _living(self._process):
                yield
        finally:
            await _end(self._process)


@contextlib.asynccontextmanager
async def starting_orchestration() -> AsyncIterator[Orchestration]:
    """Start the process; it serves in a block inside this one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the simulation's, which then ends this too
    )
    try:
        yield Orchestration(process)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


async def _until_ready(process: asyncio.subprocess.Process) -> None:
    if process.stdout is None or await process.stdout.readline() != _READY:
        raise OrchestrationError("the simulation's worker process did not start")


@contextlib.asynccontextmanager
async def _living(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Ends the block with an error when the process ends: without it the clock would stand still for ever."""
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(_watch(process))
            yield
            watch.cancel()
    except* _EndedError:
        raise OrchestrationError("the simulation's worker process ended before the simulation") from None


async def _watch(process: asyncio.subprocess.Process) -> None:
    await process.wait()
    raise _EndedError


async def _serve() -> None:
    configure_logging("error", "console")
    route_temporal_logs()
    line = await asyncio.to_thread(sys.stdin.buffer.readline)
    if not line:
        return
    place = _Place.model_validate_json(line)
    client = await Client.connect(place.address, plugins=[RekindlePlugin()])
    database = Database(place.database_url, throwaway=True)
    async with httpx.AsyncClient() as nobody:
        services = Services(
            database=database,
            cipher=Cipher([new_key()]),  # opens nothing: a plan has no secrets
            whatsapp=WhatsAppClient(nobody),
            shopify=ShopifyClient(nobody),
            temporal=client,
        )
        fleet = Fleet(
            client, services, share=Share.WORKFLOWS, max_cached_workflows=place.cached, sticky_for=_STICKY_FOR
        )
        people = Worker(
            client,
            task_queue=QUEUE,
            workflows=[ShopperWorkflow, ChatWorkflow, RunsWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            build_id=BUILD,
            max_cached_workflows=place.cached,
        )
        async with fleet, people:
            with rare_full_collections():
                sys.stdout.buffer.write(_READY)
                sys.stdout.flush()
                await asyncio.to_thread(sys.stdin.buffer.read)
    await database.close()
    # Temporal's runtime can abort an interpreter that ends right after it (sdk-python#300).
    await asyncio.sleep(_LET_THE_RUNTIME_END_S)


if __name__ == "__main__":
    run_async(_serve())
