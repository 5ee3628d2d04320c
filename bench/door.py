"""The gateway: how many signed status webhooks it stores, and how fast a reply ends a journey."""

import asyncio
import hashlib
import hmac
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import queues
from activities.journey import JourneyActivities
from activities.search_attributes import ALL
from activities.services import Services
from bench.figures import Figure, note
from bench.shop import PHONE_NUMBER_ID, SECRET, Shop, open_shop
from cli.serving import serving
from gateway.app import GatewaySettings, create_app
from gateway.relay import Relay
from models.orchestration import JourneyInput
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from sandbox.whatsapp.events import inbound_body
from sandbox.whatsapp.outbox import Account, envelope, number_value, to_body
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.sends import claim
from storage.stages import locked_stage
from workflows.journey import JourneyWorkflow
from workflows.plugin import RekindlePlugin

_ACCOUNT = Account(waba_id="200000000000001", phone_number_id=PHONE_NUMBER_ID, display_phone_number="447700900100")
_AT_ONCE = 8
_OK = 200
Clock = Callable[[], datetime]


def _signed(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def bare_endpoint() -> FastAPI:
    """FastAPI that checks the signature and does nothing else."""
    app = FastAPI()

    @app.post("/webhooks/whatsapp")
    async def receive(request: Request) -> Response:
        body = await request.body()
        genuine = hmac.compare_digest(_signed(body)["X-Hub-Signature-256"], request.headers["X-Hub-Signature-256"])
        return Response(status_code=_OK if genuine else 401)

    return app


async def webhooks(count: int, *, clock: Clock) -> list[Figure]:
    """Signed webhooks a second, one status each, stored with their effects; beside the bare endpoint."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite+aiosqlite:///{directory}/gateway.db")
        await create_all(database)
        cipher = Cipher([new_key()])
        shop = await open_shop(database, cipher, entrants=count, now=clock())
        bodies = [_status_body(await _claimed(database, shop, number, now=clock()), clock()) for number in range(count)]
        async with serving(create_app(database, cipher, GatewaySettings(), None, clock)) as url:
            ours = await _posted_per_second(f"{url}/webhooks/whatsapp", bodies)
        async with serving(bare_endpoint()) as url:
            bare = await _posted_per_second(f"{url}/webhooks/whatsapp", bodies)
        await database.close()
    return [
        note("gateway, signed status webhooks", f"{ours:.0f}/s, each on disk before its 200"),
        note("bare FastAPI endpoint that checks the signature", f"{bare:.0f}/s (ratio {ours / bare:.2f})"),
    ]


async def _claimed(database: Database, shop: Shop, number: int, *, now: datetime) -> str:
    async with database.write() as session:
        stage = await locked_stage(session, shop.entrants[number].enrollment_id, 0, 0)
        if stage.send is None:
            raise RuntimeError("the draft is gone")
        attempt = await claim(session, stage.send, number_id=shop.number_id, used_template=True, now=now)
    return attempt or ""


def _status_body(attempt_id: str, at: datetime) -> bytes:
    status = {
        "id": f"wamid.{attempt_id}",
        "status": "delivered",
        "timestamp": str(int(at.timestamp())),
        "recipient_id": "447700900123",
        "biz_opaque_callback_data": attempt_id,
    }
    change = {"field": "messages", "value": number_value(_ACCOUNT, statuses=[status])}
    return to_body(envelope(_ACCOUNT.waba_id, [change], at))


async def _posted_per_second(url: str, bodies: Sequence[bytes]) -> float:
    waiting = list(reversed(bodies))
    async with httpx.AsyncClient() as http:

        async def post() -> None:
            while waiting:
                body = waiting.pop()
                (await http.post(url, content=body, headers=_signed(body))).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(_AT_ONCE)))
        return len(bodies) / (time.perf_counter() - began)


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
        note(
            "signed reply to the workflow's end, dev server",
            f"{1000 * statistics.median(took):.0f} ms median, {1000 * took[int(count * 0.95)]:.0f} ms p95",
        )
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
