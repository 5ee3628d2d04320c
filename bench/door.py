"""How fast a customer's reply ends a journey, from the gateway's door to the workflow's end."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import queues
from activities.journey import JourneyActivities
from activities.search_attributes import ALL
from activities.services import Services
from bench.endpoint import signature
from bench.figures import Figure, at_most, note
from bench.shop import PHONE_NUMBER_ID, Shop, open_shop
from cli.serving import serving
from gateway.app import GatewaySettings, create_app
from gateway.relay import Relay
from models.orchestration import JourneyInput
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from providers.whatsapp.webhooks import SIGNATURE_HEADER
from sandbox.whatsapp.events import inbound_body
from sandbox.whatsapp.outbox import Account
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from workflows.journey import JourneyWorkflow
from workflows.plugin import RekindlePlugin

_ACCOUNT = Account(waba_id="200000000000001", phone_number_id=PHONE_NUMBER_ID, display_phone_number="447700900100")
_WITHIN_MS = 250
Clock = Callable[[], datetime]


def _signed(body: bytes) -> dict[str, str]:
    return {SIGNATURE_HEADER: signature(body)}


async def exits(count: int, *, clock: Clock) -> list[Figure]:
    """From a customer's signed reply at the gateway to the end of the journey's workflow, on the dev server."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite+aiosqlite:///{directory}/exits.db")
        await create_all(database)
        cipher = Cipher([new_key()])
        shop = await open_shop(database, cipher, entrants=count, now=clock())
        async with (
            await WorkflowEnvironment.start_local(
                dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
                dev_server_log_level="error",
                dev_server_extra_args=["--output", "none"],
                search_attributes=list(ALL),
                plugins=[RekindlePlugin()],
            ) as env,
            httpx.AsyncClient() as http,
        ):
            services = Services(
                database=database,
                cipher=cipher,
                whatsapp=WhatsAppClient(http),
                shopify=ShopifyClient(http),
                temporal=env.client,
            )
            journey = JourneyActivities(services)
            relay = Relay(database, env.client, clock)
            app = create_app(database, cipher, GatewaySettings(), relay, clock)
            async with (
                serving(app, lifespan=True) as url,
                Worker(
                    env.client,
                    task_queue=queues.MAIN,
                    workflows=[JourneyWorkflow],
                    activities=[journey.load_plan, journey.conclude],
                ),
            ):
                took = [await _time_to_exit(env.client, http, url, shop, number, clock) for number in range(count)]
        await database.close()
    took.sort()
    return [
        at_most("signed reply to the workflow's end, median", 1000 * statistics.median(took), _WITHIN_MS, " ms"),
        note("signed reply to the workflow's end, 95 of 100", f"{1000 * took[int(count * 0.95)]:.0f} ms"),
    ]


async def _time_to_exit(
    client: Client, http: httpx.AsyncClient, url: str, shop: Shop, number: int, clock: Clock
) -> float:
    entrant = shop.entrants[number]
    handle = await client.start_workflow(
        JourneyWorkflow.run,
        JourneyInput(enrollment_id=entrant.enrollment_id),
        id=entrant.enrollment_id,
        task_queue=queues.MAIN,
    )
    await _until_it_waits(lambda: handle.query(JourneyWorkflow.status))
    message = {"id": f"wamid.in.{number}", "type": "text", "text": {"body": "Hello!"}}
    body = inbound_body(_ACCOUNT, message, clock(), phone=entrant.phone, user_id=None, name=None, context_id=None)
    began = time.perf_counter()
    (await http.post(f"{url}/webhooks/whatsapp", content=body, headers=_signed(body))).raise_for_status()
    await handle.result()
    return time.perf_counter() - began


async def _until_it_waits(ask: Callable[[], Awaitable[object]]) -> None:
    # What a journey waits for can be asked but not awaited.
    while getattr(await ask(), "due_at", None) is None:  # noqa: ASYNC110 - as said
        await asyncio.sleep(0.01)
