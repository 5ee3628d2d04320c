"""One run: all is started, things go wrong until nearly everybody is through, then it calms down and is judged."""

import asyncio
import contextlib
import itertools
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select
from temporalio.client import WorkflowExecutionStatus

from bench.postgres import own_postgres
from composition import system_clock
from models.enums import EnrollmentState, LaunchState
from models.sending import SendingRules
from models.tables import Enrollment, Launch, SendAttempt, Shop, SignalIntent
from observability import route_temporal_logs
from sandbox.shopify.outbox import Deliverer
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.sender import WebhookSender
from storage.engine import DatabaseUnavailableError
from storage.secrets import new_key
from tests.chaos.audit import tell_of_claims, watch_commits
from tests.chaos.crew import Crew
from tests.chaos.disasters import Disasters
from tests.chaos.people import Customers
from tests.chaos.plan import Options, Plan, PlannedFaults
from tests.chaos.post import CrookedLine
from tests.chaos.verdict import Verdict, explained, judge
from tests.chaos.wire import Network
from tests.devserver import ServerOnFile, free_port
from tests.integration.programs import environment
from tests.serving import serve
from tests.stack import HELLO, Stack, journey, register_search_attributes, running_stack

UNKNOWN_WAIT_S = 8
_MINUTE_S = 60.0
_LOOK_S = 0.5
_LOOKS_AT_A_SECOND = 1000
_NEARLY_ALL = 0.9
_CALM_WITHIN_S = 300.0
_CALM_PER_JOURNEY_S = 0.12  # those who are not through when it calms down are a tenth of all
_TRIES = 100
_TELL_EVERY_S = 15.0
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Report:
    """What a run came to."""

    verdict: Verdict
    injected: Counter[str]
    killed_between: int
    deeds: Counter[str]
    programs: dict[str, str]
    seconds: dict[str, float]


async def run(options: Options, scratch: Path) -> Report:
    """Run it; everything that was started has ended afterwards, whatever happens."""
    began = time.monotonic()
    _quiet()
    route_temporal_logs()
    plan, server, key = Plan(options), ServerOnFile(scratch / "temporal.db"), new_key()
    async with AsyncExitStack() as running:
        running.push_async_callback(server.kill)  # last of all: what else there is cannot end without it
        await server.start()
        url = await running.enter_async_context(_database(options, scratch))
        client = await server.connected()
        await register_search_attributes(client)
        stack = await running.enter_async_context(
            running_stack(client, url, clock=system_clock, key=key, fleet=False, store={"slug": "chaos"})
        )
        stack.whatsapp.faults = PlannedFaults(plan)
        await watch_commits(stack.database)
        stage = _Stage(plan, stack, server, scratch, began)
        return await stage.play(running, environment(stack, key))


@asynccontextmanager
async def _database(options: Options, scratch: Path) -> AsyncIterator[str]:
    if options.database == "sqlite":
        yield f"sqlite+aiosqlite:///{scratch}/rekindle.db"
        return
    async with own_postgres() as url:
        if url is None:
            raise RuntimeError("PostgreSQL's development package is missing")
        yield url


class _Stage:
    """A run with its parts."""

    def __init__(self, plan: Plan, stack: Stack, server: ServerOnFile, scratch: Path, began: float) -> None:
        self._plan = plan
        self._stack = stack
        self._server = server
        self._scratch = scratch
        self._network = Network(
            plan=plan,
            books=stack.whatsapp.books,
            kill=lambda slot: self._crew.workers[slot].shoot(),
            claimed=self._claimed,
        )
        self._crew = Crew([], [], scratch)
        self._began = self._told_at = began
        self._over: set[str] = set()

    async def play(self, running: AsyncExitStack, env: dict[str, str]) -> Report:
        """Start everything else, let it happen, and judge."""
        plan, stack = self._plan, self._stack
        app, workers = WhatsAppApp(stack.whatsapp), []
        env |= {"REKINDLE_UNKNOWN_WAIT": f"{UNKNOWN_WAIT_S}", "REKINDLE_LOG_LEVEL": "warning"}
        for slot in range(plan.options.workers):
            line = await running.enter_async_context(serve(self._network.line(app, slot)))
            workers.append(env | {"REKINDLE_WHATSAPP_BASE_URL": line})
        ports = [free_port() for _ in range(plan.options.gateways)]
        self._crew = crew = Crew(workers, [(port, env) for port in ports], self._scratch, _program(plan.options))
        post = CrookedLine(plan, ports, lambda slot: crew.gateways[slot].shoot())
        http = await running.enter_async_context(httpx.AsyncClient(transport=post))
        gateway = f"http://127.0.0.1:{ports[0]}"  # whichever it is, the line decides
        sender = WebhookSender(stack.whatsapp.outbox, http, f"{gateway}/webhooks/whatsapp", stack.clock)
        stack.shop.hook = f"{gateway}/webhooks/shopify"
        customers = Customers(plan, stack, sender)
        shop = await running.enter_async_context(serve(customers.line(stack.shopify)))
        async with stack.database.write() as session:
            (row,) = await session.exec(select(Shop))
            row.endpoint = shop
        disasters = Disasters(plan, crew, self._server, stack.database, stack.client, lambda: len(self._network.posts))
        for _ in range(plan.options.journeys):
            await stack.shopper()
        at_work = await running.enter_async_context(_meanwhile(crew.work()))
        launch = await self._launch()
        marks = [("", self._began), ("starting", time.monotonic())]
        tasks = [sender.run(), Deliverer(stack.shopify.outbox, http, stack.clock).run(), customers.live()]
        tasks.append(tell_of_claims(stack.database, customers.claiming))
        tasks += [disasters.hurry()] if plan.options.hurry else []
        async with _meanwhile(*tasks) as watch:
            async with _meanwhile(disasters.strike()) as striking:
                await self._until(lambda: self._nearly_through(launch), at_work, watch, striking)
            marks.append(("chaos", time.monotonic()))
            post.is_calm = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CALM_WITHIN_S + _CALM_PER_JOURNEY_S * plan.options.journeys):
                    await self._until(lambda: self._calm(customers, sender), at_work, watch)
            marks.append(("calming down", time.monotonic()))
            verdict = await judge(stack, plan, self._network.posts, post.taken, stack.clock())
        marks.append(("judging", time.monotonic()))
        if sender.dropped:
            verdict.broken.append(f"webhooks given up by their sender: {sender.dropped}")
        return Report(
            verdict,
            plan.injected,
            self._network.killed_between,
            customers.done,
            {
                place.name: f"{place.starts} starts, {len(place.dead)} killed"
                + "".join(f", {count} ended by itself with code {code}" for code, count in place.gave_up.items())
                for place in (*crew.workers, *crew.gateways)
            },
            {name: later - earlier for (_, earlier), (name, later) in itertools.pairwise(marks)},
        )

    async def _launch(self) -> int:
        options = self._plan.options
        rules = {"max_per_day": 1_000_000}
        if "stop_loss_percent" in SendingRules.model_fields:
            rules["stop_loss_percent"] = 100
        return await self._stack.launch(journey(*((after, HELLO) for after in options.delays), sending=rules))

    async def _claimed(self, attempt_id: str) -> bool:
        async def look() -> bool:
            rows = await self._stack.rows(SendAttempt, id=attempt_id)
            return bool(rows) and rows[0].accepted_at is None and rows[0].failed_at is None

        return await patiently(look)

    async def _until(self, condition: Callable[[], Awaitable[bool]], *watched: "asyncio.Future[Any]") -> None:
        while not await patiently(condition):
            for task in watched:
                if task.done():
                    task.result()
            await asyncio.sleep(max(_LOOK_S, self._plan.options.journeys / _LOOKS_AT_A_SECOND))

    async def _nearly_through(self, launch: int) -> bool:
        """Whether nearly everybody has got everything."""
        (row,) = await self._stack.rows(Launch, id=launch)
        rows = await self._stack.rows(Enrollment)
        through = sum(one.state in (EnrollmentState.CLOSED, EnrollmentState.WATCHING) for one in rows)
        self._tell(f"{through} of {len(rows)} through")
        return row.state is LaunchState.DONE and through >= _NEARLY_ALL * len(rows) > 0

    def _tell(self, how_far: str) -> None:
        """Write a line now and then for whoever is watching."""
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            posts, killed = len(self._network.posts), self._network.killed_between
            sys.stdout.write(f"  {now - self._began:.0f} s: {how_far}, {posts} posted, {killed} killed on the way\n")
            sys.stdout.flush()

    async def _calm(self, customers: Customers, sender: WebhookSender) -> bool:
        """Whether nothing is on its way any more."""
        now = self._stack.clock()
        if customers.coming or sender.next_due is not None or len(self._stack.shopify.outbox):
            return False
        rows = await self._stack.rows(Enrollment)
        waiting = sum(explained(one, now) is None for one in rows)
        if waiting:
            self._tell(f"calming down, {waiting} not yet through")
            return False
        if any(one.settled_at is None for one in await self._stack.rows(SignalIntent)):
            return False
        for one in rows:
            if one.state is EnrollmentState.CLOSED and one.id not in self._over:
                description = await self._stack.client.get_workflow_handle(one.id).describe()
                if description.status is WorkflowExecutionStatus.RUNNING:
                    return False
                self._over.add(one.id)
        return True


async def patiently(look: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Look at a database whose connections somebody cuts."""
    for _ in range(_TRIES):
        try:
            return await look()
        except (DatabaseUnavailableError, SQLAlchemyError, OSError):
            await asyncio.sleep(0.1)
    return await look()


def _program(options: Options) -> tuple[str, ...]:
    if options.minute_s == _MINUTE_S:
        return ("worker.py",)
    return ("-m", "tests.chaos.brisk_worker", str(options.minute_s))


@asynccontextmanager
async def _meanwhile(*work: Any) -> "AsyncIterator[asyncio.Future[Any]]":
    """Let something go on for the length of the block; what is yielded is done only if it failed."""
    everything = asyncio.gather(*work)
    try:
        yield everything
    finally:
        everything.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await everything


def _quiet() -> None:
    """The server tells of every connection that is broken on purpose."""
    for name in ("uvicorn.error", "asyncio", "temporalio.core"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
