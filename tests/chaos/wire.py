"""The network between the workers and WhatsApp: it breaks, and while it does, workers die.

A request that has arrived here is one whose claim is committed, and as nobody has answered it, nothing can have been
recorded: whoever kills its sender now kills it between the two.
"""

import json
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.books import Books
from tests.chaos.plan import KILLS, TAKEN, Plan, Wire

_SERVER, _REQUEST_TIMEOUT, _BAD = 500, 408, 400


@dataclass(slots=True)
class Posted:
    """One POST of a message, as the wire saw it.

    Attributes:
        occurrence: `enrollment:stage:occurrence`.
        fate: the fault that it met.
        accepted: whether the sandbox took the message.
        says_not_sent: whether it was answered with a refusal after which a further attempt may follow.
    """

    callback_data: str
    slot: int
    fate: str | None
    accepted: bool = False
    says_not_sent: bool = False

    @property
    def occurrence(self) -> str:
        """`enrollment:stage:occurrence`."""
        return self.callback_data.rpartition(":")[0]


@dataclass(kw_only=True)
class Network:
    """All lines between workers and WhatsApp.

    Attributes:
        kill: ends the worker of a slot with SIGKILL.
        claimed: whether the database has the attempt, unanswered as it is.
        posts: every POST of a message, in order of arrival.
        killed_between: how often a worker was killed with a claim in the database and nothing recorded.
    """

    plan: Plan
    books: Books
    kill: Callable[[int], Awaitable[bool]]
    claimed: Callable[[str], Awaitable[bool]]
    posts: list[Posted] = field(default_factory=list)
    killed_between: int = 0
    _accepted: set[str | None] = field(default_factory=set)
    _read: int = 0

    def line(self, app: WhatsAppApp, slot: int) -> ASGIApp:
        """The way from one worker to the sandbox."""

        async def through(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].endswith("/messages"):
                await app(scope, receive, send)
                return
            raw = await body_of(receive)
            posted = Posted(json.loads(raw)["biz_opaque_callback_data"], slot, None)
            self.posts.append(posted)
            trouble = self.plan.kill_at(len(self.posts)) or self.plan.wire(posted.callback_data)
            answer = _Answer(None if trouble in (*KILLS, *TAKEN, Wire.RESET_BEFORE) else send)
            posted.fate = trouble or (self.plan.sandbox(posted.callback_data) or (None,))[0]
            is_claimed = trouble in KILLS and await self.claimed(posted.callback_data)
            try:
                if trouble is Wire.BUSY:
                    await _busy(answer)
                elif trouble is None or trouble in TAKEN:
                    await app(scope, repeated(raw), answer)
            finally:
                posted.accepted = self._is_accepted(posted.callback_data)
                posted.says_not_sent = answer.says_not_sent
                if trouble is not None:
                    self.plan.injected[trouble] += 1
            if trouble in KILLS and await self.kill(slot):
                self.killed_between += is_claimed
            if answer.is_kept:
                _reset(receive)

        return through

    def _is_accepted(self, callback_data: str) -> bool:
        fresh = self.books.messages[self._read :]
        self._read += len(fresh)
        self._accepted.update(one.callback_data for one in fresh)
        return callback_data in self._accepted


class _Answer:
    """What the sandbox answers, passed on or kept."""

    def __init__(self, send: Send | None) -> None:
        self._send = send
        self._status = 0
        self._content = bytearray()

    @property
    def is_kept(self) -> bool:
        """Whether the caller never hears of it."""
        return self._send is None

    @property
    def says_not_sent(self) -> bool:
        """Whether it says that WhatsApp did not take the message, and was passed on."""
        if self._send is None or self._status < _BAD:
            return False
        if self._status < _SERVER:
            return self._status != _REQUEST_TIMEOUT
        with suppress(ValueError):
            return "error" in json.loads(bytes(self._content))
        return False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            self._content.extend(message.get("body", b""))
        if self._send is not None:
            await self._send(message)


async def body_of(receive: Receive) -> bytes:
    """A request's body."""
    found = bytearray()
    while True:
        message = await receive()
        found.extend(message.get("body", b""))
        if not message.get("more_body", False):
            return bytes(found)


def repeated(raw: bytes) -> Receive:
    """A request's body for whoever reads it next."""

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    return receive


async def _busy(send: Callable[[Message], Awaitable[None]]) -> None:
    """What a gateway in front of the Graph API answers: no error of Graph's."""
    headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _reset(receive: Receive) -> None:
    """Reset the TCP connection of a request. ASGI has no word for it, so the server's own transport is asked."""
    transport: Any = getattr(receive, "__self__").transport  # noqa: B009 - a callable's type does not have it
    found = transport.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
