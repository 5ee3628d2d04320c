"""A way for a person to play one of the sandbox's customers while `up` runs.

`POST /` with `{"phone": "+49…", "do": "reply", "text": "…"}`, `{"phone": …, "do": "stop"}` or
`{"phone": …, "do": "order", "total": "25.00"}` makes the customer act; what follows enters Rekindle as a signed
webhook like anybody's. `GET /` lists some customers to choose from. `POST /_sandbox/whatsapp/{what}` lets Meta and the
shop's staff act (`sandbox.whatsapp.door`).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Literal

import httpx
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.shopify.state import OrderRecord, ShopState
from sandbox.shopify.webhooks import order_webhook
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.door import door as whatsapp_door
from sandbox.whatsapp.sender import WebhookSender

_SHOWN = 20
_LOOK_S = 2.0


class Act(BaseModel):
    """What a customer does."""

    phone: str
    do: Literal["reply", "stop", "order"]
    text: str = Field(default="Hello! Is this still available?", min_length=1, max_length=4096)
    total: Decimal = Field(default=Decimal(25), gt=0)


class SandboxDoor:
    """Lets somebody from outside act as one of the customers, and the file's later orders happen when they are due."""

    def __init__(
        self,
        *,
        shop: ShopState,
        whatsapp: WhatsAppSandbox,
        sender: WebhookSender,
        http: httpx.AsyncClient,
        shopify_hook: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._shop, self._whatsapp, self._sender, self._http = shop, whatsapp, sender, http
        self._shopify_hook, self._clock = shopify_hook, clock
        routes = [Route("/", self._list, methods=["GET"]), Route("/", self._act, methods=["POST"])]
        self.app = Starlette(routes=[*routes, *whatsapp_door(whatsapp).routes])

    async def deliver_orders(self, *, since: datetime) -> None:
        """Send the webhook of each order of the history that happens from now on, until cancelled."""
        told = since
        while True:
            now = self._clock()
            due = [order for order in self._shop.orders.values() if told < order.created_at <= now]
            for order in sorted(due, key=lambda one: one.created_at):
                await self._tell(order)
            told = now
            await asyncio.sleep(_LOOK_S)

    async def _list(self, _request: Request) -> JSONResponse:
        known = [one for one in self._shop.customers.values() if one.phone is not None]
        return JSONResponse(
            [{"id": one.id, "phone": one.phone, "first_name": one.first_name} for one in known[:_SHOWN]]
        )

    async def _act(self, request: Request) -> JSONResponse:
        try:
            act = Act.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"problems": [one["msg"] for one in error.errors()]}, status_code=400)
        customer = self._shop.by_phone(act.phone)
        if customer is None:
            return JSONResponse({"problems": ["the sandbox's shop has no customer with this phone"]}, status_code=404)
        now = self._clock()
        match act.do:
            case "order":
                order = OrderRecord(
                    id=self._shop.new_id(),
                    customer_id=customer.id,
                    created_at=now,
                    total=act.total,
                    currency=self._shop.currency,
                )
                self._shop.put_order(order)
                taken = await self._tell(order)
            case "reply":
                taken = await self._sender.post(self._whatsapp.inbound(act.phone, act.text, now))
            case "stop":
                taken = await self._sender.post(self._whatsapp.inbound(act.phone, "STOP", now))
        return JSONResponse({"taken": taken}, status_code=200 if taken else 502)

    async def _tell(self, order: OrderRecord) -> bool:
        headers, body = order_webhook(self._shop, order, "orders/create", order.created_at)
        try:
            answer = await self._http.post(self._shopify_hook, content=body, headers=headers)
        except httpx.TransportError:
            return False
        return answer.is_success
