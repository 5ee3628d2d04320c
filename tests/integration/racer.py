"""One of several workers after the same sends: `python -m tests.integration.racer URL KEY WHATSAPP`.

It waits for a line on its standard input, so that all of them set off together, and then sends the first message of
everybody, as Temporal has it do when the worker before was given up too early.
"""

import quick_start  # noqa: F401 - for its effect

import asyncio
import sys
from dataclasses import replace
from unittest import mock

import httpx
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.send import SendActivities
from activities.services import Services
from models.orchestration import StageRef
from models.tables import Enrollment
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.engine import Database
from storage.secrets import Cipher
from tests.worlds import NOON, World

AT_ONCE = 8


async def _main(url: str, key: str, whatsapp: str) -> None:
    world = World(Database(url), Cipher([key]))
    async with httpx.AsyncClient() as http:
        services = Services(
            database=world.database,
            cipher=world.cipher,
            whatsapp=WhatsAppClient(http, base_url=whatsapp),
            shopify=ShopifyClient(http),
            temporal=mock.create_autospec(Client, instance=True),
        )
        activities, limit = SendActivities(services), asyncio.Semaphore(AT_ONCE)
        enrollments = [one.id for one in await world.rows(Enrollment)]
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)

        async def send(enrollment: str) -> None:
            environment = ActivityEnvironment()
            environment.info = replace(environment.info, started_time=NOON)
            async with limit:
                result = await environment.run(activities.send_message, StageRef(enrollment_id=enrollment, stage=0))
            sys.stdout.write(f"{result.step}\n")

        await asyncio.gather(*map(send, enrollments))
    await world.database.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
