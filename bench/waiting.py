"""What a journey that waits costs a worker: memory while it is cached, CPU when it is replayed."""

import sys
import time
from datetime import timedelta
from pathlib import Path

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities import queues
from bench.figures import Figure, at_most, note
from bench.memory import resident_mib
from models.orchestration import JourneyInput, LoadPlan, Plan, StagePlan
from workflows.journey import JourneyWorkflow
from workflows.loading import share_code
from workflows.plugin import RekindlePlugin

_WARM_UP = 100
_MOST_KIB = 120


@activity.defn(name="load_plan")
async def plan_for_later(ask: LoadPlan) -> Plan:
    """A journey whose first message is a month away."""
    return Plan(
        stages=(StagePlan(), StagePlan(), StagePlan()),
        due_at=ask.now + timedelta(days=30),
        shop_queue="shop",
        whatsapp_queue="whatsapp",
        approval=False,
        hold_for=timedelta(days=3),
        on_expire="skip",
        unknown_wait=timedelta(minutes=10),
    )


async def memory(count: int) -> Figure:
    """How much a worker grows with each cached journey."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(Path(sys.executable).parent / "temporal-test-server")
    ) as env:
        share_code()
        client = await Client.connect(env.client.service_client.config.target_host, plugins=[RekindlePlugin()])
        async with Worker(
            client,
            task_queue=queues.MAIN,
            workflows=[JourneyWorkflow],
            activities=[plan_for_later],
            max_cached_workflows=count + _WARM_UP,
        ):
            await _start(client, 0, _WARM_UP)
            before = resident_mib()
            await _start(client, _WARM_UP, count)
            grown = (resident_mib() - before) * 1024 / count
    return at_most(f"worker memory per cached journey ({count})", grown, _MOST_KIB, " KiB")


async def _start(client: Client, first: int, count: int) -> None:
    handles = [
        await client.start_workflow(
            JourneyWorkflow.run, JourneyInput(enrollment_id=f"enr-{number}"), id=f"enr-{number}", task_queue=queues.MAIN
        )
        for number in range(first, first + count)
    ]
    for handle in handles:
        while (await handle.query(JourneyWorkflow.status)).due_at is None:
            pass  # each query waits for a task, so this is no busy loop


async def replay(history: WorkflowHistory, times: int) -> Figure:
    """The CPU that it takes to read one history from its beginning."""
    share_code()
    replayer = Replayer(workflows=[JourneyWorkflow], plugins=[RekindlePlugin()])
    await replayer.replay_workflow(history)
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        await replayer.replay_workflow(history)
    spent, took = time.process_time() - cpu, time.perf_counter() - began
    return note(
        f"worker CPU per replayed history ({len(history.events)} events)",
        f"{1000 * spent / times:.1f} ms ({times / took:.0f} histories/s)",
    )
