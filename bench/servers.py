"""Servers in processes of their own, as production runs them, so that load and server do not share an interpreter."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def served(factory: str, env: Mapping[str, str]) -> AsyncIterator[str]:
    """A uvicorn process with the application that `module:factory` makes; yields its base URL.

    The socket listens before the program runs, so that nothing has to guess when it is ready.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        # Uvicorn takes whatever it is handed for a Unix socket, on which there is no such delay to turn off: an answer
        # in two parts would wait 40 ms in between. A socket that it opens itself, as in production, has none.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.listen(512)
        descriptor = listening.fileno()
        command = ("-m", "uvicorn", "--factory", factory, "--fd", str(descriptor), "--no-access-log")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            "--log-level",
            "error",
            cwd=_ROOT,
            env={**os.environ, **env},
            pass_fds=(descriptor,),
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.close()  # it is the program's alone now
        try:
            yield url
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def running_worker(settings: dict[str, str]) -> AsyncIterator[int]:
    """The product's worker; its process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "worker.py", cwd=_ROOT, env={**os.environ, **settings}
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()
