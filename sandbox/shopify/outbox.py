"""Where the stand-in's webhooks wait, and who delivers them: to whom a shop's subscriptions say, until it is taken.

As at Shopify, only a 2xx within five seconds counts, a delivery is tried again eight times over four hours, and a
subscription whose delivery was given up is gone.
"""

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import httpx

from sandbox.shopify.state import Clock, ShopState
from sandbox.shopify.webhooks import Webhook

WITHOUT_SUBSCRIPTION: Final = frozenset({"customers/data_request", "customers/redact", "shop/redact"})
"""Topics that no subscription can ask for; they go where the app's configuration says."""

RETRY_AFTER: Final = tuple(timedelta(seconds=one) for one in (10, 30, 120, 300, 900, 1800, 3600, 7200))
_TIMEOUT_S = 5.0
_LOOK_S = 0.5  # a clock that is not this machine's may run ahead of a sleep


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook on its way to one address."""

    shop: ShopState = field(repr=False)
    webhook: Webhook
    address: str
    attempt: int = 0


class Outbox:
    """Deliveries that wait for their time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, Delivery]] = []
        self._order = itertools.count()
        self.filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, shop: ShopState, webhook: Webhook, at: datetime) -> None:
        """Have a webhook delivered to everybody who asked for it; to nobody if nobody did."""
        for number, address in enumerate(addresses(shop, webhook.topic)):
            self.add(Delivery(shop, webhook if number == 0 else _again(webhook, address), address), at)

    def add(self, delivery: Delivery, at: datetime) -> None:
        """Have one delivery made, not before a moment."""
        heapq.heappush(self._waiting, (at, next(self._order), delivery))
        self.filled.set()

    def take(self, now: datetime) -> Delivery | None:
        """The next that is due, in the order of their times."""
        if not self._waiting or self._waiting[0][0] > now:
            return None
        return heapq.heappop(self._waiting)[2]


class Deliverer:
    """Posts what waits in an outbox.

    Attributes:
        delivered: deliveries that were taken.
        given_up: deliveries that never were.
    """

    def __init__(self, outbox: Outbox, http: httpx.AsyncClient, clock: Clock) -> None:
        self._outbox = outbox
        self._http = http
        self._clock = clock
        self._posting = asyncio.Lock()
        self.delivered = 0
        self.given_up = 0

    async def flush(self) -> bool:
        """Post all that is due; whether every one of them was taken. What was not is due again later."""
        every = True
        async with self._posting:  # whoever waits here learns that what was due before is posted, too
            while (delivery := self._outbox.take(self._clock())) is not None:
                if await self._taken(delivery):
                    self.delivered += 1
                    continue
                every = False
                self._later(delivery)
        return every

    async def run(self) -> None:
        """Go on posting until cancelled."""
        while True:
            await self.flush()
            self._outbox.filled.clear()
            try:
                await asyncio.wait_for(self._outbox.filled.wait(), _LOOK_S)
            except TimeoutError:
                continue

    async def _taken(self, delivery: Delivery) -> bool:
        webhook = delivery.webhook
        try:
            answer = await self._http.post(
                delivery.address, content=webhook.body, headers=webhook.headers, timeout=_TIMEOUT_S
            )
        except httpx.TransportError:
            return False
        return answer.is_success

    def _later(self, delivery: Delivery) -> None:
        if delivery.attempt < len(RETRY_AFTER):
            at = self._clock() + RETRY_AFTER[delivery.attempt]
            self._outbox.add(replace(delivery, attempt=delivery.attempt + 1), at)
            return
        self.given_up += 1
        topic, shop = enum_name(delivery.webhook.topic), delivery.shop
        shop.subscriptions[:] = [one for one in shop.subscriptions if (one.topic, one.uri) != (topic, delivery.address)]


def addresses(shop: ShopState, topic: str) -> list[str]:
    """Where a topic's webhooks go: to its subscriptions, or as the app's configuration says."""
    configured = [] if shop.hook is None else [shop.hook]
    if topic in WITHOUT_SUBSCRIPTION or not shop.subscriptions:
        return configured
    return [one.uri for one in shop.subscriptions if one.topic == enum_name(topic)]


def enum_name(topic: str) -> str:
    """`orders/create` as `WebhookSubscriptionTopic` has it."""
    return topic.replace("/", "_").upper()


def _again(webhook: Webhook, address: str) -> Webhook:
    """The same event for another subscription: a delivery with an id of its own."""
    former = webhook.headers["X-Shopify-Webhook-Id"]
    own = str(uuid5(NAMESPACE_URL, f"{former}:{address}"))
    return replace(webhook, headers={**webhook.headers, "X-Shopify-Webhook-Id": own})
