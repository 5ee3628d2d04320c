"""What every route of the gateway works with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from starlette.requests import Request

from gateway.credentials import Credentials
from storage.engine import Database


def _nobody() -> None:
    """No relay in this process: another one looks every second."""


@dataclass(slots=True)
class Gateway:
    """The database, the open secrets, the one clock, and how to wake the relay after an ingest."""

    database: Database
    credentials: Credentials
    clock: Callable[[], datetime]
    max_body: int
    wake: Callable[[], None] = _nobody


def gateway_of(request: Request) -> Gateway:
    """The gateway that the request came to."""
    app = cast("Any", request.app)
    return cast("Gateway", app.state.gateway)
