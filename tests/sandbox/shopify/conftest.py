"""A shop in the stand-in, two customers, and a listener for what it sends."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from models.enums import ConsentState
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.deeds import Deeds
from sandbox.shopify.outbox import Deliverer
from sandbox.shopify.state import CustomerRecord, ShopState, SubscriptionRecord

NOW = datetime(2030, 6, 3, 9, 0, tzinfo=UTC)
HOOK = "https://app.example.com/configured"


class Heard:
    """A shop, its door, and an app that hears its webhooks."""

    def __init__(self) -> None:
        self.now = NOW
        self.sandbox = ShopifySandbox(lambda: self.now)
        self.shop = self.sandbox.add_shop(ShopState("demo.myshopify.com", "shop-token", "shop-secret", hook=HOOK))
        self.shop.load(
            [
                CustomerRecord(1, "Ana", "Lima", "pt-BR", "+447700900001", ConsentState.SUBSCRIBED),
                CustomerRecord(2, "Bo", locale="en"),
            ]
        )
        self.requests: list[httpx.Request] = []
        self.status = 200
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._hear))
        self.deliverer: Deliverer = self.sandbox.deliver_with(self.http)
        self.door = httpx.AsyncClient(transport=httpx.ASGITransport(self.sandbox), base_url="http://sandbox")

    @property
    def deeds(self) -> Deeds:
        """What can happen at the shop."""
        return self.sandbox.deeds(self.shop.domain)

    def subscribe(self, topic: str, uri: str) -> None:
        """Have a topic (`ORDERS_CREATE`) delivered to an address."""
        self.shop.subscriptions.append(SubscriptionRecord(self.shop.new_id(), topic, uri))

    async def act(self, deed: str, **wish: Any) -> dict[str, Any]:
        """Make something happen through the door; its answer."""
        answer = await self.door.post(f"/_sandbox/{self.shop.domain}/{deed}", json=wish)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def heard(self) -> list[tuple[str, str]]:
        """Topic and address of everything that was posted."""
        return [(one.headers["X-Shopify-Topic"], str(one.url)) for one in self.requests]

    def last(self) -> dict[str, Any]:
        """The last body that was posted."""
        body: dict[str, Any] = json.loads(self.requests[-1].content)
        return body

    def later(self, seconds: float) -> None:
        """Turn the clock."""
        self.now += timedelta(seconds=seconds)

    def _hear(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status)


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    """A shop that is listened to."""
    one = Heard()
    yield one
    await one.door.aclose()
    await one.http.aclose()
