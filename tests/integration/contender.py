"""One of several processes on one SQLite file: `python -m tests.integration.contender ROLE URL KEY`."""

import quick_start  # noqa: F401 - for its effect

import asyncio
import sys

import httpx

from composition import system_clock
from gateway.app import GatewaySettings, create_app
from models.enums import SendState
from models.tables import CustomerEvent, Enrollment, Send
from storage.engine import Database
from storage.secrets import Cipher
from tests.worlds import World, order_body, shopify_headers, text_message, whatsapp_body, whatsapp_headers


async def _claim(world: World) -> None:
    """Claim the first message of every enrollment."""
    for enrollment in await world.rows(Enrollment):
        world.now = system_clock()
        await world.claim(enrollment.id, state=SendState.ACCEPTED)


async def _ingest(world: World) -> None:
    """Take a reply of every customer, and an order."""
    app = create_app(world.database, world.cipher, GatewaySettings(), None, system_clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        for number, enrollment in enumerate(await world.rows(Enrollment)):
            phone = f"+{447700900100 + number}"
            raw = whatsapp_body(messages=[text_message("Hello?", f"wamid.{number}", phone=phone, at=system_clock())])
            answer = await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
            assert answer.status_code == 200, (enrollment.id, answer.status_code)
            raw = order_body(number + 1, customer_id=number + 1, at=system_clock())  # the shop counts from 1
            headers = shopify_headers(raw, webhook_id=f"w-{number}")
            answer = await client.post("/webhooks/shopify", content=raw, headers=headers)
            assert answer.status_code == 200, (enrollment.id, answer.status_code)


async def _read(world: World) -> None:
    """Look again and again until the others are done."""
    wanted = len(await world.rows(Enrollment))
    while True:
        sends, events = len(await world.rows(Send)), len(await world.rows(CustomerEvent))
        if (sends, events) == (wanted, 2 * wanted):
            return


async def _main(role: str, url: str, key: str) -> None:
    world = World(Database(url), Cipher([key]), store_id=1, number_id=1)
    await {"claim": _claim, "ingest": _ingest, "read": _read}[role](world)
    await world.database.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
