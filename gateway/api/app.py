"""The API as an application of its own inside the gateway, so that its errors have a form of their own."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api import (
    approvals,
    conversations,
    customers,
    diagnosis,
    external,
    journeys,
    ledger,
    lifecycle,
    reports,
    sends,
    statistics,
    webhooks,
)
from gateway.api.guard import Guard, Support
from gateway.api.openapi import describe
from gateway.api.problems import answer_with_problems
from gateway.state import Gateway


def build_api(gateway: Gateway, doors: FastAPI) -> ASGIApp:
    """The API behind its guard.

    Args:
        gateway: what the routes work with.
        doors: the application around it, whose own addresses the API's description includes.
    """
    app = routes()
    app.state.gateway = gateway

    async def description(_caller: Support) -> dict[str, Any]:
        return describe(doors, app)

    app.add_api_route("/openapi.json", description, methods=["GET"], include_in_schema=False)
    return Guard(app, gateway)


class UnderPrefix:
    """Sends whatever begins with a prefix to an application of its own.

    Starlette's `Mount` leaves paths with a line break in them to the application around it, and so past the guard.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, inner: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to the one or the other."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(f"{self._prefix}/"):
            inside = dict(scope, root_path=scope.get("root_path", "") + self._prefix)
            await self._inner(inside, receive, send)
        else:
            await self._app(scope, receive, send)


def routes() -> FastAPI:
    """The routes without anything to work with."""
    # Its description is served to holders of a key only, and by ourselves.
    app = FastAPI(title="Rekindle", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for module in (
        customers,
        diagnosis,
        journeys,
        statistics,
        lifecycle,
        reports,
        approvals,
        sends,
        ledger,
        conversations,
        external,
        webhooks,
    ):
        app.include_router(module.router)
    answer_with_problems(app)
    return app
