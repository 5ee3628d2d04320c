"""What customers do once they have got a message, for better and for worse."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import assert_never

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.shopify.state import OrderRecord
from sandbox.shopify.webhooks import Webhook, order_webhook
from sandbox.whatsapp.books import AcceptedMessage
from sandbox.whatsapp.sender import WebhookSender
from tests.chaos.plan import Act, Deed, Meets, Plan
from tests.chaos.wire import body_of, repeated
from tests.stack import Stack

_LOOK_S = 0.05
_LONGEST_WAIT_S = 90.0
_FIRST_ORDER = 5_000_000


class Customers:
    """Everybody who gets messages.

    Attributes:
        done: how often each thing was done.
    """

    def __init__(self, plan: Plan, stack: Stack, sender: WebhookSender) -> None:
        self._plan = plan
        self._stack = stack
        self._sender = sender
        self._orders = _FIRST_ORDER
        self._waiting: dict[tuple[Meets, int | str], asyncio.Event] = {}
        self._coming: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()

    @property
    def coming(self) -> int:
        """How many have something to do yet."""
        return len(self._coming)

    async def live(self) -> None:
        """Read what arrives and do what the plan says, until cancelled."""
        read = 0
        try:
            while True:
                messages = self._stack.whatsapp.books.messages
                for message in messages[read:]:
                    self._hear(message)
                read = len(messages)
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._coming:
                task.cancel()
            await asyncio.gather(*self._coming, return_exceptions=True)

    def _hear(self, message: AcceptedMessage) -> None:
        planned = self._plan.deed(message.callback_data or "")
        if planned is not None:
            task = asyncio.create_task(self._act(message, planned))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    def line(self, app: ASGIApp) -> ASGIApp:
        """The way to the shop; who waits for it acts when the shop was asked about them."""

        async def through(scope: Scope, receive: Receive, send: Send) -> None:
            raw = await body_of(receive)
            await app(scope, repeated(raw), send)
            asked = json.loads(raw).get("variables", {}).get("customer")
            if isinstance(asked, str):
                self._meet(Meets.CHECK, int(asked.rpartition("/")[2]))

        return through

    def claiming(self, attempt_id: str) -> None:
        """A claim is being committed; who waits for it acts."""
        self._meet(Meets.CLAIM, attempt_id.split(":", maxsplit=1)[0])

    def _meet(self, what: Meets, subject: int | str) -> None:
        waiting = self._waiting.pop((what, subject), None)
        if waiting is not None:
            waiting.set()

    async def _act(self, message: AcceptedMessage, act: Act) -> None:
        if act.meets is not None:
            met = self._waiting.setdefault((act.meets, self._subject(message, act.meets)), asyncio.Event())
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT_S):
                    await met.wait()
                    self.done[f"of these, when {act.meets}"] += 1
            await asyncio.sleep(act.seconds)
        else:
            late = self._stack.clock() - message.at
            await asyncio.sleep(max((timedelta(seconds=act.seconds) - late).total_seconds(), 0.0))
        deed = act.deed
        self.done[deed] += 1
        whatsapp, phone, now = self._stack.whatsapp, message.recipient, self._stack.clock()
        match deed:
            case Deed.REPLY:
                await self._sender.post(whatsapp.inbound(phone, "Hello?", now))
            case Deed.STOP:
                await self._sender.post(whatsapp.inbound(phone, "STOP", now))
            case Deed.META_STOP:
                await self._sender.post(whatsapp.preference(phone, "stop", now))
            case Deed.ORDER:
                self._order(phone)
            case _:
                assert_never(deed)

    def _subject(self, message: AcceptedMessage, what: Meets) -> int | str:
        if what is Meets.CLAIM:
            return message.enrollment or ""
        customer = self._stack.shop.by_phone(message.recipient)
        return customer.id if customer is not None else 0

    def _order(self, phone: str) -> None:
        shop, now = self._stack.shop, self._stack.clock()
        found = shop.by_phone(phone)
        if found is None:
            raise AssertionError("a message went to nobody of the shop")
        self._orders += 1
        order = OrderRecord(
            id=self._orders, customer_id=found.id, created_at=now, total=Decimal("25.00"), currency="USD"
        )
        shop.put_order(order)
        headers, body = order_webhook(shop, order, "orders/create", now)
        self._stack.shopify.outbox.put(shop, Webhook("orders/create", headers, body), now)
