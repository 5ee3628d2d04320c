"""What every route of the gateway works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, cast

from starlette.requests import Request
from temporalio.client import Client

from gateway.credentials import Credentials
from gateway.group_commit import GroupCommit
from gateway.metrics import Metrics
from gateway.relay import Relay
from storage.engine import Database
from storage.ingest_shopify import ingest_shopify_together
from storage.ingest_whatsapp import WhatsAppRequest, ingest_whatsapp_together
from storage.secrets import Cipher
from storage.shop_pieces import ShopifyRequest

_GROUPS_AT_ONCE = 2
"""How many shared commits are on their way on PostgreSQL.

One that waits for somebody's lock must not hold up all others; more than two make the groups small, and a group costs
much the same however small it is.
"""


def _nobody() -> None:
    """No relay in this process: another one looks every second."""


@dataclass(slots=True)
class Gateway:
    """What the routes work with.

    Attributes:
        database: where everything is stored.
        cipher: opens the stores' secrets.
        credentials: those of them that webhooks are checked against, kept open.
        clock: the one clock.
        max_body: longest webhook body, in bytes.
        metrics: the figures of this gateway.
        metrics_token: what `/metrics` asks for, if anything.
        private_endpoints: whether stores may add endpoints on this machine: in the sandbox.
        temporal: for updates of single workflows; None where this process speaks to no Temporal.
        wake: lets the relay look at once, after an ingest.
        whatsapp: takes WhatsApp's requests in.
        shopify: takes Shopify's in.
    """

    database: Database
    cipher: Cipher
    credentials: Credentials
    clock: Callable[[], datetime]
    max_body: int
    metrics: Metrics
    metrics_token: str | None = field(default=None, repr=False)
    private_endpoints: bool = False
    temporal: Client | None = None
    wake: Callable[[], None] = _nobody
    whatsapp: GroupCommit[WhatsAppRequest] = field(init=False)
    shopify: GroupCommit[ShopifyRequest] = field(init=False)

    def __post_init__(self) -> None:
        """The requests that come in together share their commits."""
        at_once = 1 if self.database.is_sqlite else _GROUPS_AT_ONCE
        self.whatsapp = GroupCommit(partial(ingest_whatsapp_together, self.database), at_once=at_once)
        self.shopify = GroupCommit(partial(ingest_shopify_together, self.database), at_once=at_once)

    def relay_through(self, relay: Relay) -> None:
        """Work together with the relay of this process."""
        self.wake = relay.wake
        self.temporal = relay.client
        self.metrics.relayed = relay.counts.copy


def gateway_of(request: Request) -> Gateway:
    """The gateway that the request came to."""
    app = cast("Any", request.app)
    return cast("Gateway", app.state.gateway)
