"""AudienceWorkflow: one journey's entrants, from the shop's list to started journeys, over as many days as it takes.

It lives while launches are asked for or customers are paced, and costs nothing in between. All progress but the place
in the shop's list is in the database, so a new run picks up where any earlier one ended, in the middle of a launch too:
a page is six events of history, and a hundred thousand customers are more pages than one history should hold.
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
_SIGN_OF_LIFE = timedelta(minutes=1)
"""A page whose worker was killed is repeated after so long."""
_AFTER_FAULT = timedelta(minutes=15)


@workflow.defn
class AudienceWorkflow:
    """Selects, paces and starts the entrants of one win-back."""

    @workflow.init
    def __init__(self, start: AudienceInput) -> None:
        self._start = start
        self._pending: list[int] = list(start.pending)
        self._launch_id: int | None = None
        self._cursor = start.cursor
        self._considered = start.considered
        self._total = start.total
        self._left: int | None = None
        self._launching = start.launching
        self._after = start.after
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
                self._cursor = None  # should it be the shop's place that is at fault
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
            total=self._total,
            left=self._left,
        )

    async def _launch(self, launch_id: int) -> None:
        if self._launch_id not in (None, launch_id):
            self._considered, self._total = 0, None
        self._launch_id = launch_id
        step = LaunchStep(launch_id=launch_id)
        if self._launching != launch_id:
            await self._enroll(launch_id, step)
            self._launching, self._after = launch_id, ""
        self._phase = "starting"
        await self._start_entrants()
        await workflow.execute_activity_method(
            AudienceActivities.finish_launch, step, start_to_close_timeout=_PAGE, retry_policy=_RETRY
        )
        self._phase = "idle"
        self._cursor = self._launching = None

    async def _enroll(self, launch_id: int, step: LaunchStep) -> None:
        phase = await workflow.execute_activity_method(
            AudienceActivities.launch_phase, step, start_to_close_timeout=_PAGE, retry_policy=_RETRY
        )
        if phase.state is LaunchState.SELECTING:
            await self._select(launch_id)
        if phase.state in (LaunchState.SELECTING, LaunchState.DECIDING):
            self._phase = "deciding"
            await self._pages(AudienceActivities.judge_page, step)
        # Days are given again even where the preview gave some: another launch may have filled them since.
        await workflow.execute_activity_method(
            AudienceActivities.rank,
            step,
            start_to_close_timeout=_PAGE,
            heartbeat_timeout=_SIGN_OF_LIFE,
            retry_policy=_RETRY,
        )
        self._phase = "starting"
        await self._pages(AudienceActivities.enroll_page, step)

    async def _select(self, launch_id: int) -> None:
        self._phase = "selecting"
        if self._cursor is None:
            self._considered = 0
        while True:
            page = await workflow.execute_activity_method(
                AudienceActivities.select_page,
                SelectPage(launch_id=launch_id, cursor=self._cursor),
                task_queue=self._start.shop_queue,
                start_to_close_timeout=_PAGE,
                heartbeat_timeout=_SIGN_OF_LIFE,
                retry_policy=_RETRY,
            )
            self._considered += page.considered
            self._total = page.total
            self._cursor = page.cursor
            if self._cursor is None:
                return
            self._continue_if_long()

    async def _enter_paced(self, journey: JourneyRef) -> None:
        while not self._after:  # else the run before this one was starting those who had entered
            page = await workflow.execute_activity_method(
                AudienceActivities.enter_paced,
                journey,
                task_queue=self._start.shop_queue,
                start_to_close_timeout=_PAGE,
                heartbeat_timeout=_SIGN_OF_LIFE,
                retry_policy=_RETRY,
            )
            if not page.remaining:
                break
            self._continue_if_long()
        await self._start_entrants()

    async def _start_entrants(self) -> None:
        while True:
            page = await workflow.execute_activity_method(
                AudienceActivities.start_entrants,
                StartEntrants(journey_id=self._start.journey_id, after=self._after),
                start_to_close_timeout=_PAGE,
                heartbeat_timeout=_SIGN_OF_LIFE,
                retry_policy=_RETRY,
            )
            self._after = page.after or ""
            if not self._after:
                return
            self._continue_if_long()

    async def _pages(self, activity: Callable[[Any, LaunchStep], Awaitable[PageDone]], step: LaunchStep) -> None:
        while True:
            page = await workflow.execute_activity_method(
                activity,
                step,
                start_to_close_timeout=_PAGE,
                heartbeat_timeout=_SIGN_OF_LIFE,
                retry_policy=_RETRY,
            )
            self._left = page.remaining or None
            if not page.remaining:
                return
            self._continue_if_long()

    async def _wait(self, until: datetime) -> None:
        left = until - workflow.now()
        if left > timedelta(0):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: bool(self._pending), timeout=left)

    def _continue_if_long(self) -> None:
        if workflow.info().is_continue_as_new_suggested():
            place: dict[str, object] = {"cursor": None, "considered": 0, "total": None}
            if self._phase != "idle":
                place = {"cursor": self._cursor, "considered": self._considered, "total": self._total}
            place |= {"launching": self._launching, "after": self._after}
            workflow.continue_as_new(self._start.model_copy(update={"pending": tuple(self._pending), **place}))
