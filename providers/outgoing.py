"""HTTP to addresses that somebody else has entered, with nothing that such an address could turn against us.

A host is resolved once, every address that it has is looked at, and the connection goes to one of those addresses under
the host's name: a second answer of the resolver, another one than was looked at, is never asked for. No redirect is
followed, no cookie kept, no proxy of the environment used, and an answer is read up to a limit and a time.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

import httpx

from providers.addresses import UnsafeUrlError, check_url, refused

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host, as `getaddrinfo` would give them."""

ANSWERS_WITHIN_S: Final = 10.0
LONGEST_ANSWER: Final = 64 * 1024
_MOST_ADDRESSES: Final = 3
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_RESOLVERS: Final = 16


class Trouble(StrEnum):
    """Why there is no answer."""

    REFUSED_ADDRESS = "refused_address"
    UNKNOWN_HOST = "unknown_host"
    NOT_CONNECTED = "not_connected"
    TOO_SLOW = "too_slow"
    BROKEN_OFF = "broken_off"

    @property
    def never_left(self) -> bool:
        """Whether the request provably reached nobody."""
        return self in (Trouble.REFUSED_ADDRESS, Trouble.UNKNOWN_HOST, Trouble.NOT_CONNECTED)


class NoAnswerError(Exception):
    """There is no answer; the text is the trouble's word and holds no address."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said.

    Attributes:
        status: HTTP status; of a redirect too, since none is followed.
        body: the first bytes of it, as they came.
        whole: whether that is all of it.
        plain: whether it came without a compression.
        retry_after: how long we are asked to wait, if that is said in seconds.
    """

    status: int
    body: bytes = b""
    whole: bool = True
    plain: bool = True
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own class of statuses


@functools.cache
def _threads() -> ThreadPoolExecutor:
    # Its own threads: a name server that never answers must not use up those that everybody's lookups share.
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve")


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The machine's own resolver."""
    look = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_threads(), look)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class OutgoingClient:
    """Posts to addresses of others.

    Args:
        private: whether this machine's own addresses, and plain http, are allowed: in the sandbox and in tests.
        resolve: finds a host's addresses.
        trust: which certificates are believed; the usual authorities if left out.
        answers_within: seconds for a whole exchange, name resolution included.
    """

    def __init__(
        self,
        *,
        private: bool = False,
        resolve: Resolver = system_resolver,
        trust: ssl.SSLContext | None = None,
        answers_within: float = ANSWERS_WITHIN_S,
    ) -> None:
        self.private = private
        self._resolve = resolve
        self._trust = trust
        self._answers_within = answers_within

    async def post(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Answer:
        """Post once.

        Raises:
            NoAnswerError: nobody answered, or we do not go there. The request may have arrived all the same unless
                the trouble says that it never left.
        """
        try:
            async with asyncio.timeout(self._answers_within):
                return await self._post(url, headers, content)
        except TimeoutError:
            raise NoAnswerError(Trouble.TOO_SLOW) from None

    async def _post(self, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        try:
            parts, whole = check_url(url, private=self.private), httpx.URL(url)
        except (UnsafeUrlError, httpx.InvalidURL):
            raise NoAnswerError(Trouble.REFUSED_ADDRESS) from None
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        for address in (addresses := await self._addresses(host, port)):
            there = whole.copy_with(host=address, port=port)
            request = httpx.Request(
                "POST",
                there,
                headers={"Accept-Encoding": "identity", **headers, "Host": parts.netloc, "Connection": "close"},
                content=content,
                extensions={
                    "sni_hostname": host,
                    # An address that swallows everything leaves time for the host's other ones.
                    "timeout": httpx.Timeout(
                        self._answers_within, connect=self._answers_within / _MOST_ADDRESSES
                    ).as_dict(),
                },
            )
            try:
                return await self._exchange(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == addresses[-1]:
                    raise NoAnswerError(Trouble.NOT_CONNECTED) from None
            except httpx.TimeoutException:
                raise NoAnswerError(Trouble.TOO_SLOW) from None
            except (httpx.TransportError, httpx.InvalidURL):
                raise NoAnswerError(Trouble.BROKEN_OFF) from None
        raise NoAnswerError(Trouble.UNKNOWN_HOST)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """Where the host is; nowhere if a single one of its addresses is not for us."""
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NoAnswerError(Trouble.UNKNOWN_HOST) from None
        if any(refused(address, private=self.private) is not None for address in found):
            raise NoAnswerError(Trouble.REFUSED_ADDRESS)
        return found[:_MOST_ADDRESSES]

    async def _exchange(self, request: httpx.Request) -> Answer:
        # A transport without a client around it: that would follow, remember and read from the environment. A new one
        # for every request: a connection that is kept belongs to an address, and two hosts may share one.
        async with httpx.AsyncHTTPTransport(verify=self._authorities(), trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                body, whole = bytearray(), True
                assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - an async transport's are
                async for chunk in response.stream:
                    body += chunk
                    if len(body) > LONGEST_ANSWER:
                        whole = False
                        break
            finally:
                await response.aclose()
        return Answer(
            status=response.status_code,
            body=bytes(body[:LONGEST_ANSWER]),
            whole=whole,
            plain=response.headers.get("Content-Encoding", "identity") == "identity",
            retry_after=_seconds(response.headers.get("Retry-After", "")),
        )

    def _authorities(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = httpx.create_ssl_context(trust_env=False)
        return self._trust


def _seconds(text: str) -> timedelta | None:
    """A wait in seconds; a date is not heeded, since nobody knows by which clock it was meant."""
    text = text.strip()
    return timedelta(seconds=int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else None  # noqa: PLR2004 - a million seconds
