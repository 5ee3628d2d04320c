"""Load for an HTTP server: ready-made requests over connections that stay open, as Meta and Shopify keep theirs.

The client must cost next to nothing, or both servers would look alike: it prepares every byte before the clock starts
and reads no more of an answer than its status. A general HTTP client in Python is slower than the bare endpoint.
"""

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

_END_OF_HEADERS = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 "
_LENGTH = b"content-length:"


class RefusedError(Exception):
    """The server answered a request with something other than 200."""


def as_request(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as it goes over the wire."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in ({"Content-Type": "application/json"} | headers).items()]
    return "\r\n".join(lines).encode() + _END_OF_HEADERS + body


async def posted_per_second(url: str, requests: Sequence[bytes], *, at_once: int) -> float:
    """Send them all, so many at once, and count those answered with 200 in a second.

    Raises:
        RefusedError: one was answered otherwise.
    """
    parts = urlsplit(url)
    waiting = list(reversed(requests))
    lines = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(at_once)]

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while waiting:
            writer.write(waiting.pop())
            answer = await reader.readuntil(_END_OF_HEADERS)
            if not answer.startswith(_OK):
                raise RefusedError(answer.partition(b"\r\n")[0].decode())
            await reader.readexactly(_length_of(answer))

    try:
        began = time.perf_counter()
        await asyncio.gather(*(send(reader, writer) for reader, writer in lines))
        return len(requests) / (time.perf_counter() - began)
    finally:
        for _, writer in lines:
            writer.close()


def _length_of(answer: bytes) -> int:
    _, _, stated = answer.lower().partition(_LENGTH)
    return int(stated.partition(b"\r\n")[0] or 0)
