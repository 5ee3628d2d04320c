"""The network between us and the services, which a test may cut."""

import json
import ssl
from collections.abc import Awaitable, Callable

import httpx

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and reading the world's certificates takes longer than many a test."""


class Line(httpx.AsyncBaseTransport):
    """The network between us and the services; a test may cut it or look at what leaves.

    Attributes:
        refusals: so many of the next messages are refused before they leave.
        before_send: called with each message's callback data before it leaves.
        answers: told instead of the service's own, each to the next request whose path ends with its key.
    """

    def __init__(self) -> None:
        self.refusals = 0
        self.before_send: Callable[[str], Awaitable[None]] | None = None
        self.answers: dict[str, httpx.Response] = {}
        self._wire = httpx.AsyncHTTPTransport(verify=TRUSTS_NOBODY)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        for ending in list(self.answers):
            if request.url.path.endswith(ending):
                return self.answers.pop(ending)
        if request.url.path.endswith("/messages"):
            if self.refusals:
                self.refusals -= 1
                raise httpx.ConnectError("refused")
            if self.before_send is not None:
                await self.before_send(json.loads(request.content)["biz_opaque_callback_data"])
        return await self._wire.handle_async_request(request)

    async def aclose(self) -> None:
        """Hang up."""
        await self._wire.aclose()
