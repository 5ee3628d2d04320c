"""The steps of a launch in a process of their own, which tells how long each took and what it held in memory.

`python -m bench.audience_steps select|enroll DATABASE KEY LAUNCH`
"""

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from unittest import mock

import httpx
from temporalio.client import Client

from activities.entering import Entering
from activities.selection import Selection
from activities.services import Services
from bench.memory import peak_mib
from composition import run_async, system_clock
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.engine import Database
from storage.secrets import Cipher

_PATIENCE_S = 120


@dataclass(slots=True)
class Measured:
    """What a process did: seconds by step, by the clock and of the processor, and the most memory that it held."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    resident_mib: float = 0.0

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Measure the block as a step."""
        began, began_cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = time.perf_counter() - began
        self.cpu_seconds[name] = time.process_time() - began_cpu


async def _run(step: str, url: str, key: str, launch_id: int) -> Measured:
    database, measured = Database(url), Measured()
    async with httpx.AsyncClient(timeout=_PATIENCE_S) as http:
        services = Services(
            database=database,
            cipher=Cipher([key]),
            whatsapp=WhatsAppClient(http),
            shopify=ShopifyClient(http),
            temporal=mock.create_autospec(Client, instance=True),
        )
        if step == "select":
            await _select(measured, Selection(services), launch_id)
        else:
            entering = Entering(services)
            async with measured.step("enroll"):
                while await entering.enroll_page(launch_id, now=system_clock()):
                    pass
    await database.close()
    measured.resident_mib = peak_mib()
    return measured


async def _select(measured: Measured, selection: Selection, launch_id: int) -> None:
    async with measured.step("read"):
        page = await selection.select_page(launch_id, None, now=system_clock())
        while page.cursor is not None:
            page = await selection.select_page(launch_id, page.cursor, now=system_clock())
    async with measured.step("judge"):
        while await selection.judge_page(launch_id, now=system_clock()):
            pass
    async with measured.step("rank"):
        await selection.rank(launch_id, now=system_clock())
    await selection.begin(launch_id)


if __name__ == "__main__":
    _, what, where, secret, which = sys.argv
    print(json.dumps(asdict(run_async(_run(what, where, secret, int(which))))))
