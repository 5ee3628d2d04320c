"""The gateway as its senders see it: an HTTP client on the real application."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.app import GatewaySettings, create_app
from storage.engine import Database
from tests.gateway.staff import Staff, gateway, staff_of
from tests.worlds import World, make_world, shopify_headers, whatsapp_headers


@dataclass
class Door:
    """Posts signed webhooks."""

    client: httpx.AsyncClient
    world: World

    async def whatsapp(self, raw: bytes, **headers: Any) -> int:
        """Post to the WhatsApp route, signed; the status."""
        response = await self.client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw, **headers))
        return response.status_code

    async def shopify(self, raw: bytes, **headers: Any) -> int:
        """Post to the Shopify route, signed; the status."""
        response = await self.client.post("/webhooks/shopify", content=raw, headers=shopify_headers(raw, **headers))
        return response.status_code


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Door]:
    """The gateway of a world with one store, on each kind of database."""
    world = await make_world(database)
    app = create_app(database, world.cipher, GatewaySettings(), None, world.clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield Door(client, world)


@pytest.fixture
async def staff(database: Database) -> AsyncIterator[Staff]:
    """Callers of the staff API of a world with one store, on each kind of database."""
    world = await make_world(database)
    transport = httpx.ASGITransport(app=gateway(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield await staff_of(world, client)
