"""HealthWorkflow: one store's templates, number and credentials, looked at by one workflow instead of by every journey.

A journey that waits for a template or a credential does not poll (promise 4): it holds, and this workflow releases
all who hold for what has come back.
"""

import contextlib
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.health import HealthActivities
from models.orchestration import HealthInput, HealthReport, StoreRef

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=2), maximum_attempts=5)
_CHECK = timedelta(minutes=5)


@workflow.defn
class HealthWorkflow:
    """Checks one store again and again; `check_now` does it at once."""

    @workflow.init
    def __init__(self, start: HealthInput) -> None:
        self._interval = start.interval
        self._now = False
        self._report: HealthReport | None = None

    @workflow.run
    async def run(self, start: HealthInput) -> None:
        """Check, sleep, check, until the history is long; then go on in a new run."""
        while not workflow.info().is_continue_as_new_suggested():
            self._now = False
            try:
                self._report = await workflow.execute_activity_method(
                    HealthActivities.check_store,
                    StoreRef(store_id=start.store_id),
                    start_to_close_timeout=_CHECK,
                    retry_policy=_RETRY,
                )
            except ActivityError:
                # What was wrong is in the worker's log and in `doctor`; the next round tries again.
                workflow.logger.warning("a health check failed; the next one follows in %s", self._interval)
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._now, timeout=self._interval)
        workflow.continue_as_new(start)

    @workflow.signal
    def check_now(self) -> None:
        """Do not wait for the next round."""
        self._now = True

    @workflow.query
    def report(self) -> HealthReport | None:
        """What the last check found."""
        return self._report
