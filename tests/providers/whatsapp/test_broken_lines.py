"""Sending over real sockets that misbehave: what is known after it, and that no POST is ever made twice.

A mock raises what we think httpx raises; here it is httpx's own word, for each way in which a line can break.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from providers.errors import BadAnswer, NotSent, OutcomeUnknown, ProviderError, Rejected, Throttled
from providers.whatsapp.client import WhatsAppClient
from providers.whatsapp.messages import text_message

MESSAGE = text_message(to="+447700900123", body="Hello", callback_data="enr-1:1:1:1")
TAKEN = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.1"}]}'
FAST = httpx.Timeout(connect=1.0, write=1.0, read=0.3, pool=0.2)
Behaviour = Callable[["Line", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Line:
    """A server that does one thing to each connection, and counts what it could read."""

    behave: Behaviour
    connections: int = 0
    posts: int = 0
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._writers.append(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.behave(self, reader, writer)
        finally:
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> None:
        """A whole request: from here on the message may have gone."""
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]))
        self.posts += head.startswith(b"POST ")


@asynccontextmanager
async def line(behave: Behaviour) -> AsyncIterator[Line]:
    """A listening server."""
    found = Line(behave)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()


async def send(port: int, used: httpx.AsyncClient | None = None, *, scheme: str = "http") -> str | ProviderError:
    """One message to that port: its id, or what went wrong."""
    if used is None:
        async with httpx.AsyncClient(trust_env=False) as fresh:
            return await send(port, fresh, scheme=scheme)
    client = WhatsAppClient(used, base_url=f"{scheme}://127.0.0.1:{port}", timeout=FAST)
    try:
        return (await client.send("900000000000001", "token", MESSAGE)).wamid
    except ProviderError as error:
        return error


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def says(answer: bytes) -> Behaviour:
    """Reads the request, answers so and closes."""

    async def behave(one: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one.read(reader)
        writer.write(answer)
        await writer.drain()

    return behave


def http(status: str, body: bytes = b"", *, length: int | None = None, more: bytes = b"") -> bytes:
    """An answer; `length` is what it claims to be long."""
    size = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), size, more, body)


async def closes_at_once(_one: Line, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes the connection and reads nothing."""


async def resets_at_once(_one: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets in the middle of the request."""
    await reader.read(8)
    reset(writer)


async def resets_after_reading(one: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Has the whole request, and resets."""
    await one.read(reader)
    reset(writer)


async def says_nothing(one: Line, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Has the whole request, and keeps silent."""
    await one.read(reader)
    await reader.read()


BROKEN: dict[str, Behaviour] = {
    "closes at once": closes_at_once,
    "resets while it reads": resets_at_once,
    "resets after reading": resets_after_reading,
    "closes after reading": says(b""),
    "says nothing": says_nothing,
    "half a status line": says(b"HTTP/1.1 20"),
    "half the headers": says(b"HTTP/1.1 200 OK\r\nContent-Length: 62\r\n"),
    "half the body": says(http("200 OK", TAKEN[:30], length=len(TAKEN))),
    "half a refusal": says(http("400 Bad Request", b'{"error":{"code":1310', length=60)),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "continues and closes": says(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body that cannot be unpacked": says(http("200 OK", b"no gzip", more=b"Content-Encoding: gzip\r\n")),
}


@pytest.mark.parametrize("behave", BROKEN.values(), ids=BROKEN.keys())
async def test_a_line_that_breaks_after_the_connection_stood_leaves_the_outcome_unknown(behave: Behaviour) -> None:
    """Once a byte may have been written nobody knows, and the client does not repeat the request by itself."""
    async with line(behave) as server:
        assert isinstance(await send(server.port), OutcomeUnknown)
        assert server.connections == 1
        assert server.posts <= 1


ANSWERS: dict[str, tuple[bytes, type[ProviderError]]] = {
    "a gateway's page": (http("502 Bad Gateway", b"<html></html>"), OutcomeUnknown),
    "a time-out of a gateway": (http("504 Gateway Timeout"), OutcomeUnknown),
    "an error without a code": (http("500 Internal Server Error", b'{"error":"oops"}'), OutcomeUnknown),
    "a time-out of the request": (http("408 Request Timeout"), OutcomeUnknown),
    "a redirect": (http("307 Temporary Redirect", more=b"Location: /elsewhere\r\n"), OutcomeUnknown),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", BadAnswer),
    "success without a message": (http("200 OK", b'{"messages":[]}'), BadAnswer),
    "success with a page": (http("200 OK", b"<html></html>"), BadAnswer),
    "Graph's own error": (http("500 Internal Server Error", b'{"error":{"code":131000}}'), Rejected),
    "Graph's error in a success": (http("200 OK", b'{"error":{"code":131000}}'), Rejected),
    "a gateway's refusal": (http("404 Not Found", b"<html></html>"), Rejected),
    "too many": (http("429 Too Many Requests"), Throttled),
}


@pytest.mark.parametrize(("answer", "kind"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_an_answer_tells_of_the_message(answer: bytes, kind: type[ProviderError]) -> None:
    """Only Graph's own error and a clear 4xx say "not sent"; nothing is followed or repeated."""
    async with line(says(answer)) as server:
        assert type(await send(server.port)) is kind
        assert server.posts == 1


async def test_a_refused_connection_is_not_sent() -> None:
    """Nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert isinstance(await send(unused.getsockname()[1]), NotSent)


@pytest.mark.parametrize("behave", [says_nothing, closes_at_once, resets_at_once])
async def test_a_connection_whose_encryption_never_stood_is_not_sent(behave: Behaviour) -> None:
    """A TLS handshake that is not answered or broken off comes before the request."""
    async with line(behave) as server:
        assert isinstance(await send(server.port, scheme="https"), NotSent)
        assert server.posts == 0


async def test_no_free_connection_is_not_sent() -> None:
    """While all connections are taken a further message waits for one, and is given up before it leaves."""
    limits = httpx.Limits(max_connections=1)
    async with line(says_nothing) as server, httpx.AsyncClient(trust_env=False, limits=limits) as http_client:
        first, second = await asyncio.gather(send(server.port, http_client), send(server.port, http_client))
        assert {type(first), type(second)} == {OutcomeUnknown, NotSent}
        assert server.posts == 1


async def test_a_proxy_that_refuses_the_tunnel_has_sent_nothing() -> None:
    """The tunnel comes before the request."""
    seen: list[bytes] = []

    async def refuse(_one: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http("403 Forbidden"))
        await writer.drain()

    async with line(refuse) as server, httpx.AsyncClient(proxy=f"http://127.0.0.1:{server.port}") as http_client:
        assert isinstance(await send(9, http_client, scheme="https"), NotSent)
    assert [one.split()[0] for one in seen] == [b"CONNECT"]


@pytest.mark.parametrize("closes_idle", [True, False])
async def test_a_kept_connection_that_the_server_closes_repeats_nothing(*, closes_idle: bool) -> None:
    """Closed while idle, the next message takes a new connection; closed after reading, its outcome is unknown."""
    closed = asyncio.Event()

    async def once(one: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one.read(reader)
        writer.write(http("200 OK", TAKEN))
        await writer.drain()
        if not closes_idle:
            await one.read(reader)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with line(once) as server, httpx.AsyncClient(trust_env=False) as http_client:
        assert await send(server.port, http_client) == "wamid.1"
        if closes_idle:
            await closed.wait()
        second = await send(server.port, http_client)
        assert second == "wamid.1" if closes_idle else isinstance(second, OutcomeUnknown)
        assert server.posts == 2
        assert server.connections == (2 if closes_idle else 1)


async def test_an_address_that_is_none_is_not_sent(tmp_path: Path) -> None:
    """A store's endpoint that cannot be read as an address fails before anything leaves."""
    async with httpx.AsyncClient(trust_env=False) as http_client:
        for endpoint in ("http://[::1", f"file://{tmp_path}"):
            with pytest.raises(NotSent):
                await WhatsAppClient(http_client).send("900000000000001", "token", MESSAGE, endpoint=endpoint)
