"""One real JourneyWorkflow on the dev server, whose activities answer at once and whose days are seconds.

Sizes are compared with the peer's on the same kind of server: the time-skipping one leaves fields out of its events.
"""

import sys
from datetime import timedelta
from pathlib import Path

from temporalio import activity
from temporalio.client import WorkflowHistory
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import queues
from activities.search_attributes import ALL, JOURNEY, RUNNING, STATE, STORE, VERSION
from models.enums import ExitReason
from models.orchestration import (
    Conclude,
    Concluded,
    JourneyInput,
    LoadPlan,
    Plan,
    StagePlan,
    StageRef,
    StageResult,
    StageStep,
)
from workflows.journey import JourneyWorkflow
from workflows.plugin import RekindlePlugin

_SHOP_QUEUE, _NUMBER_QUEUE = "shopify-bench.myshopify.com", "whatsapp-100000000000001"
_DELAY = timedelta(seconds=1)
_WINDOW = timedelta(hours=13)
_ID = "enr-00000000-0000-5000-8000-000000000001"
"""As long as the real ids, which are in every payload."""


class Answers:
    """The activities' names with answers that let the journey go on."""

    def __init__(self, *, written: bool) -> None:
        self._written = written

    @activity.defn
    async def load_plan(self, ask: LoadPlan) -> Plan:
        """Three stages, the first at once."""
        return Plan(
            stages=(StagePlan(ai=self._written),) * 3,
            due_at=ask.now,
            shop_queue=_SHOP_QUEUE,
            whatsapp_queue=_NUMBER_QUEUE,
            approval=False,
            hold_for=timedelta(days=3),
            on_expire="skip",
            unknown_wait=timedelta(minutes=10),
        )

    @activity.defn
    async def prepare_stage(self, _: StageRef) -> StageResult:
        """Ready, or to be written first."""
        step = StageStep.COMPOSE if self._written else StageStep.READY
        return StageResult(step=step, closes_at=activity.info().started_time + _WINDOW)

    @activity.defn
    async def compose_stage(self, _: StageRef) -> StageResult:
        """Written."""
        return StageResult(step=StageStep.READY, closes_at=activity.info().started_time + _WINDOW)

    @activity.defn
    async def send_message(self, _: StageRef) -> StageResult:
        """Accepted; the next stage is a second later."""
        return StageResult(step=StageStep.ACCEPTED, due_at=activity.info().started_time + _DELAY)

    @activity.defn
    async def check_and_conclude(self, _: Conclude) -> Concluded:
        """Nobody bought."""
        return Concluded(reason=ExitReason.COMPLETED)


async def history(*, written: bool) -> WorkflowHistory:
    """The history of a whole journey of three stages that meets no hold."""
    answers = Answers(written=written)
    attributes = TypedSearchAttributes(
        [
            SearchAttributePair(STORE, "bench"),
            SearchAttributePair(JOURNEY, "bench-template"),
            SearchAttributePair(VERSION, 1),
            SearchAttributePair(STATE, RUNNING),
        ]
    )
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
            dev_server_log_level="error",
            dev_server_extra_args=["--output", "none"],
            search_attributes=list(ALL),
            plugins=[RekindlePlugin()],
        ) as env,
        Worker(env.client, task_queue=queues.MAIN, workflows=[JourneyWorkflow], activities=[answers.load_plan]),
        Worker(env.client, task_queue=_SHOP_QUEUE, activities=[answers.prepare_stage, answers.check_and_conclude]),
        Worker(env.client, task_queue=queues.LLM, activities=[answers.compose_stage]),
        Worker(env.client, task_queue=_NUMBER_QUEUE, activities=[answers.send_message]),
    ):
        handle = await env.client.start_workflow(
            JourneyWorkflow.run,
            JourneyInput(enrollment_id=_ID),
            id=_ID,
            task_queue=queues.MAIN,
            search_attributes=attributes,
        )
        await handle.result()
        return await handle.fetch_history()
