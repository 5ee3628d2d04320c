"""One store's trouble is nobody else's: shared queues are served in turns, and a shop that hangs holds up itself."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities import queues
from cli.stack import FAIRNESS
from composition import providers_from
from providers.shopify.records import ShopAccess
from settings import Settings
from tests.integration.conftest import OpenStack
from tests.serving import serve

_MANY, _FEW = 120, 5
_HANGING = 150
_SOON_S = 3.0
_QUEUE = "fairness-shared"


@workflow.defn
class Asks:
    """Asks for one task of a shared queue."""

    @workflow.run
    async def run(self, store: int) -> None:
        """Whose it is."""
        await workflow.execute_activity("served", store, task_queue=_QUEUE, start_to_close_timeout=timedelta(minutes=1))


@pytest.fixture
async def fair_server() -> AsyncIterator[Client]:
    """A dev server as `up` starts it."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=list(FAIRNESS),
        dev_server_log_level="error",
    )
    async with environment:
        yield environment.client


async def test_a_store_with_many_tasks_keeps_no_other_waiting(fair_server: Client) -> None:
    """A hundred and twenty tasks of one store are in the queue when another's five come: those are served in turns."""
    order: list[int] = []
    done = asyncio.Event()

    @activity.defn
    async def served(store: int) -> None:
        order.append(store)
        if len(order) == _MANY + _FEW:
            done.set()

    async def ask(store: int, count: int) -> None:
        async def one(number: int) -> None:
            await fair_server.start_workflow(
                Asks.run, store, id=f"ask-{store}-{number}", task_queue="asks", priority=queues.in_turns(store)
            )

        await asyncio.gather(*(one(number) for number in range(count)))

    async def scheduled(count: int) -> None:
        while True:
            waiting = [one async for one in fair_server.list_workflows("ExecutionStatus = 'Running'")]
            lengths = await asyncio.gather(*(_length(fair_server, one.id) for one in waiting))
            if len(waiting) == count and min(lengths) >= _SCHEDULED:
                return
            await asyncio.sleep(0.1)

    runner = UnsandboxedWorkflowRunner()
    async with Worker(fair_server, task_queue="asks", workflows=[Asks], workflow_runner=runner):
        await ask(1, _MANY)
        await scheduled(_MANY)
        await ask(2, _FEW)
        await scheduled(_MANY + _FEW)
        async with Worker(fair_server, task_queue=_QUEUE, activities=[served], max_concurrent_activities=1):
            await done.wait()
    # In turns the last would be at the tenth place; what the server had read ahead costs a little.
    assert [place for place, store in enumerate(order) if store != 1][-1] < _MANY / 2


_SCHEDULED = 5
"""Events in the history of a workflow whose activity waits: started, three of the first task, scheduled."""


async def _length(client: Client, workflow_id: str) -> int:
    return (await client.get_workflow_handle(workflow_id).describe()).history_length


async def test_every_journey_stands_in_its_stores_turn(open_stack: OpenStack) -> None:
    """Journeys are started with their store's key, which their activities inherit."""
    async with open_stack() as stack:
        enrollment = await stack.begin()
        description = await stack.handle(enrollment).describe()
        key = description.raw_description.workflow_execution_info.priority.fairness_key
        assert key == f"store-{stack.store.id}"


class _Shops:
    """Shops behind one address, of which one never answers."""

    def __init__(self) -> None:
        self.hanging = 0
        self.all_hang = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a shop's name, or never."""
        if scope["path"].startswith("/hangs"):
            self.hanging += 1
            if self.hanging == _HANGING:
                self.all_hang.set()
            await asyncio.Event().wait()
        while (await receive()).get("more_body"):
            pass
        headers: Sequence[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 402, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


async def test_a_shop_that_hangs_uses_up_no_connection_of_anybody_elses() -> None:
    """While a hundred and fifty requests wait for one shop, another shop is asked and answers."""
    shops = _Shops()
    settings = Settings()
    async with serve(shops) as address, providers_from(settings) as providers:
        hangs = ShopAccess(shop_domain="a.myshopify.com", token="t", endpoint=f"{address}/hangs")
        waiting = [asyncio.create_task(providers.shopify.shop(hangs)) for _ in range(_HANGING)]
        try:
            async with asyncio.timeout(_SOON_S):
                await shops.all_hang.wait()
                other = ShopAccess(shop_domain="b.myshopify.com", token="t", endpoint=f"{address}/answers")
                with pytest.raises(Exception, match="402"):
                    await providers.shopify.shop(other)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
