"""Gateways as real processes, and the wires to and from them, which a test may cut."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.programs import ROOT
from tests.stack import SECRET
from tests.worlds import whatsapp_headers

_CHUNK = 65536
_SOCKET = ".s.PGSQL.5432"
_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway process that also relays."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def url(self) -> str:
        """Where it takes WhatsApp's webhooks."""
        return webhook_url(self.port)


def webhook_url(port: int) -> str:
    """Where WhatsApp's webhooks go."""
    return f"http://127.0.0.1:{port}/webhooks/whatsapp"


async def post(http: httpx.AsyncClient, url: str, raw: bytes) -> int:
    """Deliver one webhook; the status."""
    answer = await http.post(url, content=raw, headers=whatsapp_headers(raw, SECRET), timeout=60)
    return answer.status_code


@asynccontextmanager
async def running_gateway(env: Mapping[str, str], log: Path, port: int = 0) -> AsyncIterator[Gateway]:
    """A gateway as production runs it, on a free port or the one given; killed at the end if it still runs.

    Its socket listens before the program does, so that nobody has to guess when it is ready.
    """
    with socket.socket() as listening, log.open("ab") as output:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the one before may just have been killed
        listening.bind(("127.0.0.1", port))
        listening.listen(256)
        descriptor = listening.fileno()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "--factory", "gateway.app:create", "--fd", str(descriptor)),
            cwd=ROOT,
            env=dict(env),
            stdout=output,
            stderr=output,
            pass_fds=(descriptor,),
        )
        port = listening.getsockname()[1]
        listening.close()  # it is the program's alone now, so that it dies with it
        try:
            yield Gateway(process, port)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class _Line:
    """One connection through to the far end, with what comes back kept from the near end where that is asked for."""

    def __init__(self, *, is_deaf: bool) -> None:
        self.stored_a_webhook = False
        self.is_deaf = is_deaf

    def sees(self, chunk: bytes) -> None:
        """Look at what goes to the far end, which is PostgreSQL: the webhook's own commit is the last thing said."""
        self.stored_a_webhook = self.stored_a_webhook or b"INSERT INTO webhook_update" in chunk
        self.is_deaf = self.is_deaf or (self.stored_a_webhook and b"COMMIT" in chunk)

    async def there(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        """What the near end says."""
        while chunk := await near.read(_CHUNK):
            self.sees(chunk)
            far.write(chunk)
            await far.drain()

    async def back(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """What the far end answers."""
        while chunk := await far.read(_CHUNK):
            if not self.is_deaf:
                near.write(chunk)
                await near.drain()

    async def run(self, near: _Ends, far: _Ends) -> None:
        """Pass on until one of the ends is gone."""
        tasks = [asyncio.create_task(self.there(near[0], far[1])), asyncio.create_task(self.back(far[0], near[1]))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in (near, far):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def deaf_line(port: int) -> AsyncIterator[int]:
    """A line to the gateway that takes requests there and swallows every answer; the port of its near end."""
    lines: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_connection("127.0.0.1", port)
        lines.append(asyncio.create_task(_Line(is_deaf=True).run((reader, writer), far)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*lines)


@asynccontextmanager
async def line_that_swallows_commits(socket_directory: str, near_directory: Path) -> AsyncIterator[str]:
    """A line to PostgreSQL on which a stored webhook's commit is done, and its confirmation never comes back.

    Yields the directory of its near end.
    """
    lines: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_unix_connection(f"{socket_directory}/{_SOCKET}")
        lines.append(asyncio.create_task(_Line(is_deaf=False).run((reader, writer), far)))

    async with await asyncio.start_unix_server(connected, str(near_directory / _SOCKET)):
        yield str(near_directory)
    await asyncio.gather(*lines)
