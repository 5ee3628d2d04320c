"""What is up around a test, and time: on the time-skipping server it passes only in `advance`."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlmodel import SQLModel, select
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.services import Services
from cli.simulation.clock import VirtualClock
from gateway.relay import Relay
from models.tables import Enrollment, Send, SendAttempt
from sandbox.llm.app import LlmSandbox
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import ShopState
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.sender import WebhookSender
from storage.engine import Database
from storage.secrets import Cipher
from storage.stores import StoreParts
from tests.around.line import Line

PATIENCE_S = 20.0
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Person:
    """A customer: the database's id, the shop's, and the phone."""

    id: int
    shop_id: int
    phone: str


@dataclass(kw_only=True)
class Surroundings:
    """Everything that is up, the passing of time, and waiting for what is to come."""

    env: WorkflowEnvironment | None
    client: Client
    clock: Callable[[], datetime]
    database: Database
    cipher: Cipher
    services: Services
    store: StoreParts
    whatsapp: WhatsAppSandbox
    shop: ShopState
    shopify: ShopifySandbox
    llm: LlmSandbox
    sender: WebhookSender
    relay: Relay
    http: httpx.AsyncClient
    line: Line
    urls: dict[str, str]
    people: dict[int, Person] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    _orders: int = 5000

    async def now(self) -> datetime:
        """The server's time, told to everybody."""
        if self.env is None:
            return self.clock()
        now = await self.env.get_current_time()
        assert isinstance(self.clock, VirtualClock)
        self.clock.reached(now)
        return now

    async def advance(self, **span: float) -> None:
        """Let so much time pass, and the webhooks of that time arrive at its end."""
        assert self.env is not None
        await self.env.sleep(timedelta(**span))
        await self.settle()

    async def advance_to(self, at: datetime) -> None:
        """Let time pass until that moment."""
        await self.advance(seconds=(at - await self.now()).total_seconds())

    async def settle(self) -> None:
        """Deliver the webhooks and signals that are due."""
        await self.now()
        await self.sender.deliver_due()
        await self.relay.drain()

    async def until(
        self, condition: Callable[[], Awaitable[Any]], *, within: float = PATIENCE_S, settle: bool = True
    ) -> Any:
        """The condition's first true answer; fails when none comes in so many real seconds.

        Meanwhile webhooks and signals are delivered, unless `settle` says that somebody else does or nobody shall.
        """
        deadline = time.monotonic() + within
        while True:
            if settle:
                await self.settle()
            answer = await condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"never came true; {await self.picture()}")
            await asyncio.sleep(_LOOK_S)

    async def picture(self) -> str:
        """Where everybody stands, for a failure's text."""
        lines = [
            f"{one.id[-6:]} {one.state} stage {one.stage} hold {one.hold_reason} exit {one.exit_reason}"
            for one in await self.rows(Enrollment)
        ]
        lines += [f"send {one.stage} {one.state} {one.skip_reason}" for one in await self.rows(Send)]
        lines += [f"attempt {one.number} {one.status} {one.error_code}" for one in await self.rows(SendAttempt)]
        return "; ".join(lines)

    async def rows(self, model: type[SQLModel], **where: Any) -> list[Any]:
        """The rows of a table, by primary key."""
        query = select(model).filter_by(**where).order_by(*model.__table__.primary_key.columns)  # type: ignore[attr-defined]
        async with self.database.read() as session:
            return list((await session.exec(query)).all())
