"""Messages a second: the real activity (claim, POST, record) beside a bare POST of the same message.

The sandbox that takes them is a process of its own, so that it does not share our interpreter.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from unittest import mock

import httpx
from starlette.types import ASGIApp
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.send import SendActivities
from activities.services import Services
from bench.figures import Figure, note
from bench.postgres import own_postgres
from bench.servers import served
from bench.shop import PHONE_NUMBER_ID, SECRET, Shop, open_shop
from composition import system_clock
from models.enums import TemplateStatus
from models.orchestration import StageRef, StageStep
from models.tables import Template
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from providers.whatsapp.messages import template_message
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key

AT_ONCE = 24
_WABA = "200000000000001"


def sandbox() -> ASGIApp:
    """WhatsApp's stand-in with the shop's number."""
    return WhatsAppApp(number_of_the_shop())


def number_of_the_shop() -> WhatsAppSandbox:
    """The sandbox itself, for whoever wants to look into its books."""
    account = Account(_WABA, PHONE_NUMBER_ID, "441632960001")
    return WhatsAppSandbox(
        clock=system_clock, numbers=[SandboxNumber(account, frozenset({SECRET}))], app_secret=SECRET, read_percent=0
    )


async def figures(count: int) -> list[Figure]:
    """On SQLite and, where its development package is installed, on PostgreSQL."""
    found = []
    async with served("bench.sends:sandbox", {}) as address:
        with tempfile.TemporaryDirectory() as directory:
            found += await _beside_the_bare(f"sqlite+aiosqlite:///{directory}/sends.db", "SQLite", address, count)
        async with own_postgres() as url:
            if url is not None:
                found += await _beside_the_bare(url, "PostgreSQL", address, count)
    return found


async def _beside_the_bare(url: str, kind: str, address: str, count: int) -> list[Figure]:
    database, cipher = Database(url), Cipher([new_key()])
    await create_all(database)
    shop = await open_drafts(database, cipher, count, now=system_clock())
    try:
        async with httpx.AsyncClient() as http:
            whatsapp = WhatsAppClient(http, base_url=address)
            bare = await _per_second(lambda number: _post(whatsapp, shop.entrants[number].phone), count)
            activities = SendActivities(services_on(database, cipher, http, address))
            ours = await _per_second(lambda number: _send(activities, shop.entrants[number].enrollment_id), count)
    finally:
        await database.close()
    return [
        note(f"bare POST to the sandbox, {AT_ONCE} at once", f"{bare:.0f}/s"),
        note(f"claim, POST and record on {kind}, {AT_ONCE} at once", f"{ours:.0f}/s"),
        note(f"sends on {kind} against the bare POST", f"{ours / bare:.2f}"),
    ]


async def open_drafts(database: Database, cipher: Cipher, count: int, *, now: datetime) -> Shop:
    """A store with drafts, and the template that they name."""
    shop = await open_shop(database, cipher, entrants=count, now=now)
    async with database.write() as session:
        session.add(
            Template(
                waba_id=_WABA,
                name="winback_hello",
                language="en",
                status=TemplateStatus.APPROVED,
                variables=["1"],
                body="Hello {{1}}",
                synced_at=now,
            )
        )
    return shop


def services_on(database: Database, cipher: Cipher, http: httpx.AsyncClient, address: str) -> Services:
    """What the activities work with, the outside world being at that address."""
    return Services(
        database=database,
        cipher=cipher,
        whatsapp=WhatsAppClient(http, base_url=address),
        shopify=ShopifyClient(http),
        temporal=mock.create_autospec(Client, instance=True),
    )


async def _per_second(work: Callable[[int], Awaitable[None]], count: int) -> float:
    """How many a second when so many are at it at once, each taking the next."""
    numbers = iter(range(count))

    async def hand() -> None:
        for number in numbers:
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(hand() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began)


async def _post(whatsapp: WhatsAppClient, phone: str) -> None:
    message = template_message(template="winback_hello", language="en", to=phone, body_values=["friend"])
    await whatsapp.send(PHONE_NUMBER_ID, SECRET, message)


async def _send(activities: SendActivities, enrollment_id: str) -> None:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=system_clock())
    result = await environment.run(activities.send_message, StageRef(enrollment_id=enrollment_id, stage=0))
    if result.step is not StageStep.ACCEPTED:
        raise RuntimeError(f"a message was not sent: {result.step}")
