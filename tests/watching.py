"""Watches of a running stack: launched as the command line does it, and what they have seen."""

from datetime import datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from activities import queues
from models.journey import AbandonedCart, FollowUp
from models.orchestration import Wake, WatchInput, WatchProgress
from models.tables import Journey
from policies.watching import spacing
from storage.stores import required_id
from storage.watches import open_watch, watch_workflow_id
from tests.silences import speak
from tests.stack import Person, Stack
from workflows.watch import WatchWorkflow


async def watch(stack: Stack, definition: FollowUp | AbandonedCart, *, only_new: bool = False) -> int:
    """Launch the journey as the command line does; its id."""
    journey_id = await stack.publish(definition)
    now = await stack.now()
    async with stack.database.write() as session:
        row = await session.get_one(Journey, journey_id)
        await open_watch(session, row, since=now if only_new else None, now=now)
    workflow_id = watch_workflow_id(stack.store.id, journey_id)
    stack.started.append(workflow_id)
    await stack.client.start_workflow(
        WatchWorkflow.run,
        WatchInput(store_id=stack.store.id, journey_id=journey_id, spacing=spacing(definition)),
        id=workflow_id,
        task_queue=queues.MAIN,
        start_signal="wake",
        start_signal_args=[Wake()],
    )
    await looked(stack, journey_id)
    return journey_id


def handle(stack: Stack, journey_id: int) -> WorkflowHandle[Any, Any]:
    """The journey's watch."""
    return stack.client.get_workflow_handle(watch_workflow_id(stack.store.id, journey_id))


async def looked(stack: Stack, journey_id: int) -> WatchProgress:
    """Wait until the watch has seen what there is now and sleeps."""

    async def done() -> WatchProgress | None:
        progress: WatchProgress = await handle(stack, journey_id).query(WatchWorkflow.progress)
        return progress if progress.looked_at is not None and progress.sleeps else None

    found: WatchProgress = await stack.until(done)
    return found


async def silent(stack: Stack, person: Person, *, ago: timedelta = timedelta(0), **changes: Any) -> datetime:
    """Our side wrote to the customer so long ago and nobody has since; when that was."""
    now = await stack.now()
    at = now - ago
    await speak(stack.database, person.id, number_id=required_id(stack.store.number.id), at=at, now=now, **changes)
    await stack.settle()
    return at
