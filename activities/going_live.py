"""Letting journeys go live by themselves, and seeing that whoever waits to enter is served.

The state changes in a transaction; the AudienceWorkflow is started after it. A crash in between loses nothing: a launch
waits until its workflow has begun with it, and the store's health and upkeep look again.
"""

from datetime import datetime

from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from activities import queues
from activities.schedules import ensure_schedules
from activities.services import Services
from models.orchestration import AudienceInput, LaunchRequest
from storage.going_live import go_live, pending_journeys, unserved
from storage.stores import StoreParts, required_id, store_parts
from storage.wakes import audience_workflow_id

AUDIENCE_WORKFLOW = "AudienceWorkflow"
"""The workflow's type: activities know it by name, since imports run downward only."""


async def let_go_live(services: Services, store_id: int, *, now: datetime) -> list[int]:
    """Make the store's pending journeys active whose templates are all approved; their ids."""
    async with services.database.read() as session:
        pending = await pending_journeys(session, store_id)
    live = []
    for journey in pending:
        async with services.database.write() as session:
            if await go_live(session, required_id(journey.id), now=now):
                live.append(required_id(journey.id))
    if live:
        await ensure_audiences(services, store_id)
        await ensure_schedules(services, store_id, now=now)
    return live


async def ensure_audiences(services: Services, store_id: int) -> None:
    """See that every running win-back with launches to carry out, or with paced customers, has its AudienceWorkflow.

    Raises:
        RPCError: Temporal did not accept it.
    """
    async with services.database.read() as session:
        parts = await store_parts(session, store_id)
        wanted = await unserved(session, store_id)
    for one in wanted:
        if not one.launches:
            await ask_audience(services, parts, one.journey_id, None)
        for launch_id in one.launches:
            await ask_audience(services, parts, one.journey_id, launch_id)


async def ask_audience(services: Services, parts: StoreParts, journey_id: int, launch_id: int | None) -> None:
    """Start a journey's AudienceWorkflow, or ask the one that runs for the launch; asking twice is asking once.

    Raises:
        RPCError: Temporal did not accept it.
    """
    await services.temporal.start_workflow(
        AUDIENCE_WORKFLOW,
        AudienceInput(store_id=parts.id, journey_id=journey_id, shop_queue=parts.shop_queue),
        id=audience_workflow_id(parts.id, journey_id),
        task_queue=queues.MAIN,
        priority=queues.in_turns(parts.id),
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="launch" if launch_id is not None else None,
        start_signal_args=[LaunchRequest(launch_id=launch_id)] if launch_id is not None else [],
    )
