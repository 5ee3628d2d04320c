"""DailySelectionWorkflow: one day's run of an always-on win-back, begun by the journey's schedule.

It only sees that the day's launch is opened and asked for; the journey's AudienceWorkflow carries it out, after
whatever it is busy with. So a run takes moments, however long a selection lasts.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from activities.daily_selection import DailySelectionActivities
from models.orchestration import DayBegun, JourneyRef

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
_STEP = timedelta(minutes=2)


@workflow.defn
class DailySelectionWorkflow:
    """One day of one win-back; its id is `daily-<store>-<journey>-at-<moment>`."""

    @workflow.run
    async def run(self, start: JourneyRef) -> DayBegun:
        """Open the day's launch, however long the database or Temporal make it wait."""
        return await workflow.execute_activity_method(
            DailySelectionActivities.begin_day, start, start_to_close_timeout=_STEP, retry_policy=_RETRY
        )
