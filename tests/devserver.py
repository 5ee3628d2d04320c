"""Temporal's dev server with our search attributes, as the integration tests and the recorder use it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.search_attributes import ALL
from tests.stack import BIN
from workflows.plugin import RekindlePlugin

_STARTS_WITHIN_S = 30


class ServerOnFile:
    """A dev server on a file, which can be killed and started again."""

    def __init__(self, file: Path) -> None:
        self.port = free_port()
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

    async def connected(self) -> Client:
        """A client, as soon as the server answers."""
        async with asyncio.timeout(_STARTS_WITHIN_S):
            while True:
                try:
                    return await Client.connect(f"127.0.0.1:{self.port}", plugins=[RekindlePlugin()])
                except (RuntimeError, RPCError):
                    await asyncio.sleep(0.05)


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    """A dev server for the length of the block."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), search_attributes=list(ALL), dev_server_log_level="error"
    )
    async with environment:
        yield environment
