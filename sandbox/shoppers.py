"""Simulated customers: each is a workflow on the simulation's Temporal server, so that it lives on the same clock.

What a customer does enters Rekindle the way the real world would, as a signed webhook. The activity that posts it
returns only when the gateway has handed everything on to Temporal, because the clock may jump as soon as it does.
"""

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

import httpx
from pydantic import BaseModel, ConfigDict
from temporalio import activity, workflow
from temporalio.client import Client

from sandbox.habits import Habits
from sandbox.shopify.checkout_bodies import checkout_body
from sandbox.shopify.deeds import Deeds
from sandbox.shopify.records import CheckoutRecord
from sandbox.shopify.state import OrderRecord, ShopState
from sandbox.shopify.webhooks import Webhook, order_webhook, webhook
from sandbox.whatsapp.books import AcceptedMessage
from sandbox.whatsapp.cloud import WhatsAppSandbox

QUEUE = "sandbox-shoppers"
BUILD = "sandbox"
"""The build id of the workers of simulated people. Left out, all loaded code is read again to compute one."""
_PATIENCE = timedelta(minutes=5)
_REPLIES = {
    "en": "Hello! Is this still available?",
    "es": "¡Hola! ¿Sigue disponible?",
    "pt": "Olá! Ainda está disponível?",
}


class Deed(StrEnum):
    """What a customer can do."""

    ORDER = "order"
    REPLY = "reply"
    STOP = "stop"
    CART = "cart"
    COMPLETE = "complete"


class PlannedDeed(BaseModel):
    """One thing that a customer will do.

    Attributes:
        at: when.
        customer: the shop's id of the customer.
        order_id: with ORDER: the shop's order that happens; None completes what lies in the cart, or invents one.
        checkout: with CART and COMPLETE: the token of the checkout that is left, or becomes an order.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    deed: Deed
    customer: int
    order_id: int | None = None
    checkout: str | None = None


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
        carts: checkouts as they will be left, by token.
        passages: whether a customer can be in a journey again and again, so that what ends one allows the next.
    """

    shop: ShopState
    deeds: Deeds
    whatsapp: WhatsAppSandbox
    http: httpx.AsyncClient
    whatsapp_url: str
    shopify_url: str
    clock: Callable[[], datetime]
    settle: Callable[[], Awaitable[object]]
    carts: Mapping[str, CheckoutRecord] = field(default_factory=dict)
    passages: bool = False


class ShopperActivities:
    """What simulated customers do."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    @activity.defn
    async def do_deed(self, deed: PlannedDeed) -> None:
        """Do it, tell the gateway, and wait until everybody knows."""
        await self.act(deed, activity.info().started_time)
        await self._crowd.settle()

    async def act(self, deed: PlannedDeed, at: datetime) -> None:
        """Do it and tell the gateway."""
        phone = self._crowd.shop.customers[deed.customer].phone
        match deed.deed:
            case Deed.ORDER:
                ended_at: datetime | None = await self._buy(deed, at)
            case Deed.CART:
                await self._leave_cart(deed)
                ended_at = None
            case Deed.COMPLETE:
                ended_at = at if await self._complete(deed.checkout or "", at) else None
            case Deed.REPLY | Deed.STOP:
                ended_at = await self._write(phone, deed.deed, at) if phone is not None else None
            case _:
                assert_never(deed.deed)
        if phone is not None and ended_at is not None:
            self._note_exit(phone, ended_at, stopped=deed.deed is Deed.STOP)

    def _note_exit(self, phone: str, at: datetime, *, stopped: bool) -> None:
        books = self._crowd.whatsapp.books
        enrollment = books.last_enrollment(phone)
        if not self._crowd.passages:
            books.told_exit(phone, at, enrollment=enrollment)
        elif stopped:
            books.told_exit(phone, at)
        elif enrollment is not None:
            books.told_exit(phone, at, enrollment=enrollment)

    async def _buy(self, deed: PlannedDeed, at: datetime) -> datetime:
        shop = self._crowd.shop
        if deed.order_id is None:
            open_carts = [
                one.token
                for one in shop.checkouts.values()
                if one.customer_id == deed.customer and one.completed_at is None
            ]
            if open_carts:
                await self._complete(open_carts[-1], at)
                return at
        order = self._order(deed, at)
        headers, body = order_webhook(shop, order, "orders/create", order.created_at)
        await self._post(self._crowd.shopify_url, body, headers)
        return order.created_at

    async def _leave_cart(self, deed: PlannedDeed) -> None:
        shop, cart = self._crowd.shop, self._crowd.carts[deed.checkout or ""]
        shop.checkouts.setdefault(cart.token, cart)
        await self.tell(webhook(shop, "checkouts/create", checkout_body(shop, cart), cart.created_at))

    async def _complete(self, token: str, at: datetime) -> bool:
        """A checkout becomes an order; whether it was open still."""
        checkout = self._crowd.shop.checkouts.get(token)
        if checkout is None or checkout.completed_at is not None:
            return False
        for one in self._crowd.deeds.complete_checkout(token, at):
            await self.tell(one)
        return True

    async def _write(self, phone: str, deed: Deed, at: datetime) -> datetime:
        crowd = self._crowd
        customer = crowd.shop.by_phone(phone)
        language = customer.locale[:2] if customer is not None else "en"
        text = "STOP" if deed is Deed.STOP else _REPLIES.get(language, _REPLIES["en"])
        body = crowd.whatsapp.inbound(phone, text, at)
        await self._post(crowd.whatsapp_url, body, {"X-Hub-Signature-256": crowd.whatsapp.sign(body)})
        return at

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

    async def tell(self, told: Webhook) -> None:
        """Have the shop tell the gateway of something."""
        await self._post(self._crowd.shopify_url, told.body, told.headers)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        response = await self._crowd.http.post(url, content=body, headers=headers)
        response.raise_for_status()


class Audience:
    """Decides what the readers of messages do, and lets them live.

    The draw depends on the seed, the message's stage and, for whoever is written to in several passages, the passage,
    so the same seed gives the same crowd.
    """

    def __init__(self, client: Client, shop: ShopState, habits: Habits, seed: int) -> None:
        self._client = client
        self._shop = shop
        self._habits = habits
        self._seed = seed
        self._passages: defaultdict[int, list[str]] = defaultdict(list)

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
        passages, enrollment = self._passages[customer], message.enrollment or ""
        if enrollment not in passages:
            passages.append(enrollment)
        passage = passages.index(enrollment)
        draw, delay = _draws(f"{self._seed}:{customer}:{stage}" + (f":{passage}" if passage else ""))
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
