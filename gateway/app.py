"""The gateway as an ASGI application: webhooks in, and word of its own health.

`create_app` is handed everything; `create` reads the environment and is what a server is pointed at:
`uvicorn --factory gateway.app:create`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from composition import cipher_from, system_clock
from gateway import shopify, whatsapp
from gateway.bodies import MAX_BODY, BodyCutOffError, BodyTooLargeError
from gateway.credentials import Credentials
from gateway.relay import Relay
from gateway.state import Gateway, gateway_of
from observability import configure_logging
from settings import load_settings
from storage.engine import Database, DatabaseUnavailableError
from storage.schema import ensure_current
from storage.secrets import Cipher
from workflows.plugin import RekindlePlugin

_log = logging.getLogger(__name__)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What can be set about the gateway itself.

    Attributes:
        max_body: longest webhook body, in bytes.
        keep_credentials_for: for how many seconds opened secrets are kept in memory.
    """

    max_body: int = MAX_BODY
    keep_credentials_for: float = 5.0


def create_app(
    database: Database,
    cipher: Cipher,
    settings: GatewaySettings,
    relay: Relay | None,
    clock: Callable[[], datetime],
) -> FastAPI:
    """The application on parts that its caller owns and closes.

    Args:
        database: where everything is stored.
        cipher: opens the stores' secrets.
        settings: limits.
        relay: runs while the application does, between its lifespan's start and end; whoever drives the application
            without a lifespan drains it. None when another process relays.
        clock: the one clock of the gateway.
    """
    gateway = Gateway(
        database=database,
        credentials=Credentials(database, cipher, keep_for=settings.keep_credentials_for),
        clock=clock,
        max_body=settings.max_body,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if relay is None:
            yield
            return
        async with running(relay):
            yield

    if relay is not None:
        gateway.wake = relay.wake
    return build(gateway, lifespan)


def build(gateway: Gateway, lifespan: Lifespan) -> FastAPI:
    """The routes and the answers to faults, around a gateway."""
    # No documentation pages: this door is open to the internet.
    app = FastAPI(title="Rekindle gateway", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    app.include_router(whatsapp.router)
    app.include_router(shopify.router)
    app.add_api_route("/health", _health, methods=["GET"])
    app.add_api_route("/ready", _ready, methods=["GET"])
    for kind in (DatabaseUnavailableError, SQLAlchemyError, OSError):
        app.add_exception_handler(kind, _store_is_away)
    app.add_exception_handler(BodyTooLargeError, _too_large)
    app.add_exception_handler(BodyCutOffError, _cut_off)
    return app


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    """Let the relay run inside the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def create() -> FastAPI:
    """The application of a gateway process, from its environment; it also relays.

    Raises:
        SettingsError: the environment cannot be used.
        SecretKeyError: there is no usable key to open the stores' secrets with.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    cipher = cipher_from(settings)
    database = Database(settings.database_url)
    gateway = Gateway(
        database=database, credentials=Credentials(database, cipher), clock=system_clock, max_body=MAX_BODY
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await _check_schema(database)
            # Lazy: webhooks are taken and kept while Temporal is away, and relayed when it is back.
            client = await Client.connect(
                **ClientConfig.load_client_connect_config(), plugins=[RekindlePlugin()], lazy=True
            )
            relay = Relay(database, client, system_clock)
            gateway.wake = relay.wake
            async with running(relay):
                yield
        finally:
            await database.close()

    return build(gateway, lifespan)


async def _check_schema(database: Database) -> None:
    try:
        await ensure_current(database)
    except DatabaseUnavailableError as exc:
        # The process lives on: senders are told to come again until the database is back.
        _log.warning("gateway: %s", exc)


async def _health() -> JSONResponse:
    """The process is up."""
    return JSONResponse({"status": "up"})


async def _ready(request: Request) -> JSONResponse:
    """The database answers, so webhooks can be taken."""
    async with gateway_of(request).database.read() as session:
        await (await session.connection()).execute(text("SELECT 1"))
    return JSONResponse({"status": "ready"})


async def _store_is_away(request: Request, exc: Exception) -> Response:
    # The text of a database error repeats the parameters, which are people's numbers and words.
    _log.error("gateway: the database is away (%s at %s)", type(exc).__name__, request.url.path)
    return Response(status_code=503, headers={"Retry-After": "5"})


async def _too_large(_request: Request, _exc: Exception) -> Response:
    return Response(status_code=413, headers={"Connection": "close"})


async def _cut_off(_request: Request, _exc: Exception) -> Response:
    return Response(status_code=400)
