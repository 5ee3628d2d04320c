"""Histories of what a store has one of: its audience, its health, its upkeep."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from activities import queues
from composition import system_clock
from models.orchestration import HealthInput, JourneyRef, UpkeepInput
from models.tables import ConsentWriteBack
from storage.daily_selections import daily_run_id, keep_on
from storage.going_live import activate
from storage.journeys import journey_of
from tests.stack import Stack, journey
from workflows.daily_selection import DailySelectionWorkflow
from workflows.health import HealthWorkflow
from workflows.ids import audience_workflow_id, health_workflow_id, upkeep_workflow_id
from workflows.upkeep import UpkeepWorkflow


async def _audience(stack: Stack) -> str:
    for _ in range(3):
        await stack.person()
    definition = journey()
    launch = await stack.launch(definition)
    assert await stack.launched(launch) == {"entered": 3}
    workflow_id = audience_workflow_id(stack.store.id, await stack.publish(definition))
    await stack.client.get_workflow_handle(workflow_id).result()
    return workflow_id


async def _audience_paced(stack: Stack) -> str:
    for _ in range(3):
        await stack.person()
    definition = journey(sending={"max_per_day": 1})
    launch = await stack.launch(definition)
    assert await stack.launched(launch) == {"entered": 1, "paced": 2}
    return audience_workflow_id(stack.store.id, await stack.publish(definition))


async def _daily_selection(stack: Stack) -> str:
    """One has become inactive since the journey is always on."""
    await stack.person()
    definition = journey()
    journey_id = await stack.publish(definition)
    async with stack.database.write() as session:
        row = await journey_of(session, journey_id)
        activate(row, now=system_clock())
        await keep_on(session, row, at="09:00", limit=None, only_new=False, now=system_clock())
    workflow_id = f"{daily_run_id(stack.store.id, journey_id)}-2026-11-23T09:00:00Z"
    begun = await stack.client.execute_workflow(
        DailySelectionWorkflow.run, JourneyRef(journey_id=journey_id), id=workflow_id, task_queue=queues.MAIN
    )
    assert await stack.launched(begun.launch_ids[0]) == {"entered": 1}
    return workflow_id


async def _health(stack: Stack) -> str:
    workflow_id = health_workflow_id(stack.store.id)
    start = HealthInput(store_id=stack.store.id, interval=timedelta(hours=1))
    handle = await stack.client.start_workflow(HealthWorkflow.run, start, id=workflow_id, task_queue=queues.MAIN)
    stack.started.append(workflow_id)

    async def checked() -> bool:
        return await handle.query(HealthWorkflow.report) is not None

    await stack.until(checked)
    await handle.signal(HealthWorkflow.check_now)
    await stack.until(checked)
    return workflow_id


async def _upkeep(stack: Stack) -> str:
    """A round, then one for a stop that was written back to the shop."""
    person = await stack.person()
    workflow_id = upkeep_workflow_id(stack.store.id)
    start = UpkeepInput(store_id=stack.store.id, shop_queue=stack.store.shop_queue, interval=timedelta(hours=1))
    handle = await stack.client.start_workflow(UpkeepWorkflow.run, start, id=workflow_id, task_queue=queues.MAIN)
    stack.started.append(workflow_id)

    async def done() -> bool:
        return await handle.query(UpkeepWorkflow.report) is not None

    await stack.until(done)
    await stack.write(person, "STOP")

    async def told() -> bool:
        return any(one.settled_at is not None for one in await stack.rows(ConsentWriteBack))

    await stack.until(told)
    return workflow_id


PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    "audience": _audience,
    "audience-paced": _audience_paced,
    "daily-selection": _daily_selection,
    "health": _health,
    "upkeep": _upkeep,
}
"""By the name of the file that keeps the history."""
