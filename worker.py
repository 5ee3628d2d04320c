"""Starts the workers: `python worker.py` serves every store's queues until it is told to stop.

A store or a number that is added later is picked up without a restart. SIGTERM lets activities in flight finish, so
that a message that is on its way is recorded.
"""

import quick_start

import asyncio
import contextlib
import hashlib
import math
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Self

import structlog
from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from activities import queues
from activities.registry import Activity, ActivitySet, activity_set
from activities.services import Services
from composition import TemporalUnavailableError, cipher_from, connect, open_database, run_async, services_from
from observability import configure_logging, route_temporal_logs
from settings import SettingsError, load_settings
from storage.engine import DatabaseUnavailableError
from storage.schema import SchemaError
from storage.secrets import SecretKeyError
from storage.stores import all_stores
from workflows.loading import share_code
from workflows.plugin import WORKFLOWS

_GRACE = timedelta(seconds=30)
"""Longer than a send takes; compose's `stop_grace_period` is longer still."""
_LOOK_FOR_STORES_S = 5.0
_SHOPIFY_PER_SECOND = 20.0
_AT_ONE_SHOP = 30
"""How many requests a process has with one shop; at its rate each may take over a second. Every one that hangs is a
socket, and many shops that hang at once (they have one provider) must leave sockets for the database."""
_LLM_PER_SECOND = 20.0
_WEBHOOKS_AT_ONCE = 50
"""How many of stores' own systems a process waits for; each may take ten seconds, and is a socket."""
_LET_THE_RUNTIME_END_S = 0.02

log = structlog.get_logger(__name__)


_WORKFLOW_TASKS = 24
_LOCAL_ACTIVITIES = 24
_DATABASE_ACTIVITIES = 24
"""How many run at once in a process. Behind one writer's lock more would only wait, and on time that Temporal counts:
a task's ten seconds, a local activity's thirty. What waits in Temporal's queue instead has no hurry."""
_STICKY_FOR = timedelta(seconds=10)


def _build_id() -> str:
    """Names the orchestration that a worker runs, in Temporal's histories.

    The SDK's own default reads every module of the process, for half a second, and changes with each of them.
    """
    sources = sorted((Path(__file__).parent / "workflows").glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


class Share(Enum):
    """What of the work a process does: everything, or, where orchestration has a process of its own, the one part."""

    ALL = auto()
    WORKFLOWS = auto()
    ACTIVITIES = auto()


class Fleet:
    """Workers for the main queue, the model's, and one for each shop and number.

    Args:
        client: connected with `RekindlePlugin`.
        interceptors: for tests and the simulation.
        max_cached_workflows: None keeps the SDK's default; 0 replays each task (tests).
        share: what of the work is done here.
        sticky_for: how long a task of a cached workflow waits for this process before any other may take it.
    """

    def __init__(
        self,
        client: Client,
        services: Services,
        *,
        interceptors: Sequence[Interceptor] = (),
        max_cached_workflows: int | None = None,
        limit_rates: bool = True,
        share: Share = Share.ALL,
        sticky_for: timedelta = _STICKY_FOR,
    ) -> None:
        self._client = client
        self._services = services
        self._interceptors = interceptors
        self._cached = max_cached_workflows
        self._limit_rates = limit_rates
        self._share = share
        self._sticky_for = sticky_for
        self._build_id = _build_id()
        self._activities: ActivitySet = activity_set(services)
        self._stack = contextlib.AsyncExitStack()
        self._served: dict[str, tuple[float, Worker]] = {}

    async def __aenter__(self) -> Self:
        share_code()
        options = {} if self._cached is None else {"max_cached_workflows": self._cached}
        main = Worker(
            self._client,
            task_queue=queues.MAIN,
            workflows=[] if self._share is Share.ACTIVITIES else list(WORKFLOWS),
            activities=self._activities.main,
            no_remote_activities=self._share is Share.WORKFLOWS,
            interceptors=list(self._interceptors),
            graceful_shutdown_timeout=_GRACE,
            build_id=self._build_id,
            max_concurrent_workflow_tasks=_WORKFLOW_TASKS,
            max_concurrent_local_activities=_LOCAL_ACTIVITIES,
            max_concurrent_activities=_DATABASE_ACTIVITIES,
            sticky_queue_schedule_to_start_timeout=self._sticky_for,
            **options,  # type: ignore[arg-type]
        )
        await self._stack.enter_async_context(main)
        if self._share is Share.WORKFLOWS:
            return self
        at_once = self._services.llm_parallel
        await self._serve(queues.LLM, self._activities.llm, max(_LLM_PER_SECOND, at_once), at_once=at_once)
        await self._serve(queues.WEBHOOKS, self._activities.webhooks, math.inf, at_once=_WEBHOOKS_AT_ONCE)
        await self.serve_new_stores()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def serve_new_stores(self) -> None:
        """Start workers for shops and numbers that have none yet, and anew where a number's rate has changed."""
        async with self._services.database.read() as session:
            stores = await all_stores(session)
        for parts in stores:
            await self._serve(parts.shop_queue, self._activities.shop, _SHOPIFY_PER_SECOND, at_once=_AT_ONE_SHOP)
            await self._serve(parts.whatsapp_queue, self._activities.whatsapp, parts.whatsapp_rate)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop, looking for new stores now and then."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_FOR_STORES_S)
            try:
                await self.serve_new_stores()
            except DatabaseUnavailableError as error:
                log.warning("cannot look for new stores", reason=str(error))

    async def _serve(
        self, queue: str, activities: list[Activity], per_second: float, *, at_once: int | None = None
    ) -> None:
        per_second = per_second if self._limit_rates else math.inf
        known = self._served.get(queue)
        if known is not None:
            before, worker = known
            if before == per_second:
                return
            # A worker's rate is for its life. What it is sending it finishes first; the queue waits that long.
            log.info("the rate of a queue has changed", queue=queue, per_second=per_second)
            await worker.shutdown()
        worker = Worker(
            self._client,
            task_queue=queue,
            activities=activities,
            interceptors=list(self._interceptors),
            graceful_shutdown_timeout=_GRACE,
            build_id=self._build_id,
            max_concurrent_activities=at_once,
            max_task_queue_activities_per_second=per_second if math.isfinite(per_second) else None,
        )
        self._served[queue] = (per_second, await self._stack.enter_async_context(worker))


async def serve(stop: asyncio.Event) -> None:
    """Be a worker until told to stop.

    Raises:
        SettingsError: the environment cannot be used.
        SecretKeyError: there is no key to open the stores' secrets with.
        DatabaseUnavailableError: the database cannot be reached.
        SchemaError: the database must be upgraded first.
        TemporalUnavailableError: Temporal does not answer.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    cipher = cipher_from(settings)
    async with open_database(settings) as database:
        route_temporal_logs(metrics_address=settings.metrics_address)
        client = await connect()
        async with services_from(settings, database, cipher, client) as services, Fleet(client, services) as fleet:
            log.info("worker started", queue=queues.MAIN)
            await fleet.run(stop)
            log.info("worker stops: activities in flight are finished first")


async def _serve_until_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await serve(stop)
    finally:
        # Temporal's runtime can abort an interpreter that ends right after it (sdk-python#300).
        await asyncio.sleep(_LET_THE_RUNTIME_END_S)


def main() -> int:
    """Run the worker; 0 after a signal, 1 with lines on stderr when it cannot start."""
    quick_start.loaded()
    try:
        run_async(_serve_until_signal())
    except (SettingsError, SecretKeyError, DatabaseUnavailableError, SchemaError, TemporalUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
