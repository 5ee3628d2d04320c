"""A real local server around an ASGI app, for tests of clients."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[str]:
    """Serve the app on a free port of 127.0.0.1; yields the address without a path.

    The socket listens before the server runs, so that early connections wait in its backlog.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(app, log_config=None, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            # Nobody is left to wait for: a test's client is closed by now. Uvicorn's own end takes two tenths of a
            # second, of each of the hundreds of servers.
            await _cut_off(server, running)


async def _cut_off(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    for door in getattr(server, "servers", ()):  # has none before it has started
        door.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    requests = list(server.server_state.tasks)
    for task in (running, *requests):
        task.cancel()
    await asyncio.gather(running, *requests, return_exceptions=True)
