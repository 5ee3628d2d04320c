"""A simulation's workflows in a process of their own, so that they and the activities have a core each.

Python runs one thread at a time. Orchestration needs nothing of the simulated world: no clock but Temporal's and, for
the plan that a journey loads when it starts, the database. So it is a worker like any other, as in production, where
workers are processes too.

`python -m cli.simulation.orchestration ADDRESS DATABASE_URL CACHED` serves until its standard input ends, and with it
the simulation that started it.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
from temporalio.client import Client

from activities.services import Services
from cli.simulation.memory import rare_full_collections
from composition import run_async
from observability import configure_logging, route_temporal_logs
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
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


@contextlib.asynccontextmanager
async def orchestrating(address: str, database_url: str, *, cached: int) -> AsyncIterator[None]:
    """Serve the simulation's workflows inside the block.

    Args:
        address: Temporal's.
        database_url: the simulation's throw-away database.
        cached: how many workflows stay in memory.

    Raises:
        OrchestrationError: the process did not start, or ended before the block.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, address, database_url, str(cached)),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the simulation's, which then ends this too
    )
    try:
        await _until_ready(process)
        async with _living(process):
            yield
    finally:
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


async def _serve(address: str, database_url: str, cached: int) -> None:
    configure_logging("error", "console")
    route_temporal_logs()
    client = await Client.connect(address, plugins=[RekindlePlugin()])
    database = Database(database_url, throwaway=True)
    async with httpx.AsyncClient() as nobody:
        services = Services(
            database=database,
            cipher=Cipher([new_key()]),  # opens nothing: a plan has no secrets
            whatsapp=WhatsAppClient(nobody),
            shopify=ShopifyClient(nobody),
            temporal=client,
        )
        fleet = Fleet(client, services, share=Share.WORKFLOWS, max_cached_workflows=cached, sticky_for=_STICKY_FOR)
        async with fleet:
            with rare_full_collections():
                sys.stdout.buffer.write(_READY)
                sys.stdout.flush()
                await asyncio.to_thread(sys.stdin.buffer.read)
    await database.close()
    # Temporal's runtime can abort an interpreter that ends right after it (sdk-python#300).
    await asyncio.sleep(_LET_THE_RUNTIME_END_S)


if __name__ == "__main__":
    run_async(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
