"""UpkeepWorkflow: what must be done for a store now and then, whoever is in a journey.

Every hour it reads the orders that changed since its last look, because a shop's webhooks can be lost (promise 3),
starts the watches whose launch died, and throws old records away. Woken in between, it does at once what somebody has
promised a person: it tells the shop of a withdrawn consent, and erases the people of a shop that has left.
"""

import contextlib
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.upkeep import UpkeepActivities
from models.orchestration import UpkeepInput, UpkeepReport, UpkeepRound, Wake

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=2), maximum_attempts=5)
_ROUND = timedelta(minutes=10)
_SIGN_OF_LIFE = timedelta(minutes=1)
_SHORTEST = timedelta(seconds=5)
_AFTER_FAULT = timedelta(minutes=5)


@workflow.defn
class UpkeepWorkflow:
    """One store's upkeep; its id is `upkeep-<store>`."""

    @workflow.init
    def __init__(self, start: UpkeepInput) -> None:
        self._start = start
        self._woken = False
        self._last: UpkeepReport | None = None

    @workflow.run
    async def run(self, start: UpkeepInput) -> None:
        """Do a round, sleep, do a round, until the history is long; then go on in a new run."""
        full_at = workflow.now()
        while not workflow.info().is_continue_as_new_suggested():
            self._woken = False
            full = workflow.now() >= full_at
            again_at = await self._round(full=full)
            if full:
                full_at = workflow.now() + start.interval
            left = max(min(full_at, again_at or full_at) - workflow.now(), _SHORTEST)
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._woken, timeout=left)
        workflow.continue_as_new(start)

    async def _round(self, *, full: bool) -> datetime | None:
        """All pages of one round, of which only the first is full; returns when something is to be tried again."""
        while True:
            try:
                report = await workflow.execute_activity_method(
                    UpkeepActivities.keep_up,
                    UpkeepRound(store_id=self._start.store_id, full=full),
                    task_queue=self._start.shop_queue,
                    start_to_close_timeout=_ROUND,
                    heartbeat_timeout=_SIGN_OF_LIFE,
                    retry_policy=_RETRY,
                )
            except ActivityError:
                # What was wrong is in the worker's log and in `doctor`. What was promised does not wait for the next
                # full round: a shop whose orders cannot be read may still be told of a consent.
                workflow.logger.warning("a round of upkeep failed; the next one follows soon")
                return workflow.now() + _AFTER_FAULT
            self._last, full = report, False
            if not report.more:
                return report.next_at

    @workflow.signal
    def wake(self, wake: Wake) -> None:  # noqa: ARG002 - the database knows what there is to do
        """Somebody was promised something: see to it now."""
        self._woken = True

    @workflow.query
    def report(self) -> UpkeepReport | None:
        """What the last round did."""
        return self._last
