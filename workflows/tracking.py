"""TrackingWorkflow: one review of a journey's conversations, from who is considered to the journeys that it begins.

The database knows what the run has come to about each conversation; this hands them out. So many wait for the model at
once that it never waits for us, and a long run goes on in a new history every few hundred, so that neither history nor
memory grows with their number.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities import queues
from activities.analysis import AnalysisActivities
from activities.audience import AudienceActivities
from activities.follow_up import FollowUpActivities
from activities.reviewing import ReviewingActivities
from models.enums import ReviewOutcome
from models.orchestration import (
    FinishRun,
    GiveUp,
    NextReviews,
    ReviewAnswer,
    ReviewRef,
    RunPlan,
    RunRef,
    StartEntrants,
    TrackingInput,
    TrackingProgress,
)

AskT = TypeVar("AskT", bound=BaseModel)
ResultT = TypeVar("ResultT")

_DATABASE = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
_PROVIDER = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
_PAGE = timedelta(minutes=5)
_CALL = timedelta(minutes=5)
"""Three calls of the model, each within its own minute, and what is written between them."""
_SIGN_OF_LIFE = timedelta(minutes=1)
_MODEL_WITHIN = timedelta(hours=24)
"""How long a conversation waits for a model that asks for patience; a server may name a day."""
_SHOP_WITHIN = timedelta(hours=2)
_AWAY_IN_A_ROW = 20
"""So many conversations one after the other for which the model could not be reached say that it cannot be reached."""

NOT_ACTIVE = "journey_not_active"
MODEL_AWAY = "model_unreachable"
CANCELLED = "cancelled"
_UNPAID = (ReviewOutcome.WAITING, ReviewOutcome.LEFT_OUT)


@workflow.defn
class TrackingWorkflow:
    """One run of a tracking journey; its own id is the run's key."""

    @workflow.init
    def __init__(self, start: TrackingInput) -> None:
        self._start = start
        self._now = start.so_far or TrackingProgress()
        self._after = start.after
        self._stop: str | None = None
        self._away = 0
        # Somebody may have entered in a run that was ended before it could start their journey.
        self._entered = start.run_id is None
        self._drained = False

    @workflow.run
    async def run(self, start: TrackingInput) -> TrackingProgress:
        """Consider, analyse, verify and act, until nobody is left or something stops the run."""
        plan = await self._database(ReviewingActivities.begin_run, start)
        if plan is None:
            self._note(phase="stopped", stop_reason=NOT_ACTIVE)
            return self._now
        try:
            if not plan.selected:
                await self._consider(plan)
            through = await self._analyse(plan)
        except asyncio.CancelledError:
            await self._finish(plan, CANCELLED)
            raise
        if not through and self._stop is None:
            going_on = {"run_id": plan.run_id, "after": self._after, "so_far": self._now}
            workflow.continue_as_new(start.model_copy(update=going_on))
        await self._finish(plan, self._stop)
        return self._now

    @workflow.query
    def progress(self) -> TrackingProgress:
        """How far the run has come."""
        return self._now

    # --- the steps ---------------------------------------------------------------------------------------------------

    async def _consider(self, plan: RunPlan) -> None:
        self._note(phase="considering")
        while True:
            page = await self._database(ReviewingActivities.consider_page, RunRef(run_id=plan.run_id))
            self._note(
                considered=self._now.considered + page.considered, to_analyse=self._now.to_analyse + page.to_analyse
            )
            if not page.more:
                return

    async def _analyse(self, plan: RunPlan) -> bool:
        """Have the model read what waits, and let begin what follows from it; whether nobody is left."""
        self._note(phase="analysing")
        async with asyncio.TaskGroup() as beside:
            beside.create_task(self._start_as_they_enter())
            try:
                return await self._hand_out(plan)
            finally:
                self._drained = True

    async def _hand_out(self, plan: RunPlan) -> bool:
        """In the order of positions; leaving waits for what is under way, so that nothing is lost between histories."""
        free = asyncio.Semaphore(plan.in_flight)
        handed_out = 0
        async with asyncio.TaskGroup() as under_way:
            while self._stop is None:
                ask = NextReviews(run_id=plan.run_id, after=self._after, limit=plan.in_one_history - handed_out)
                page = await self._database(AnalysisActivities.next_reviews, ask)
                self._stop = self._stop or page.stop
                if not page.reviews:
                    return True
                for review_id in page.reviews:
                    await free.acquire()
                    if self._stop is not None:
                        return False
                    under_way.create_task(self._review(plan, review_id, free))
                self._after = page.last
                handed_out += len(page.reviews)
                if handed_out >= plan.in_one_history or workflow.info().is_continue_as_new_suggested():
                    return False
        return False

    async def _review(self, plan: RunPlan, review_id: int, free: asyncio.Semaphore) -> None:
        """One conversation, from the model's verdict to the enrollment; whatever becomes of it, the others go on."""
        try:
            answer = await self._step(
                AnalysisActivities.analyse_conversation, review_id, queue=queues.LLM, within=_MODEL_WITHIN
            )
        finally:
            free.release()
        self._heed(answer)
        if answer.outcome not in _UNPAID:
            self._note(analysed=self._now.analysed + 1)
        if answer.outcome is not ReviewOutcome.DETECTED:
            return
        self._note(detected=self._now.detected + 1)
        if self._stop is not None:
            return
        answer = await self._step(FollowUpActivities.follow_up, review_id, queue=plan.shop_queue, within=_SHOP_WITHIN)
        self._heed(answer)
        if answer.outcome is ReviewOutcome.ENROLLED:
            self._entered = True
            self._note(enrolled=self._now.enrolled + 1)

    async def _step(
        self,
        activity: Callable[[Any, ReviewRef], Awaitable[ReviewAnswer]],
        review_id: int,
        *,
        queue: str,
        within: timedelta,
    ) -> ReviewAnswer:
        try:
            return await workflow.execute_activity_method(
                activity,
                ReviewRef(review_id=review_id),
                task_queue=queue,
                start_to_close_timeout=_CALL,
                schedule_to_close_timeout=within,
                heartbeat_timeout=_SIGN_OF_LIFE,
                retry_policy=_PROVIDER,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from None
            workflow.logger.warning("a conversation's review failed for good")
            return await self._database(AnalysisActivities.give_up, GiveUp(review_id=review_id, why=_type_of(error)))

    def _heed(self, answer: ReviewAnswer) -> None:
        self._away = self._away + 1 if answer.away else 0
        if self._stop is None:
            self._stop = answer.stop or (MODEL_AWAY if self._away >= _AWAY_IN_A_ROW else None)

    async def _start_as_they_enter(self) -> None:
        """Nobody who has entered waits for a conversation that the model asks patience for."""
        while True:
            await workflow.wait_condition(lambda: self._entered or self._drained)
            if not self._entered:
                return
            self._entered = False
            await self._start_entrants()

    async def _start_entrants(self) -> None:
        after: str | None = ""
        while after is not None:
            ask = StartEntrants(journey_id=self._start.journey_id, after=after)
            after = (await self._database(AudienceActivities.start_entrants, ask)).after

    async def _finish(self, plan: RunPlan, stop_reason: str | None) -> None:
        await self._database(ReviewingActivities.finish_run, FinishRun(run_id=plan.run_id, stop_reason=stop_reason))
        self._note(phase="done" if stop_reason is None else "stopped", stop_reason=stop_reason)

    async def _database(self, activity: Callable[[Any, AskT], Awaitable[ResultT]], ask: AskT) -> ResultT:
        return await workflow.execute_activity_method(
            activity, ask, task_queue=queues.MAIN, start_to_close_timeout=_PAGE, retry_policy=_DATABASE
        )

    def _note(self, **changes: object) -> None:
        self._now = self._now.model_copy(update=changes)


def _type_of(error: ActivityError) -> str:
    cause = error.cause
    return (cause.type or "unknown") if isinstance(cause, ApplicationError) else type(cause).__name__
