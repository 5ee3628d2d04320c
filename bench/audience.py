"""A launch to very many customers: how fast each of its steps is, and what it holds in memory at three sizes.

The shop is the sandbox's, in a process of its own that is not measured. The steps run in fresh processes, as they do
for a user: what the command line does (reading the shop, asking the rules, giving days) in one, the enrolment that a
worker does in another, each asked for its peak of memory. Starting is measured with the product's worker and a real
dev server, whose speed it mostly is; therefore of fewer customers, whose journeys then wait for their first message.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
from sqlmodel import select
from starlette.types import ASGIApp
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities import queues
from activities.search_attributes import ALL
from bench.audience_steps import Measured
from bench.figures import Figure, at_least, at_most, note
from bench.memory import resident_mib
from bench.servers import running_worker, served
from bench.shop import SECRET, open_shop
from composition import system_clock
from models.enums import ConsentState, JourneyState, LaunchState
from models.journey import WinBack
from models.orchestration import AudienceInput, LaunchRequest
from models.tables import Launch, Shop
from providers.shopify.client import ShopifyClient
from providers.shopify.records import ShopAccess
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from storage.engine import Database
from storage.launches import open_launch
from storage.publishing import publish
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.stores import find_store, required_id
from workflows.audience import AudienceWorkflow
from workflows.ids import audience_workflow_id
from workflows.plugin import RekindlePlugin

_ROOT = Path(__file__).resolve().parents[1]
_CUSTOMERS = "BENCH_CUSTOMERS"
_DOMAIN, _ZONE = "bench.myshopify.com", "Europe/London"
_MOST_STARTED = 10_000
_FLAT_MIB = 20.0
"""What a process may hold more with the largest size than with the smallest."""
_LINEAR = 0.7
"""Of the customers that a step sees to in a second of its processor, so much is left at ten times the size."""
_OF_THE_BARE = 0.25
"""Reading the shop also writes it down; starting shares two cores with the server and the journeys themselves."""
_IN_FLIGHT = 20
_LOOK_S = 0.2
_PATIENCE_S = 120
_STEPS = {
    "read": "read from the shop",
    "judge": "asked the rules",
    "rank": "given days",
    "enroll": "enrolled",
}


def shop() -> ASGIApp:
    """`uvicorn --factory bench.audience:shop`: so many customers, each lapsed by one order."""
    now = system_clock()
    state = ShopState(domain=_DOMAIN, token=SECRET, secret=SECRET, time_zone=_ZONE, currency="GBP")
    numbers = range(1, int(os.environ[_CUSTOMERS]) + 1)
    state.load(
        (
            CustomerRecord(
                number,
                first_name=f"Customer {number}",
                phone=f"+4915550{number:06d}",
                consent=ConsentState.SUBSCRIBED,
                consent_updated_at=now - timedelta(days=300),
            )
            for number in numbers
        ),
        (
            OrderRecord(number, number, now - timedelta(days=61 + number % 60, seconds=number), Decimal(42), "GBP")
            for number in numbers
        ),
    )
    sandbox = ShopifySandbox(system_clock)
    sandbox.add_shop(state)
    return sandbox


@dataclass(frozen=True, slots=True)
class Sized:
    """What the steps took of so many customers; `bare_s` is reading their pages and doing nothing with them."""

    customers: int
    bare_s: float
    selected: Measured
    enrolled: Measured

    def speed(self, step: str) -> float:
        """Customers a second."""
        return self.customers / (self.selected.seconds | self.enrolled.seconds)[step]

    def cpu_speed(self, step: str) -> float:
        """Customers a second of the processor, which other programs do not disturb."""
        return self.customers / (self.selected.cpu_seconds | self.enrolled.cpu_seconds)[step]


async def figures(customers: int) -> list[Figure]:
    """The figures at a hundredth, a tenth and the whole of so many customers; the starts of a tenth."""
    sizes = [await _at_size(max(customers // share, 1)) for share in (100, 10, 1)]
    smallest, middle, largest = sizes
    found: list[Figure] = []
    for step, words in _STEPS.items():
        shown = ", ".join(f"{one.speed(step):.0f}/s at {one.customers}" for one in sizes)
        found.append(note(f"launch: customers {words}", shown))
        kept = largest.cpu_speed(step) / middle.cpu_speed(step)
        found.append(at_least(f"launch: {words}, of the speed kept at ten times the size", kept, _LINEAR))
    whole = sum(largest.selected.seconds.values())
    found += [
        note(f"launch: customers selected, of {customers}", f"{customers / whole:.0f}/s"),
        at_least("launch: read against a bare loop", largest.bare_s / largest.selected.seconds["read"], _OF_THE_BARE),
    ]
    for name, held in (
        ("command line", [one.selected.resident_mib for one in sizes]),
        ("worker, enrolling", [one.enrolled.resident_mib for one in sizes]),
    ):
        shown = ", ".join(f"{mib:.0f} MiB at {one.customers}" for mib, one in zip(held, sizes, strict=True))
        found += [
            note(f"launch: memory of the {name}", shown),
            at_most(
                f"launch: memory of the {name}, growth from {smallest.customers} to {largest.customers}",
                held[-1] - held[0],
                _FLAT_MIB,
                " MiB",
            ),
        ]
    return found + await _starts(min(max(customers // 10, 1), _MOST_STARTED))


async def _at_size(customers: int) -> Sized:
    with tempfile.TemporaryDirectory() as directory:
        url, key = f"sqlite+aiosqlite:///{directory}/audience.db", new_key()
        async with served("bench.audience:shop", {_CUSTOMERS: str(customers)}) as address:
            bare = await _bare(address)
            launch_id = await _open(url, key, address, per_day=customers)
            selected = await _in_a_process("select", url, key, launch_id)
            enrolled = await _in_a_process("enroll", url, key, launch_id)
        return Sized(customers, bare, selected, enrolled)


async def _bare(address: str) -> float:
    """Seconds to read the same pages and people and do nothing with them."""
    access, cursor, began = ShopAccess(_DOMAIN, SECRET, address), None, time.perf_counter()
    async with httpx.AsyncClient(timeout=_PATIENCE_S) as http:
        client = ShopifyClient(http)
        while True:
            page = await client.lapsed_customers(
                access, inactive_days=60, inactive_days_max=None, time_zone=_ZONE, after=cursor
            )
            await client.customers(access, [one.customer_id for one in page.items])
            cursor = page.next_cursor
            if cursor is None:
                return time.perf_counter() - began


async def _open(url: str, key: str, address: str, *, per_day: int) -> int:
    """A store of that shop with a journey and a launch of it; the launch."""
    database, now = Database(url), system_clock()
    await create_all(database)
    await open_shop(database, Cipher([key]), entrants=0, now=now)
    hello = {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}}
    definition = WinBack.model_validate(
        {
            "name": "bench-audience",
            "kind": "win_back",
            "audience": {"inactive_days": 60, "control_percent": 10},
            "stages": [{"after": "30d", "message": hello}],
            "sending": {"max_per_day": per_day, "hours": "00:00-24:00"},
        }
    )
    async with database.write() as session:
        (await session.exec(select(Shop))).one().endpoint = address
        store = await find_store(session, None)
        journey, version = await publish(session, store.id, definition, now=now)
        journey.state = JourneyState.ACTIVE
        opened = await open_launch(
            session,
            store_id=store.id,
            journey_id=required_id(journey.id),
            version_id=required_id(version.id),
            limit=None,
            now=now,
        )
        launch_id = required_id(opened.id)
    await database.close()
    return launch_id


async def _in_a_process(step: str, url: str, key: str, launch_id: int) -> Measured:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.audience_steps", step, url, key, str(launch_id)),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate()
    if process.returncode:
        msg = f"the step {step} failed"
        raise RuntimeError(msg)
    return Measured(**json.loads(answer))


# --- starting --------------------------------------------------------------------------------------------------------


async def _starts(customers: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        url, key = f"sqlite+aiosqlite:///{directory}/audience.db", new_key()
        async with served("bench.audience:shop", {_CUSTOMERS: str(customers)}) as address:
            launch_id = await _open(url, key, address, per_day=customers)
            await _in_a_process("select", url, key, launch_id)
            await _in_a_process("enroll", url, key, launch_id)
            async with await WorkflowEnvironment.start_local(
                dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
                dev_server_log_level="error",
                dev_server_extra_args=["--output", "none"],
                search_attributes=list(ALL),
                plugins=[RekindlePlugin()],
            ) as env:
                bare = await _bare_starts(env.client, customers)
                settings = {
                    "TEMPORAL_ADDRESS": env.client.service_client.config.target_host,
                    "REKINDLE_DATABASE_URL": url,
                    "REKINDLE_SECRET_KEYS": key,
                    "REKINDLE_LOG_LEVEL": "error",
                }
                async with running_worker(settings) as process_id:
                    seconds, resident = await _started(env.client, url, launch_id, process_id)
    entrants = customers * 9 // 10
    return [
        note(f"launch: workflows started, of {entrants}", f"{entrants / seconds:.0f}/s; a bare loop {bare:.0f}/s"),
        at_least("launch: starts against a bare loop without workers", entrants / seconds / bare, _OF_THE_BARE),
        note(f"launch: memory of the worker that starts {entrants} and has their journeys", f"{resident:.0f} MiB"),
    ]


async def _bare_starts(client: Client, many: int) -> float:
    """Workflows a second that a loop starts for a queue that nobody serves."""
    gate, began = asyncio.Semaphore(_IN_FLIGHT), time.perf_counter()

    async def start(number: int) -> None:
        async with gate:
            await client.start_workflow("Nothing", id=f"bare-{number}", task_queue="nobody")

    await asyncio.gather(*(start(number) for number in range(many)))
    return many / (time.perf_counter() - began)


async def _started(client: Client, url: str, launch_id: int, process_id: int) -> tuple[float, float]:
    """Seconds until the launch is over, and the worker's memory then."""
    database = Database(url)
    async with database.read() as session:
        store = await find_store(session, None)
        journey_id = (await session.exec(select(Launch.journey_id))).one()
    began = time.perf_counter()
    await client.start_workflow(
        AudienceWorkflow.run,
        AudienceInput(store_id=store.id, journey_id=journey_id, shop_queue=store.shop_queue),
        id=audience_workflow_id(store.id, journey_id),
        task_queue=queues.MAIN,
        start_signal="launch",
        start_signal_args=[LaunchRequest(launch_id=launch_id)],
    )
    while True:
        async with database.read() as session:
            if (await session.exec(select(Launch.state))).one() == LaunchState.DONE:
                break
        await asyncio.sleep(_LOOK_S)
    seconds = time.perf_counter() - began
    await database.close()
    return seconds, resident_mib(process_id)
