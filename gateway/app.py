"""The gateway as an ASGI application: webhooks in, the staff API, and word of its own health.

`create_app` is handed everything; `create` reads the environment and is what a server is pointed at:
`uvicorn --factory gateway.app:create`.
"""

import quick_start  # noqa: F401 - for its effect

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from composition import cipher_from, system_clock
from gateway import operations, shopify, whatsapp
from gateway.api.app import UnderPrefix, build_api
from gateway.api.openapi import PREFIX, WEBHOOK_RESPONSES
from gateway.bodies import MAX_BODY, BodyCutOffError, BodyTooLargeError
from gateway.credentials import Credentials
from gateway.metrics import Measured, Metrics
from gateway.relay import Relay
from gateway.state import Gateway
from gateway.straight import FaultHandler, Handler, StraightToHandlers
from observability import configure_logging, free_loopback_address, route_temporal_logs
from settings import Settings, load_settings
from storage.engine import Database, DatabaseUnavailableError
from storage.schema import ensure_current
from storage.secrets import Cipher
from workflows.plugin import RekindlePlugin

_log = logging.getLogger(__name__)

_COLLECT_AFTER = 20_000
"""New objects between two of the collector's smallest rounds."""

# Our figures are those of `/metrics`, and paths of the API name people: FastAPI hands nothing on, and need not look at
# each request whether it should.
_OURS_ALONE: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What can be set about the gateway itself.

    Attributes:
        max_body: longest webhook body, in bytes.
        keep_credentials_for: for how many seconds opened secrets are kept in memory.
        metrics_token: what `/metrics` asks for; without one it answers private addresses only.
        private_endpoints: whether stores may add endpoints on this machine: in the sandbox.
    """

    max_body: int = MAX_BODY
    keep_credentials_for: float = 5.0
    metrics_token: str | None = field(default=None, repr=False)
    private_endpoints: bool = False


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
    gateway = _gateway(database, cipher, settings, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if relay is None:
            yield
            return
        async with running(relay):
            yield

    if relay is not None:
        gateway.relay_through(relay)
    return build(gateway, lifespan)


def _gateway(database: Database, cipher: Cipher, settings: GatewaySettings, clock: Callable[[], datetime]) -> Gateway:
    return Gateway(
        database=database,
        cipher=cipher,
        credentials=Credentials(database, cipher, keep_for=settings.keep_credentials_for),
        clock=clock,
        max_body=settings.max_body,
        metrics=Metrics(),
        metrics_token=settings.metrics_token,
        private_endpoints=settings.private_endpoints,
    )


def build(gateway: Gateway, lifespan: Lifespan) -> FastAPI:
    """The routes and the answers to faults, around a gateway."""
    app = doors(lifespan)
    app.state.gateway = gateway
    app.add_middleware(UnderPrefix, prefix=PREFIX, inner=build_api(gateway, app))
    app.add_middleware(StraightToHandlers, handlers=_WEBHOOKS, faults=_FAULTS)
    app.add_middleware(Measured, metrics=gateway.metrics)
    for kind, answer in _FAULTS.items():
        app.add_exception_handler(kind, answer)
    return app


def doors(lifespan: Lifespan | None = None) -> FastAPI:
    """Webhooks, health and figures, without anything to work with."""
    # No documentation pages: this door is open to the internet.
    app = FastAPI(
        title="Rekindle gateway",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry=_OURS_ALONE,
    )
    for module in (whatsapp, shopify):
        app.include_router(
            module.router, tags=["webhooks"], default_response_class=Response, responses=WEBHOOK_RESPONSES
        )
    app.include_router(operations.router)
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
    gateway = _gateway(database, cipher, gateway_settings(settings), system_clock)
    route_temporal_logs(metrics_address=free_loopback_address())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await _check_schema(database)
            # Lazy: webhooks are taken and kept while Temporal is away, and relayed when it is back.
            client = await Client.connect(
                **ClientConfig.load_client_connect_config(), plugins=[RekindlePlugin()], lazy=True
            )
            relay = Relay(database, client, system_clock)
            gateway.relay_through(relay)
            _spare_the_collector()
            async with running(relay):
                yield
        finally:
            await database.close()

    return build(gateway, lifespan)


def gateway_settings(settings: Settings) -> GatewaySettings:
    """What the process's settings say about the gateway."""
    token = settings.metrics_token
    return GatewaySettings(
        metrics_token=token.get_secret_value() if token is not None else None,
        private_endpoints=settings.outgoing_private == "allow",
    )


def _spare_the_collector() -> None:
    """What is loaded by now stays for the process's life: walking it again and again costs a quarter of all requests.

    A group of webhooks makes some ten thousand objects and frees nearly all of them by itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


async def _check_schema(database: Database) -> None:
    try:
        await ensure_current(database)
    except DatabaseUnavailableError as exc:
        # The process lives on: senders are told to come again until the database is back.
        _log.warning("gateway: %s", exc)


async def _store_is_away(request: Request, exc: Exception) -> Response:
    # The text of a database error repeats the parameters, which are people's numbers and words.
    _log.error("gateway: the database is away (%s at %s)", type(exc).__name__, request.url.path)
    return Response(status_code=503, headers={"Retry-After": "5"})


async def _too_large(_request: Request, _exc: Exception) -> Response:
    return Response(status_code=413, headers={"Connection": "close"})


async def _cut_off(_request: Request, _exc: Exception) -> Response:
    return Response(status_code=400)


_WEBHOOKS: Final[Mapping[str, Handler]] = {
    "/webhooks/whatsapp": whatsapp.receive,
    "/webhooks/shopify": shopify.receive,
}
_FAULTS: Final[Mapping[type[Exception], FaultHandler]] = {
    DatabaseUnavailableError: _store_is_away,
    SQLAlchemyError: _store_is_away,
    OSError: _store_is_away,
    BodyTooLargeError: _too_large,
    BodyCutOffError: _cut_off,
}
