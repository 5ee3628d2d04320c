"""WatchWorkflow: notices silences and carts of one journey, and costs nothing while there are none.

It looks at the database when the earliest of them has lasted long enough, never more often than the journey's spacing,
and otherwise only when it is woken because something becomes due earlier than it knows.
"""

import contextlib
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.watch import WatchActivities
from models.orchestration import Wake, WatchFound, WatchInput, WatchLook, WatchProgress

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
_LOOK = timedelta(minutes=10)
_SIGN_OF_LIFE = timedelta(minutes=1)
_AFTER_FAULT = timedelta(minutes=15)


@workflow.defn
class WatchWorkflow:
    """The watch of one follow-up or cart journey; its id is `watch-<store>-<journey>`."""

    @workflow.init
    def __init__(self, start: WatchInput) -> None:
        self._start = start
        self._woken = False
        self._found: WatchFound | None = None
        self._looked_at: datetime | None = None
        self._entered = 0
        self._sleeps = False

    @workflow.run
    async def run(self, start: WatchInput) -> None:
        """Look, sleep, look, until the journey takes nobody in any more."""
        while not workflow.info().is_continue_as_new_suggested():
            # Before the look: a wake-up during it may be about what it has not seen.
            self._woken = self._sleeps = False
            looked_at = workflow.now()
            try:
                found = await workflow.execute_activity_method(
                    WatchActivities.look,
                    WatchLook(journey_id=start.journey_id),
                    start_to_close_timeout=_LOOK,
                    heartbeat_timeout=_SIGN_OF_LIFE,
                    retry_policy=_RETRY,
                )
            except ActivityError:
                workflow.logger.warning("the watch waits: a look failed for good")
                await self._sleep_until(workflow.now() + _AFTER_FAULT)
                continue
            self._found, self._looked_at = found, looked_at
            self._entered += found.entered
            if found.over and not self._woken:
                return
            if found.more or found.over:
                continue
            spaced = looked_at + (found.spacing or start.spacing)
            await self._sleep_until(max(found.next_at, spaced) if found.next_at is not None else None)
        workflow.continue_as_new(start)

    @workflow.signal
    def wake(self, wake: Wake) -> None:  # noqa: ARG002 - the database knows what there is to see
        """Something becomes due earlier than the watch knows, or the journey was launched or stopped: look now."""
        self._woken = True

    @workflow.query
    def progress(self) -> WatchProgress:
        """What the watch has seen and when it looks again."""
        return WatchProgress(
            looked_at=self._looked_at,
            next_at=self._found.next_at if self._found is not None else None,
            entered=self._entered,
            sleeps=self._sleeps and not self._woken,
        )

    async def _sleep_until(self, until: datetime | None) -> None:
        self._sleeps = True
        if until is None:
            await workflow.wait_condition(lambda: self._woken)
            return
        left = until - workflow.now()
        if left > timedelta(0):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._woken, timeout=left)
