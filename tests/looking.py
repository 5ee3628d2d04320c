"""A watch at work without Temporal: launched, looked through, and what it answered, decided and was woken for."""

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlmodel import select

from activities.services import Services
from activities.watching import Looking
from models.enums import JourneyState
from models.journey import AbandonedCart, FollowUp
from models.orchestration import WatchFound
from models.tables import (
    EntryDecision,
    SignalIntent,
    WatchAnswer,
)
from providers.shopify.client import ShopifyClient
from storage.publishing import publish
from storage.stores import required_id
from storage.watches import open_watch, watch_workflow_id
from tests.silences import speak
from tests.worlds import World

HOUR = timedelta(hours=1)


def _knows_nobody(request: httpx.Request) -> httpx.Response:
    """A shop without customers, at the network's edge."""
    asked = json.loads(request.content)["variables"]
    data = {"nodes": [None] * len(asked["ids"])} if "ids" in asked else {"customerByIdentifier": None}
    return httpx.Response(200, json={"data": data})


def looking(world: World) -> Looking:
    """The looks of the world's watches."""
    nothing: Any = None
    shop = ShopifyClient(httpx.AsyncClient(transport=httpx.MockTransport(_knows_nobody)))
    return Looking(
        Services(database=world.database, cipher=world.cipher, whatsapp=nothing, shopify=shop, temporal=nothing)
    )


async def look(world: World, journey_id: int) -> WatchFound:
    """One look, as the activity does it, but for the starting of workflows."""
    one = looking(world)
    return await one.settle(journey_id, await one.enter_due(journey_id, now=world.now), now=world.now)


async def launch(world: World, definition: FollowUp | AbandonedCart, *, since: datetime | None = None) -> int:
    """Activate the journey and let its watch look once; its id. Its wake-ups so far are forgotten."""
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, definition, now=world.now)
        journey.state = JourneyState.ACTIVE
        await open_watch(session, journey, since=since, now=world.now)
        journey_id = required_id(journey.id)
    await look(world, journey_id)
    await forget(world)
    return journey_id


async def forget(world: World) -> None:
    """Deliver what wakes there are."""
    async with world.database.write() as session:
        for intent in await session.exec(select(SignalIntent)):
            await session.delete(intent)


async def silent(world: World, customer_id: int, *, at: datetime | None = None, **changes: Any) -> int:
    """Our side wrote; the conversation's id."""
    return await speak(
        world.database, customer_id, number_id=world.number_id, at=at or world.now, now=world.now, **changes
    )


async def people(world: World, count: int) -> list[int]:
    """So many customers."""
    return [await world.customer(f"+447700900{number:03}", external_id=str(number)) for number in range(1, count + 1)]


async def woken(world: World, journey_id: int) -> int:
    """How often the watch is woken."""
    return [who for who, signal in await world.intents() if signal == "wake"].count(
        watch_workflow_id(world.store_id, journey_id)
    )


async def answers(world: World) -> list[tuple[str, datetime | None]]:
    """What the watches answered, and when they ask again."""
    return [(one.outcome, one.again_at) for one in await world.rows(WatchAnswer)]


async def decided(world: World) -> list[str]:
    """What is on record."""
    return [one.outcome for one in await world.rows(EntryDecision)]
