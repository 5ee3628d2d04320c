"""Figures for Prometheus: what came in and how it went, what waits for Temporal, and the Temporal SDK's own.

Labels are words of ours (a source, an outcome, an HTTP status) and never names, numbers or keys. The Temporal SDK
counts in its own core and can only be asked over HTTP, so it listens on a loopback port and `gateway.operations` passes
on what it says.
"""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storage.intents import Backlog

_SOURCES: Final = frozenset({"whatsapp", "shopify"})
_OUTCOMES: Final = {
    HTTPStatus.OK: "taken",
    HTTPStatus.BAD_REQUEST: "unreadable",
    HTTPStatus.UNAUTHORIZED: "refused",
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.SERVICE_UNAVAILABLE: "database_away",
}
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One gateway's figures.

    Args:
        relayed: the relay's counts by outcome, where this process relays.
    """

    def __init__(self, relayed: Callable[[], dict[str, int]] = dict) -> None:
        self.registry = CollectorRegistry()
        self.relayed = relayed
        self._webhooks = Counter(
            "rekindle_webhooks", "Webhook requests by where they came from and how it went.", ["source", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "rekindle_webhook_seconds", "From a webhook's arrival to its answer, stored with its effects.", ["source"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._api = Counter(
            "rekindle_api_requests", "Requests to the staff API by HTTP status.", ["status"], registry=self.registry
        )

    def webhook(self, source: str, status: int, seconds: float) -> None:
        """Count a webhook request."""
        outcome = _OUTCOMES.get(HTTPStatus(status), "other")
        self._webhooks.labels(source, outcome).inc()
        self._seconds.labels(source).observe(seconds)

    def api(self, status: int) -> None:
        """Count a request to the API."""
        self._api.labels(str(status)).inc()

    def text(self, found: Backlog | None) -> bytes:
        """Everything in Prometheus' text form.

        Args:
            found: what waits for Temporal; None while the database is away.
        """
        moment = CollectorRegistry()
        moment.register(_Now(self.relayed(), found))
        return generate_latest(self.registry) + generate_latest(moment)


class _Now(Collector):
    """Figures that are read at the moment of the question."""

    def __init__(self, relayed: dict[str, int], found: Backlog | None) -> None:
        self._relayed = relayed
        self._found = found

    def collect(self) -> Iterable[Metric]:
        deliveries = CounterMetricFamily(
            "rekindle_relay_signals", "Signals that this process brought to Temporal, by outcome.", labels=["outcome"]
        )
        for outcome in ("delivered", "not_found", "put_off"):
            deliveries.add_metric([outcome], self._relayed.get(outcome, 0))
        yield deliveries
        yield GaugeMetricFamily(
            "rekindle_database_up", "Whether the database answered just now.", int(self._found is not None)
        )
        if self._found is None:
            return
        yield GaugeMetricFamily(
            "rekindle_intents_pending", "Signals that Temporal has yet to accept.", self._found.pending
        )
        yield GaugeMetricFamily(
            "rekindle_intents_oldest_seconds", "Age of the oldest of them; 0 if there is none.",
            self._found.oldest.total_seconds(),
        )  # fmt: skip


class Measured:
    """Counts and times the requests that go through it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        first, _, rest = scope.get("path", "").removeprefix("/").partition("/")
        if scope["type"] != "http" or not (first == "api" or (first == "webhooks" and rest in _SOURCES)):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if first == "api":
                self._metrics.api(status)
            else:
                self._metrics.webhook(rest, status, time.perf_counter() - began)
