"""The schedule of a simulated tracking journey: the time-skipping server has none, so a workflow begins the runs.

They begin at the moments and under the ids under which the real schedule would begin them, one after the other.
"""

from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError

from activities import queues
from activities.schedule_specs import TRACKING_WORKFLOW
from models.orchestration import TrackingInput
from models.tracking import Tracking
from policies.run_times import RunTimes

_IN_A_HISTORY = 200
_A_MOMENT = timedelta(seconds=1)


class ScheduledRuns(BaseModel):
    """The runs of a journey that are still to come.

    Attributes:
        id_before: the first part of each run's workflow id, before its moment.
        through: the moment of the last run that is over.
    """

    model_config = ConfigDict(frozen=True)

    journey_id: int
    id_before: str
    moments: tuple[datetime, ...]
    through: datetime | None = None


def moments_of(definition: Tracking, zone: ZoneInfo, opening: datetime, *, days: int) -> tuple[datetime, ...]:
    """When runs begin: a journey that is launched at the very minute of its run has its first one on the next day."""
    end = opening + timedelta(days=days)
    return tuple(takewhile(lambda at: at < end, RunTimes.of(definition, zone).runs(opening + _A_MOMENT)))


@workflow.defn
class RunsWorkflow:
    """Begins the runs of one journey."""

    @workflow.init
    def __init__(self, plan: ScheduledRuns) -> None:
        self._through = plan.through

    @workflow.query
    def through(self) -> datetime | None:
        """The moment of the last run that is over."""
        return self._through

    @workflow.run
    async def run(self, plan: ScheduledRuns) -> None:
        """Sleep until each run's time and let it run; one that is due meanwhile follows at once, and no more than one.

        A run that fails keeps the next one from nothing, as with a schedule.
        """
        here, rest = plan.moments[:_IN_A_HISTORY], plan.moments[_IN_A_HISTORY:]
        for at, following in zip(here, [*here[1:], None], strict=True):
            if following is not None and following <= workflow.now():
                continue
            await workflow.sleep(max(at - workflow.now(), timedelta(0)))
            try:
                await workflow.execute_child_workflow(
                    TRACKING_WORKFLOW,
                    TrackingInput(journey_id=plan.journey_id),
                    id=f"{plan.id_before}-{at:%Y-%m-%dT%H:%M:%SZ}",
                    task_queue=queues.MAIN,
                )
            except ChildWorkflowError:
                workflow.logger.warning("a run of a tracking journey failed")
            self._through = at
        if rest:
            workflow.continue_as_new(plan.model_copy(update={"moments": rest, "through": self._through}))
