"""The yardstick of the simulation: a bare workflow with the same timers and six activities that do nothing."""

import sys
import time
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

_QUEUE = "bare"
_ACTIVITY = timedelta(seconds=30)
_DAYS = 16


@activity.defn
async def do_nothing(number: int) -> int:
    """Answer."""
    return number


@workflow.defn
class BareWorkflow:
    """Two activities at once, after 60 hours and after 7 days more, then five days of waiting."""

    @workflow.run
    async def run(self, number: int) -> int:
        """Live as long as the measured journey."""
        for hours in (0, 60, 168):
            if hours:
                await workflow.sleep(timedelta(hours=hours))
            for _ in range(2):
                await workflow.execute_activity(do_nothing, number, start_to_close_timeout=_ACTIVITY)
        await workflow.sleep(timedelta(days=5))
        return number


async def bare_per_second(count: int) -> float:
    """Bare workflows a second on a fresh time-skipping server.

    Raises:
        RuntimeError: not all of them completed.
    """
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(Path(sys.executable).parent / "temporal-test-server")
    ) as env:
        client = await Client.connect(env.client.service_client.config.target_host)
        async with Worker(client, task_queue=_QUEUE, workflows=[BareWorkflow], activities=[do_nothing]):
            began = time.perf_counter()
            handles = [
                await client.start_workflow(BareWorkflow.run, number, id=f"bare-{number}", task_queue=_QUEUE)
                for number in range(count)
            ]
            for _ in range(_DAYS):
                await env.sleep(timedelta(days=1))
            took = time.perf_counter() - began
            for handle in handles:
                if (await handle.describe()).status is not WorkflowExecutionStatus.COMPLETED:
                    raise RuntimeError("a bare workflow was not over in time")
    return count / took
