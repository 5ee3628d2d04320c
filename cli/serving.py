"""Runs an ASGI application on a loopback socket inside this process, for the embedded stack and the simulation."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    """Leaves signals alone: Ctrl-C belongs to the program, not to one of its servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, lifespan: bool = False
) -> AsyncIterator[str]:
    """Serve the application inside the block; yields its base URL.

    The socket listens before the server runs, so that an early connection waits instead of being refused.

    Args:
        app: what to serve.
        host: address to bind.
        port: 0 takes any free one.
        lifespan: whether the application has start-up work of its own.

    Raises:
        OSError: the port is taken.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
        server, running = _start(app, listening, lifespan=lifespan)
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@contextlib.asynccontextmanager
async def serving_together(apps: Mapping[str, ASGIApp]) -> AsyncIterator[dict[str, str]]:
    """The same for several on free ports of loopback, which also end together: each takes a fifth of a second to.

    Yields:
        Their base URLs by the names that they were given.
    """
    with contextlib.ExitStack() as sockets:
        urls, started = {}, []
        for name, app in apps.items():
            listening = sockets.enter_context(socket.socket())
            listening.bind(("127.0.0.1", 0))
            listening.listen(512)
            started.append(_start(app, listening))
            urls[name] = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield urls
        finally:
            for server, _ in started:
                server.should_exit = True
            await asyncio.gather(*(running for _, running in started))


def _start(
    app: ASGIApp, listening: socket.socket, *, lifespan: bool = False
) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on" if lifespan else "off",
        ws="none",
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    return server, asyncio.create_task(server.serve(sockets=[listening]))
