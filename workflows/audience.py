"""AudienceWorkflow: one journey's entrants, from the shop's list to started journeys, over as many days as it takes.

It lives while launches are asked for or customers are paced, and costs nothing in between. All progress is in the
database, so a new run picks up where any earlier one ended.
"""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.audience import AudienceActivities
from models.enums import LaunchState
from models.orchestration import (
    AudienceInput,
    AudienceProgress,
    JourneyRef,
    LaunchRequest,
    LaunchStep,
    PageDone,
    SelectPage,
    StartEntrants,
)

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
_PAGE = timedelta(minutes=5)
_AFTER_FAULT = timedelta(minutes=15)


@workflow.defn
class AudienceWorkflow:
    """Selects, paces and starts the entrants of one win-back."""

    @workflow.init
    def __init__(self, start: AudienceInput) -> None:
        self._start = start
        self._pending: list[int] = list(start.pending)
        self._launch_id: int | None = None
        self._considered = 0
        self._phase = "idle"
        self._next_day_at: datetime | None = None

    @workflow.run
    async def run(self, start: AudienceInput) -> None:
        """Serve launches in the order of their requests, then each day's paced customers, until nobody waits."""
        journey = JourneyRef(journey_id=start.journey_id)
        while True:
            try:
                while self._pending:
                    await self._launch(self._pending[0])
                    self._pending.pop(0)
                    self._continue_if_long()
                await self._enter_paced(journey)
            except ActivityError:
                # The shop refuses our credential, say. Everybody keeps their place; somebody has to mend it.
                workflow.logger.warning("the audience waits: an activity failed for good")
                self._phase = "waiting"
                await workflow.sleep(_AFTER_FAULT)
                continue
            self._continue_if_long()
            following = await workflow.execute_activity_method(
                AudienceActivities.next_day, journey, start_to_close_timeout=_PAGE, retry_policy=_RETRY
            )
            self._next_day_at = following.at
            if following.at is None:
                if self._pending:
                    continue
                return
            self._phase = "paced"
            await self._wait(following.at)

    @workflow.signal
    def launch(self, request: LaunchRequest) -> None:
        """Ask for a selection; asking twice for the same one is asking once."""
        if request.launch_id not in self._pending:
            self._pending.append(request.launch_id)

    @workflow.query
    def progress(self) -> AudienceProgress:
        """How far the selection that runs has come."""
        return AudienceProgress(
            launch_id=self._launch_id,
            considered=self._considered,
            phase=self._phase,
            next_day_at=self._next_day_at,
        )

    async def _launch(self, launch_id: int) -> None:
        self._launch_id, self._considered = launch_id, 0
        step = LaunchStep(launch_id=launch_id)
        phase = await workflow.execute_activity_method(
            AudienceActivities.launch_phase, step, start_to_close_timeout=_PAGE, retry_policy=_RETRY
        )
        if phase.state is LaunchState.SELECTING:
            await self._select(launch_id)
        if phase.state in (LaunchState.SELECTING, LaunchState.DECIDING):
            self._phase = "deciding"
            while (await self._page(AudienceActivities.judge_page, step)).remaining:
                pass
        # Days are given again even where the preview gave some: another launch may have filled them since.
        await workflow.execute_activity_method(
            AudienceActivities.rank, step, start_to_close_timeout=_PAGE, retry_policy=_RETRY
        )
        self._phase = "starting"
        while (await self._page(AudienceActivities.enroll_page, step)).remaining:
            pass
        await self._start_entrants()
        await workflow.execute_activity_method(
            AudienceActivities.finish_launch, step, start_to_close_timeout=_PAGE, retry_policy=_RETRY
        )
        self._phase = "idle"

    async def _select(self, launch_id: int) -> None:
        self._phase = "selecting"
        cursor: str | None = None
        while True:
            page = await workflow.execute_activity_method(
                AudienceActivities.select_page,
                SelectPage(launch_id=launch_id, cursor=cursor),
                task_queue=self._start.shop_queue,
                start_to_close_timeout=_PAGE,
                retry_policy=_RETRY,
            )
            self._considered += page.considered
            cursor = page.cursor
            if cursor is None:
                return

    async def _enter_paced(self, journey: JourneyRef) -> None:
        while True:
            page = await workflow.execute_activity_method(
                AudienceActivities.enter_paced,
                journey,
                task_queue=self._start.shop_queue,
                start_to_close_timeout=_PAGE,
                retry_policy=_RETRY,
            )
            if not page.remaining:
                break
        await self._start_entrants()

    async def _start_entrants(self) -> None:
        after: str | None = ""
        while after is not None:
            page = await workflow.execute_activity_method(
                AudienceActivities.start_entrants,
                StartEntrants(journey_id=self._start.journey_id, after=after),
                start_to_close_timeout=_PAGE,
                retry_policy=_RETRY,
            )
            after = page.after

    async def _page(self, activity: Callable[[Any, LaunchStep], Awaitable[PageDone]], step: LaunchStep) -> PageDone:
        return await workflow.execute_activity_method(activity, step, start_to_close_timeout=_PAGE, retry_policy=_RETRY)

    async def _wait(self, until: datetime) -> None:
        left = until - workflow.now()
        if left > timedelta(0):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: bool(self._pending), timeout=left)

    def _continue_if_long(self) -> None:
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(self._start.model_copy(update={"pending": tuple(self._pending)}))
