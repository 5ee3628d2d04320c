"""Simulated customers: each is a workflow on the simulation's Temporal server, so that it lives on the same clock.

What a customer does enters Rekindle the way the real world would, as a signed webhook. The activity that posts it
returns only when the gateway has handed everything on to Temporal, because the clock may jump as soon as it does.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import httpx
from pydantic import BaseModel, ConfigDict
from temporalio import activity, workflow
from temporalio.client import Client

from sandbox.shopify.state import OrderRecord, ShopState
from sandbox.shopify.webhooks import order_webhook
from sandbox.whatsapp.books import AcceptedMessage
from sandbox.whatsapp.cloud import WhatsAppSandbox

QUEUE = "sandbox-shoppers"
_PATIENCE = timedelta(minutes=5)


class Deed(StrEnum):
    """What a customer can do."""

    ORDER = "order"
    REPLY = "reply"
    STOP = "stop"


class PlannedDeed(BaseModel):
    """One thing that a customer will do.

    Attributes:
        at: when.
        customer: the shop's id of the customer.
        order_id: with ORDER: the order of the shop's that happens; None invents one.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    deed: Deed
    customer: int
    order_id: int | None = None


class ShopperInput(BaseModel):
    """What one simulated customer will do, in order of time."""

    model_config = ConfigDict(frozen=True)

    deeds: tuple[PlannedDeed, ...]


@workflow.defn
class ShopperWorkflow:
    """One simulated customer."""

    @workflow.run
    async def run(self, plan: ShopperInput) -> None:
        """Sleep until each deed's time and do it."""
        for deed in plan.deeds:
            left = deed.at - workflow.now()
            if left > timedelta(0):
                await workflow.sleep(left)
            await workflow.execute_activity("do_deed", deed, start_to_close_timeout=_PATIENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The outside world that simulated customers act on.

    Attributes:
        settle: returns when everything that the gateway took has reached Temporal.
        whatsapp_url: the gateway's webhook for WhatsApp.
        shopify_url: the gateway's webhook for Shopify.
        clock: the virtual clock.
    """

    shop: ShopState
    whatsapp: WhatsAppSandbox
    http: httpx.AsyncClient
    whatsapp_url: str
    shopify_url: str
    clock: Callable[[], datetime]
    settle: Callable[[], Awaitable[object]]


class ShopperActivities:
    """What simulated customers do."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    @activity.defn
    async def do_deed(self, deed: PlannedDeed) -> None:
        """Do it, tell the gateway, and wait until everybody knows."""
        crowd, at = self._crowd, activity.info().started_time
        phone = crowd.shop.customers[deed.customer].phone
        match deed.deed:
            case Deed.ORDER:
                order = self._order(deed, at)
                headers, body = order_webhook(crowd.shop, order, "orders/create", order.created_at)
                await self._post(crowd.shopify_url, body, headers)
                at = order.created_at
            case Deed.REPLY | Deed.STOP:
                if phone is None:
                    return
                text = "STOP" if deed.deed is Deed.STOP else "Hello! Is this still available?"
                body = crowd.whatsapp.inbound(phone, text, at)
                await self._post(crowd.whatsapp_url, body, {"X-Hub-Signature-256": crowd.whatsapp.sign(body)})
        if phone is not None:
            crowd.whatsapp.books.told_exit(phone, at, enrollment=crowd.whatsapp.books.last_enrollment(phone))
        await crowd.settle()

    def _order(self, deed: PlannedDeed, at: datetime) -> OrderRecord:
        shop = self._crowd.shop
        if deed.order_id is not None:
            return shop.orders[deed.order_id]
        before = shop.histories[deed.customer].orders
        invented = OrderRecord(
            id=shop.new_id(),
            customer_id=deed.customer,
            created_at=at,
            total=before[-1].total if before else Decimal(25),
            currency=shop.currency,
        )
        shop.put_order(invented)
        return invented

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        response = await self._crowd.http.post(url, content=body, headers=headers)
        response.raise_for_status()


@dataclass(frozen=True, slots=True)
class Habits:
    """How often a message moves somebody, as shares of 1.

    Attributes:
        replies: answer it.
        stops: answer STOP.
        orders: order.
    """

    replies: float = 0.06
    stops: float = 0.01
    orders: float = 0.05


class Audience:
    """Decides what the readers of messages do, and lets them live.

    The draw depends on the seed and the message's stage alone, so the same seed gives the same crowd.
    """

    def __init__(self, client: Client, shop: ShopState, habits: Habits, seed: int) -> None:
        self._client = client
        self._shop = shop
        self._habits = habits
        self._seed = seed

    async def read(self, message: AcceptedMessage) -> None:
        """Somebody got a message; what it makes them do is started before WhatsApp answers the sender."""
        customer = self._shop.by_phone(message.recipient)
        plan = self._plan(customer.id, message) if customer is not None else None
        if plan is not None:
            await self._client.start_workflow(
                ShopperWorkflow.run,
                ShopperInput(deeds=(plan,)),
                id=f"reader-{message.wamid}",
                task_queue=QUEUE,
            )

    def _plan(self, customer: int, message: AcceptedMessage) -> PlannedDeed | None:
        stage = (message.occurrence or "").split(":")[1:2]
        draw, delay = _draws(f"{self._seed}:{customer}:{stage}")
        for deed, share in (
            (Deed.STOP, self._habits.stops),
            (Deed.REPLY, self._habits.replies),
            (Deed.ORDER, self._habits.orders),
        ):
            if draw < share:
                longest = timedelta(days=4) if deed is Deed.ORDER else timedelta(hours=20)
                return PlannedDeed(at=message.at + timedelta(minutes=2) + delay * longest, deed=deed, customer=customer)
            draw -= share
        return None


def _draws(key: str) -> tuple[float, float]:
    """Two numbers in [0, 1) that follow from the key."""
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:16]) / 2**64
