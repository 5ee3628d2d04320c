"""The parts of a simulation, started in order and stopped in reverse."""

import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
import httpx2
from pydantic import SecretStr
from starlette.types import ASGIApp
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.search_attributes import ALL
from activities.services import Services
from cli.serving import serving_together
from cli.simulation.cast import Cast, cast_of
from cli.simulation.clock import ClockHand, ClockInterceptor, VirtualClock, opening_moment, virtual_moment
from cli.simulation.hours import watched_hours
from cli.simulation.memory import rare_full_collections
from cli.simulation.options import STORE, ZONE, Options
from cli.simulation.orchestration import starting_orchestration
from cli.simulation.reading import ReadingDoor
from cli.simulation.world import PHONE_NUMBER_ID, SECRET, TOKEN, WABA_ID, World, build_world, sandbox_store
from gateway.app import GatewaySettings, create_app
from gateway.relay import Relay
from models.enums import StaffRole
from observability import route_temporal_logs
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from sandbox.chats import ChatActivities, Chats, Doors
from sandbox.llm.app import LlmSandbox
from sandbox.recording import Recorder
from sandbox.shopify.app import ShopifySandbox
from sandbox.shoppers import BUILD, QUEUE, Audience, Crowd, ShopperActivities
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.books import Books
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from sandbox.whatsapp.sender import WebhookSender
from storage.api_keys import create_key
from storage.credits import set_prices
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.stores import StoreParts, add_store, find_store, required_id
from worker import Fleet, Share
from workflows.plugin import RekindlePlugin

if TYPE_CHECKING:
    from providers.llm.client import LlmClient

_MODEL = "sandbox-writer"
_LEAST_CACHED, _MOST_CACHED = 1000, 20_000


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs in a simulation.

    Attributes:
        hand: it alone moves the clock.
        client: a plain client, which never makes the clock move.
        cast: who plays, beside the orders' customers.
        shoppers: lets customers do something at once.
        chats: lets something happen in a conversation at once.
        settle: returns when everything that the gateway took has reached Temporal.
    """

    hand: ClockHand
    client: Client
    clock: VirtualClock
    opening: datetime
    services: Services
    store: StoreParts
    world: World
    whatsapp: WhatsAppSandbox
    sender: WebhookSender
    relay: Relay
    cast: Cast
    shoppers: ShopperActivities
    chats: Chats
    settle: Callable[[], Awaitable[None]]


@asynccontextmanager
async def running_parts(options: Options) -> AsyncIterator[Parts]:
    """Start everything; the clock stands at the opening when the block begins."""
    route_temporal_logs()
    async with AsyncExitStack() as stack:
        orchestration = await stack.enter_async_context(starting_orchestration())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rekindle-")))
        env = await stack.enter_async_context(
            await WorkflowEnvironment.start_time_skipping(
                test_server_existing_path=str(Path(sys.executable).parent / "temporal-test-server")
            )
        )
        zone = ZoneInfo(ZONE)
        opening = opening_moment(options.as_of, zone)
        target = env.client.service_client.config.target_host
        hand = await ClockHand.take(target)
        await hand.move_to(opening)
        clock = VirtualClock(opening)
        client = await Client.connect(target, plugins=[RekindlePlugin()])
        await _register_search_attributes(client)
        world = _world(options, opening, zone)
        cast = _cast(options, world, opening, zone)
        database = Database(f"sqlite+aiosqlite:///{directory}/simulation.db", throwaway=True)
        stack.push_async_callback(database.close)
        await create_all(database)
        cipher = Cipher([new_key()])
        relay = Relay(database, client, clock)
        recorder = stack.enter_context(Recorder(options.record))
        whatsapp = _whatsapp(options, clock, zone)
        shopify = ShopifySandbox(clock)
        shopify.add_shop(world.shop)
        outside: dict[str, ASGIApp] = {
            "whatsapp": ReadingDoor(WhatsAppApp(whatsapp), whatsapp, _audience(options, client, world)),
            "shopify": shopify,
            "llm": LlmSandbox(api_keys=frozenset({TOKEN}), seed=options.seed, model=_MODEL, clock=clock),
        }
        apps = {name: recorder.wrap(app, name, clock) for name, app in outside.items()}
        apps["gateway"] = create_app(database, cipher, GatewaySettings(), relay, clock)
        urls = await stack.enter_async_context(serving_together(apps))
        gateway = urls["gateway"]
        http = await stack.enter_async_context(httpx.AsyncClient())
        llm_http = await stack.enter_async_context(httpx2.AsyncClient())
        services = Services(
            database=database,
            cipher=cipher,
            whatsapp=WhatsAppClient(http, base_url=urls["whatsapp"]),
            shopify=ShopifyClient(http),
            temporal=client,
            llm=_writer(options, llm_http, f"{urls['llm']}/v1"),
            allow_synthetic=True,
        )
        store = await _add_store(database, cipher, world, urls["shopify"], options, opening)
        hook = f"{gateway}/webhooks/whatsapp"
        sender = WebhookSender(whatsapp.outbox, http, hook, clock)

        async def settle() -> None:
            await sender.deliver_due()
            await relay.drain()

        interceptors = [ClockInterceptor(clock)]
        # A journey that left the cache would be replayed for each of its tasks, and thousands are open at once.
        cached = min(max(len(world.shop.customers), _LEAST_CACHED), _MOST_CACHED)
        await stack.enter_async_context(orchestration.serving(target, database.shown_url, cached=cached))
        await stack.enter_async_context(
            Fleet(client, services, interceptors=interceptors, limit_rates=False, share=Share.ACTIVITIES)
        )
        crowd = Crowd(
            shop=world.shop,
            deeds=shopify.deeds(world.shop.domain),
            whatsapp=whatsapp,
            http=http,
            whatsapp_url=hook,
            shopify_url=f"{gateway}/webhooks/shopify",
            clock=clock,
            settle=settle,
            carts={cart.token: cart for cart in cast.carts},
            passages=options.conversations is not None,
        )
        shoppers, api_key = ShopperActivities(crowd), await _open_api(database, store, opening)
        doors = Doors(http=http, whatsapp_url=hook, api_url=f"{gateway}/api", api_key=api_key)
        chats = Chats(cast.chats, whatsapp, doors)
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=QUEUE,
                build_id=BUILD,
                activities=[shoppers.do_deed, ChatActivities(chats, settle).live_chat_event],
                interceptors=interceptors,
            )
        )
        stack.enter_context(rare_full_collections())
        yield Parts(
            hand=hand,
            client=client,
            clock=clock,
            opening=opening,
            services=services,
            store=store,
            world=world,
            whatsapp=whatsapp,
            sender=sender,
            relay=relay,
            cast=cast,
            shoppers=shoppers,
            chats=chats,
            settle=settle,
        )


def _whatsapp(options: Options, clock: VirtualClock, zone: ZoneInfo) -> WhatsAppSandbox:
    account = Account(waba_id=WABA_ID, phone_number_id=PHONE_NUMBER_ID, display_phone_number="447700900100")
    return WhatsAppSandbox(
        clock=clock,
        numbers=[SandboxNumber(account, frozenset({TOKEN}))],
        app_secret=SECRET,
        seed=options.seed,
        books=Books(hours=watched_hours(options.definitions, zone)),
        tier=options.tier,
    )


def _world(options: Options, opening: datetime, zone: ZoneInfo) -> World:
    """The shop of the order file; where there is none, one that has sold nothing yet, in its carts' currency."""
    carts = options.conversations.carts if options.conversations is not None else ()
    currency = {"currency": Counter(cart.currency for cart in carts).most_common(1)[0][0]} if carts else {}
    return build_world(
        options.orders, as_of=options.as_of, opening=opening, zone=zone, token=TOKEN, secret=SECRET, **currency
    )


def _cast(options: Options, world: World, opening: datetime, zone: ZoneInfo) -> Cast:
    def moment(at: datetime) -> datetime:
        return virtual_moment(at, as_of=options.as_of, opening=opening, zone=zone)

    file = options.conversations
    return cast_of(file, world.shop, moment, opening) if file is not None else Cast()


def _writer(options: Options, http: httpx2.AsyncClient, base_url: str) -> "LlmClient | None":
    """The model's client, whose library is not loaded for journeys that ask no model."""
    if all(stage.message.ai is None for definition in options.definitions for stage in definition.stages):
        return None
    from providers.llm.client import LlmClient  # noqa: PLC0415 - as said

    return LlmClient(http, base_url=base_url, api_key=SecretStr(TOKEN), model=_MODEL)


async def _open_api(database: Database, store: StoreParts, now: datetime) -> str:
    """A key of the staff API, for the chat tool."""
    async with database.write() as session:
        _, key = await create_key(session, store.id, name="chat tool", role=StaffRole.MARKETER, now=now)
    return key


def _audience(options: Options, client: Client, world: World) -> Audience | None:
    return Audience(client, world.shop, options.habits, options.seed) if options.habits is not None else None


async def _register_search_attributes(client: Client) -> None:
    kinds = {"int": IndexedValueType.INDEXED_VALUE_TYPE_INT, "str": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace="default",
            search_attributes={key.name: kinds[key.value_type.__name__] for key in ALL},
        )
    )


async def _add_store(
    database: Database, cipher: Cipher, world: World, shopify_url: str, options: Options, now: datetime
) -> StoreParts:
    salt, prices = f"{options.seed:064x}", options.prices
    new = sandbox_store(
        STORE, time_zone=ZONE, currency=world.currency, shop_url=shopify_url, whatsapp_url=None, salt=salt
    )
    async with database.write() as session:
        store = await add_store(session, new, cipher=cipher, now=now)
        await set_prices(
            session,
            required_id(store.id),
            message=prices.message,
            generation=prices.call,
            analysis=prices.call,
            now=now,
        )
    async with database.read() as session:
        return await find_store(session, STORE)
