"""What commands ask of Temporal: start the workflows that are one of a kind, see who serves, deliver what waits."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from activities import queues
from composition import TemporalUnavailableError, connect
from gateway.relay import Relay
from models.orchestration import AudienceInput, HealthInput, LaunchRequest, UpkeepInput, Wake, WatchInput
from storage.engine import Database
from storage.stores import StoreParts
from storage.watches import watch_workflow_id
from workflows.audience import AudienceWorkflow
from workflows.health import HealthWorkflow
from workflows.ids import audience_workflow_id, health_workflow_id, upkeep_workflow_id
from workflows.upkeep import UpkeepWorkflow
from workflows.watch import WatchWorkflow

HEALTH_INTERVAL = timedelta(minutes=10)
UPKEEP_INTERVAL = timedelta(hours=1)
_ANSWER_WITHIN = timedelta(seconds=10)
_LOOKS, _LOOK_S = 10, 0.5


async def is_served(client: Client, queue: str = queues.MAIN, *, workflows: bool = True) -> bool:
    """Whether any worker has polled the queue lately.

    Raises:
        RPCError: Temporal cannot say.
    """
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if workflows else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind),
        timeout=_ANSWER_WITHIN,
    )
    return bool(answer.pollers)


async def soon_served(client: Client) -> bool:
    """Whether a worker serves our workflows, with a few seconds' patience: one that has just started polls soon.

    Raises:
        RPCError: Temporal cannot say.
    """
    for _ in range(_LOOKS):
        if await is_served(client):
            return True
        await asyncio.sleep(_LOOK_S)
    return False


async def start_audience(client: Client, parts: StoreParts, journey_id: int, launch_id: int) -> None:
    """Ask the journey's AudienceWorkflow for the launch, starting it if it does not run.

    Raises:
        RPCError: Temporal did not accept it.
    """
    await client.start_workflow(
        AudienceWorkflow.run,
        AudienceInput(store_id=parts.id, journey_id=journey_id, shop_queue=parts.shop_queue),
        id=audience_workflow_id(parts.id, journey_id),
        task_queue=queues.MAIN,
        priority=queues.in_turns(parts.id),
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        start_signal="launch",
        start_signal_args=[LaunchRequest(launch_id=launch_id)],
        rpc_timeout=_ANSWER_WITHIN,
    )


async def start_watch(client: Client, store_id: int, journey_id: int, spacing: timedelta) -> None:
    """See that the journey's WatchWorkflow runs and looks now.

    Raises:
        RPCError: Temporal did not accept it.
    """
    await client.start_workflow(
        WatchWorkflow.run,
        WatchInput(store_id=store_id, journey_id=journey_id, spacing=spacing),
        id=watch_workflow_id(store_id, journey_id),
        task_queue=queues.MAIN,
        priority=queues.in_turns(store_id),
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="wake",
        start_signal_args=[Wake()],
        rpc_timeout=_ANSWER_WITHIN,
    )


async def ensure_store_watches(client: Client, parts: StoreParts) -> None:
    """See that the store's HealthWorkflow and UpkeepWorkflow run.

    Raises:
        RPCError: Temporal did not accept it.
    """
    await client.start_workflow(
        HealthWorkflow.run,
        HealthInput(store_id=parts.id, interval=HEALTH_INTERVAL),
        id=health_workflow_id(parts.id),
        task_queue=queues.MAIN,
        priority=queues.in_turns(parts.id),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        rpc_timeout=_ANSWER_WITHIN,
    )
    await client.start_workflow(
        UpkeepWorkflow.run,
        UpkeepInput(store_id=parts.id, shop_queue=parts.shop_queue, interval=UPKEEP_INTERVAL),
        id=upkeep_workflow_id(parts.id),
        task_queue=queues.MAIN,
        priority=queues.in_turns(parts.id),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        rpc_timeout=_ANSWER_WITHIN,
    )


async def deliver(database: Database, clock: Callable[[], datetime]) -> bool:
    """Give Temporal what waits for it now, so that a stop works without a gateway; otherwise a gateway does it later.

    Returns:
        Whether Temporal could be reached.
    """
    try:
        client = await connect()
    except TemporalUnavailableError:
        return False
    await Relay(database, client, clock).drain()
    return True
