"""What befalls the processes and the database, again and again, until it is called off."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from models.tables import SignalIntent
from storage.engine import Database, DatabaseUnavailableError
from tests.chaos.crew import Crew
from tests.chaos.plan import Plan, dice
from tests.devserver import ServerOnFile

_AWAY_S = (0.5, 3.0)
_LOCKED_S = (2.0, 6.0)
_LOOK_S = 1.0
_AT_ONCE = 20
_WAITS_BY_ITSELF = "settle_unknown"
"""It is repeated until the wait for a status is over, and asking sooner would not end that."""


class Disasters:
    """Everything that is not the network's doing.

    Args:
        plan: when, and to whom.
        crew: whose processes are killed.
        server: Temporal's.
        database: whose connections are cut, or whose write lock is taken.
        client: of Temporal, for `hurry`.
        posted: how many messages have been posted so far.
    """

    def __init__(
        self,
        plan: Plan,
        crew: Crew,
        server: ServerOnFile,
        database: Database,
        client: Client,
        posted: Callable[[], int],
    ) -> None:
        self._plan = plan
        self._crew = crew
        self._server = server
        self._database = database
        self._client = client
        self._posted = posted

    async def strike(self) -> None:
        """Let all of them happen until cancelled."""
        async with asyncio.TaskGroup() as group:
            for what, spans, messages, strike in (
                ("worker", (4.0, 12.0), 30, self._kill_a_worker),
                ("gateway", (4.0, 12.0), 30, self._kill_a_gateway),
                ("database", (4.0, 12.0), 15, self._cut_the_database),
                ("temporal", (8.0, 20.0), 60, self._restart_temporal),
            ):
                pauses = self._plan.pauses(what, *spans)
                group.create_task(self._again_and_again(pauses, messages, strike))

    async def _again_and_again(
        self, pauses: Iterator[float], messages: int, strike: Callable[[int], Awaitable[None]]
    ) -> None:
        """Strike after each pause, but not before so many messages were posted since the last time.

        Else a slow machine would spend all its time on starting what is killed.
        """
        for number, pause in enumerate(pauses):
            before = self._posted()
            await asyncio.sleep(pause)
            while self._posted() < before + messages * self._plan.options.rest:  # noqa: ASYNC110 - an event would be more to keep than a look
                await asyncio.sleep(_LOOK_S)
            await strike(number)

    async def _kill_a_worker(self, number: int) -> None:
        place = dice(self._plan.seed, "worker", number).choice(self._crew.workers)
        self._plan.injected["worker killed at a random moment"] += await place.shoot()

    async def _kill_a_gateway(self, number: int) -> None:
        place = dice(self._plan.seed, "gateway", number).choice(self._crew.gateways)
        self._plan.injected["gateway killed at a random moment"] += await place.shoot()

    async def _restart_temporal(self, number: int) -> None:
        self._plan.injected["Temporal killed and started again on its file"] += 1
        await self._server.kill()
        await asyncio.sleep(dice(self._plan.seed, "temporal", number).uniform(*_AWAY_S))
        await self._server.start()

    async def _cut_the_database(self, number: int) -> None:
        if self._database.is_sqlite:
            seconds = dice(self._plan.seed, "database", number).uniform(*_LOCKED_S)
            self._plan.injected["database: write lock held for seconds"] += 1
            await lock_sqlite(str(self._database.engine.url.database), seconds)
            return
        cut = await cut_postgres(self._database.engine.url.render_as_string(hide_password=False))
        self._plan.injected["database: all connections cut"] += 1
        self._plan.injected["database: connections that were cut"] += cut

    async def hurry(self) -> None:
        """End the waits that follow faults: for dead workers, dead relays' leases, and pauses between two tries."""
        while True:
            await asyncio.sleep(_LOOK_S)
            dead = self._crew.dead_workers
            with suppress(DatabaseUnavailableError, SQLAlchemyError, OSError):
                await self._free_leases()
            with suppress(RPCError):
                running = [one.id async for one in self._client.list_workflows("ExecutionStatus = 'Running'")]
                for start in range(0, len(running), _AT_ONCE):
                    page = running[start : start + _AT_ONCE]
                    await asyncio.gather(*(self._go_on(one, dead) for one in page))

    async def _free_leases(self) -> None:
        """A lease that outlives its relay by a second is over. That of a living one may be, too: no harm is done."""
        async with self._database.write() as session:
            rows = await session.exec(select(SignalIntent).where(col(SignalIntent.settled_at).is_(None)))
            for intent in rows:
                intent.next_try_at = intent.created_at

    async def _go_on(self, workflow_id: str, dead: set[str]) -> None:
        with suppress(RPCError):
            description = await self._client.get_workflow_handle(workflow_id).describe()
            for pending in description.raw_description.pending_activities:
                if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
                    if pending.last_worker_identity in dead:
                        handle = self._client.get_async_activity_handle(
                            workflow_id=workflow_id, run_id=description.run_id, activity_id=pending.activity_id
                        )
                        await handle.fail(ApplicationError("the worker is dead"))
                elif pending.attempt > 1 and pending.activity_type.name != _WAITS_BY_ITSELF:
                    again = ResetActivityRequest(
                        namespace=self._client.namespace,
                        execution=WorkflowExecution(workflow_id=workflow_id, run_id=description.run_id),
                        id=pending.activity_id,
                    )
                    await self._client.workflow_service.reset_activity(again)


async def lock_sqlite(path: str, seconds: float) -> None:
    """Hold an SQLite file's one write lock, as somebody's long transaction would."""

    def begin() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    try:
        connection = await asyncio.to_thread(begin)
    except sqlite3.OperationalError:
        return
    try:
        await asyncio.sleep(seconds)
    finally:
        connection.rollback()
        connection.close()


async def cut_postgres(url: str) -> int:
    """Cut everybody's connections to a PostgreSQL database, as its restart would; how many there were."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            found = await connection.execute(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            )
            return int(found.scalar_one())
    finally:
        await engine.dispose()
