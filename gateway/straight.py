"""Webhooks on the short way: to their handler without the router, which costs more than all that we do with one status.

Everything else goes through FastAPI, and so does a webhook's address asked in any other way than the senders ask it,
and the description of the addresses. The answers are the same on both ways: a fault finds the same handlers.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]
FaultHandler = Callable[[Request, Exception], Awaitable[Response]]


class StraightToHandlers:
    """Answers POSTs to certain paths itself and passes everything else on.

    Args:
        app: the application around which it stands.
        handlers: by path.
        faults: what answers an exception, by its class; the first class that fits.
    """

    def __init__(
        self, app: ASGIApp, *, handlers: Mapping[str, Handler], faults: Mapping[type[Exception], FaultHandler]
    ) -> None:
        self._app = app
        self._handlers = handlers
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        handler = self._handlers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except Exception as error:
            answer = next((answer for kind, answer in self._faults.items() if isinstance(error, kind)), None)
            if answer is None:
                raise
            response = await answer(request, error)
        await response(scope, receive, send)
