"""A store's own system beside a stack: an endpoint that takes webhooks, and what the books say of it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from models.enums import DeliveryState, OutgoingKind
from models.tables import WebhookDelivery, WebhookEndpoint
from sandbox.receiver import Received, Receiver
from storage.endpoints import add_endpoint
from storage.stores import required_id
from tests.serving import serve
from tests.stack import Stack


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running receiver that the stack's store has an endpoint for."""

    stack: Stack
    receiver: Receiver
    id: int

    async def hears(self, count: int) -> list[Received]:
        """Wait until it was asked so many times."""

        async def enough() -> bool:
            return len(self.receiver.received) >= count

        await self.stack.until(enough)
        return self.receiver.received

    async def settles(self, state: DeliveryState, count: int = 1) -> list[WebhookDelivery]:
        """Wait until so many deliveries are in that state."""

        async def there() -> list[Any] | None:
            rows = await self.stack.rows(WebhookDelivery, state=state)
            return rows if len(rows) >= count else None

        found: list[WebhookDelivery] = await self.stack.until(there)
        return found

    async def row(self) -> WebhookEndpoint:
        """What the books say of it."""
        (found,) = await self.stack.rows(WebhookEndpoint, id=self.id)
        assert isinstance(found, WebhookEndpoint)
        return found


@asynccontextmanager
async def endpoint(stack: Stack, *, kinds: Collection[OutgoingKind] = ()) -> AsyncIterator[Endpoint]:
    """An endpoint that is told of these kinds, or of all; it takes everything unless told otherwise."""
    receiver = Receiver(at_any_time=stack.env is not None)
    async with serve(receiver) as url:
        now = await stack.now()
        async with stack.database.write() as session:
            row, secret = await add_endpoint(
                session, stack.store.id, url=f"{url}/hooks", kinds=kinds, cipher=stack.cipher, now=now
            )
        receiver.secrets.append(secret)
        yield Endpoint(stack, receiver, required_id(row.id))
