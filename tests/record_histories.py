"""Records one history per path from a real dev server: `python -m tests.record_histories [NAME ...]`.

Histories are kept for ever, because journeys live for months: a name that exists already is refused, and a changed
shape gets a new name. Days pass in seconds here, which no history can tell: orchestration is given moments, and
never computes one.
"""

import argparse
import asyncio
import hashlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from composition import system_clock
from tests.devserver import dev_server
from tests.recorded import deliveries, holds, journeys, reviews, silences, stores
from tests.stack import Stack, running_stack
from workflows.plugin import RekindlePlugin

HISTORIES = Path(__file__).parent / "histories"
MANIFEST = HISTORIES / "MANIFEST.sha256"
_STACK_TRACE = re.compile(r'("stackTrace": )"(?:[^"\\]|\\.)*"')

PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    **journeys.PATHS,
    **holds.PATHS,
    **stores.PATHS,
    **silences.PATHS,
    **reviews.PATHS,
    **deliveries.PATHS,
}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs paths against one server."""

    client: Client

    @asynccontextmanager
    async def stack(self) -> AsyncIterator[Stack]:
        """A stack of its own for one path."""
        with tempfile.TemporaryDirectory() as directory:
            url = f"sqlite+aiosqlite:///{directory}/record.db"
            async with running_stack(self.client, url, clock=system_clock, unknown_wait=timedelta(seconds=1)) as stack:
                yield stack

    async def record(self, name: str) -> str:
        """The history of one path as JSON."""
        async with self.stack() as stack:
            workflow_id = await PATHS[name](stack)
            return (await self.client.get_workflow_handle(workflow_id).fetch_history()).to_json()


def write_manifest() -> None:
    """List every history with its checksum."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(HISTORIES.glob("*.json"))
    ]
    MANIFEST.write_text("\n".join(lines) + "\n", encoding="ascii")


async def _record_all(names: list[str]) -> None:
    async with dev_server() as server:
        target = server.client.service_client.config.target_host
        # The identity of workers stands in every history; by default it is this machine's name.
        client = await Client.connect(target, plugins=[RekindlePlugin()], identity="recorder")
        recorder = Recorder(client)
        for name in names:
            # Where this machine keeps the code is nobody's affair.
            text = _STACK_TRACE.sub(r'\1""', await recorder.record(name))
            (HISTORIES / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            sys.stdout.write(f"{name}: {len(text)} bytes\n")
    write_manifest()
    await asyncio.sleep(0.02)


def main() -> int:
    """Record the paths that are named, or all that have no history yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PATHS)}")
    names = parser.parse_args().names or [name for name in PATHS if not (HISTORIES / f"{name}.json").exists()]
    HISTORIES.mkdir(exist_ok=True)
    taken = [name for name in names if (HISTORIES / f"{name}.json").exists()]
    if taken:
        sys.stderr.write(f"recorded already, and never changed: {', '.join(taken)}\n")
        return 1
    asyncio.run(_record_all(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
