"""JourneyWorkflow: one customer's passage through one journey version, from the first wait to the recorded reason.

The database knows what is true; this workflow knows what comes next. It holds no personal data, reads no clock but
its own, and computes no calendar: every activity that ends a stage answers with the moment at which the next is due.
"""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, RetryState
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from activities import queues
from activities.compose import ComposeActivities
from activities.journey import JourneyActivities
from activities.prepare import PrepareActivities
from activities.reopen import ReopenActivities
from activities.search_attributes import CLOSED, EXIT_REASON, STATE
from activities.send import SendActivities
from models.enums import EnrollmentState, ExitReason, HoldReason, SkipReason
from models.orchestration import (
    Conclude,
    Concluded,
    ExitNotice,
    JourneyInput,
    LoadPlan,
    Plan,
    SkipStage,
    StageRef,
    StageResult,
    StageStep,
    Waiting,
)
from workflows.journey_inbox import JourneyInbox

AskT = TypeVar("AskT", bound=BaseModel)
ResultT = TypeVar("ResultT")

_FRESH = timedelta(minutes=15)
_DATABASE = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
_PROVIDER = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
_QUICK = timedelta(seconds=30)
_CALL = timedelta(minutes=2)
_LAST_CHECK = timedelta(hours=6)
_SHORTEST_HOLD = timedelta(minutes=1)


class _Ended(Exception):  # noqa: N818 - it is how the journey's end travels up, not an error
    """The journey is over for the reason given."""

    def __init__(self, notice: ExitNotice) -> None:
        self.notice = notice


@workflow.defn
class JourneyWorkflow(JourneyInbox):
    """One enrollment. Its id is the enrollment's id."""

    @workflow.init
    def __init__(self, start: JourneyInput) -> None:
        super().__init__()
        self._id = start.enrollment_id
        self._stale = 0

    @workflow.run
    async def run(self, start: JourneyInput) -> Concluded:
        """Wait, check, write, send, and watch, until the plan is through or something ends it."""
        try:
            plan = await self._load_plan(start)
            due_at = plan.due_at
            for stage in range(len(plan.stages)):
                due_at = await self._run_stage(plan, stage, due_at)
            await self._watch(plan, len(plan.stages), due_at)
            concluded = await self._check_and_conclude(plan)
        except _Ended as end:
            concluded = await self._conclude(end.notice)
        except (ActivityError, ApplicationError) as error:
            # What retries cannot mend (a refused request, a bug) must not leave a customer in an endless journey.
            workflow.logger.error("the journey failed: %s", _failure_type(error))
            concluded = await self._conclude(ExitNotice(reason=ExitReason.FAILED, at=workflow.now()))
        self._state = EnrollmentState.CLOSED
        self._due_at = self._hold = None
        workflow.upsert_search_attributes([STATE.value_set(CLOSED), EXIT_REASON.value_set(concluded.reason.value)])
        return concluded

    # --- the stages --------------------------------------------------------------------------------------------------

    async def _run_stage(self, plan: Plan, stage: int, due_at: datetime, *, again: bool = False) -> datetime:
        """One stage from its wait to its end; returns when the next one is due.

        `again`: its message was taken and has failed since. What was approved then is not asked for once more.
        """
        self._stage = stage
        await self._wait_for_stage(plan, stage, due_at)
        self._approved = again and plan.approval
        patience = plan.hold_for
        ready: StageResult | None = None
        prepared_at = workflow.now()
        self._stale = 0
        while True:
            if ready is None or workflow.now() - prepared_at > _FRESH:
                prepared_at = workflow.now()
                ready = await self._prepare(plan, self._ref(stage))
            if ready.step is StageStep.READY and plan.approval and not self._approved:
                if not await self._is_approved(stage):
                    return await self._give_up(plan, stage)
                continue
            if ready.step is StageStep.READY:
                result = await self._send(plan, self._ref(stage), ready)
                if result.step is StageStep.UNKNOWN:
                    result = await self._wait_for_outcome(plan, self._ref(stage))
            else:
                result, ready = ready, None
            match result.step:
                case StageStep.HOLD:
                    waited = await self._hold_stage(result, patience)
                    patience -= waited if result.technical else timedelta(0)
                    if patience <= timedelta(0):
                        return await self._give_up(plan, stage)
                case StageStep.STALE:
                    ready = None
                    self._stale += 1
                case StageStep.UNAPPROVED:
                    self._approved = False
                case StageStep.LATER:
                    ready = None
                    await self._wait_for_stage(plan, stage, self._next_due(result))
                case _:
                    return self._next_due(result)

    def _ref(self, stage: int) -> StageRef:
        return StageRef(
            enrollment_id=self._id,
            stage=stage,
            # Behind a queue that is slower than a text grows old, writing it again each time would never end.
            keep_text=self._approved or self._stale > 1,
            at_once=self._send_now,
            revision=self._revision if self._approved else None,
        )

    async def _prepare(self, plan: Plan, ref: StageRef) -> StageResult:
        result = await self._interruptible(PrepareActivities.prepare_stage, ref, queue=plan.shop_queue, retry=_PROVIDER)
        if result.step in (StageStep.COMPOSE, StageStep.UNAPPROVED):
            # What will be said is not what was approved: a code in it has run out, say.
            self._approved = False
        if result.step is StageStep.UNAPPROVED:
            return result.model_copy(update={"step": StageStep.READY})
        if result.step is StageStep.COMPOSE:
            result = await self._interruptible(ComposeActivities.compose_stage, ref, queue=queues.LLM, retry=_PROVIDER)
        return result

    async def _send(self, plan: Plan, ref: StageRef, ready: StageResult) -> StageResult:
        """The claim must happen before the sending window ends; later the guard would say so, but a queue would not."""
        left = ready.closes_at - workflow.now() if ready.closes_at is not None else None
        try:
            return await self._interruptible(
                SendActivities.send_message,
                ref,
                queue=plan.whatsapp_queue,
                retry=_PROVIDER,
                give_up_after=max(left, _QUICK) if left is not None else None,
            )
        except ActivityError as error:
            if _timed_out(error):
                # The window closed while it queued, or its worker died: ask the database what is known.
                return StageResult(step=StageStep.UNKNOWN)
            raise

    async def _wait_for_outcome(self, plan: Plan, ref: StageRef) -> StageResult:
        """Nobody knows whether the message left: a status with our callback data tells, or time runs out."""
        self._state, self._hold = EnrollmentState.HOLDING, HoldReason.SEND_UNKNOWN
        await self._until(lambda: self._settled, plan.unknown_wait)
        self._settled = False
        self._state, self._hold = EnrollmentState.SENDING, None
        return await self._interruptible(SendActivities.settle_unknown, ref, queue=plan.whatsapp_queue, retry=_PROVIDER)

    async def _hold_stage(self, held: StageResult, patience: timedelta) -> timedelta:
        """Wait for the hold's end, its release, or the end of patience; returns how long it took."""
        began = workflow.now()
        self._state, self._hold, self._due_at = EnrollmentState.HOLDING, held.hold_reason, held.hold_until
        # Never at once: a moment that has passed would have the stage tried again without a pause.
        left = max(held.hold_until - began, _SHORTEST_HOLD) if held.hold_until is not None else None
        if held.technical:
            left = patience if left is None else min(left, patience)
        await self._until(lambda: self._released, left)
        self._released = False
        self._state, self._hold = EnrollmentState.SENDING, None
        return workflow.now() - began

    async def _is_approved(self, stage: int) -> bool:
        """Wait for a person's decision about the text; False when none came in time."""
        self._state, self._hold, self._due_at = EnrollmentState.HOLDING, HoldReason.APPROVAL, None
        awaited = await self._database(
            JourneyActivities.wait_for_person,
            Waiting(enrollment_id=self._id, stage=stage, reason=HoldReason.APPROVAL),
        )
        self._due_at = awaited.until if awaited is not None else None
        left = max(self._due_at - workflow.now(), timedelta(0)) if self._due_at is not None else None
        await self._until(lambda: self._approved, left)
        self._state, self._hold = EnrollmentState.SENDING, None
        return self._approved

    async def _give_up(self, plan: Plan, stage: int) -> datetime:
        """The hold clock ran out."""
        if plan.on_expire == "exit":
            raise _Ended(ExitNotice(reason=ExitReason.HOLD_EXPIRED, at=workflow.now()))
        skipped = await self._database(
            JourneyActivities.skip_stage,
            SkipStage(enrollment_id=self._id, stage=stage, reason=SkipReason.HOLD_EXPIRED),
        )
        return self._next_due(skipped)

    def _next_due(self, result: StageResult) -> datetime:
        if result.exit is not None:
            raise _Ended(result.exit)
        if result.due_at is None:
            msg = f"a stage ended as {result.step} without saying what is next"
            raise ApplicationError(msg, non_retryable=True)
        return result.due_at

    async def _send_again(self, plan: Plan, stage: int) -> datetime:
        """A status tells that the last message failed after it was taken: its stage is gone through again.

        Only from the wait after it: a journey that is further on leaves it at that.
        """
        self._failed_stage = None
        result = await self._database(ReopenActivities.reopen_stage, StageRef(enrollment_id=self._id, stage=stage))
        match result.step:
            case StageStep.HOLD:
                self._stage = stage
                waited = await self._hold_stage(result, plan.hold_for)
                if result.technical and waited >= plan.hold_for:
                    return await self._give_up(plan, stage)
            case StageStep.STALE:
                pass
            case _:
                return self._next_due(result)
        return await self._run_stage(plan, stage, workflow.now(), again=True)

    async def _watch(self, plan: Plan, stage: int, until: datetime) -> None:
        while True:
            self._stage, self._state = stage, EnrollmentState.WATCHING
            await self._wait(until, or_when=lambda: self._failed_stage == stage - 1)
            if self._failed_stage != stage - 1:
                return
            until = await self._send_again(plan, stage - 1)

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def _wait_for_stage(self, plan: Plan, stage: int, due_at: datetime) -> None:
        """Wait until the stage is due; what was approved before is of another moment."""
        while True:
            self._stage, self._state = stage, EnrollmentState.WAITING
            self._approved = self._send_now = False
            await self._wait(due_at, or_when=lambda: self._send_now or self._failed_stage == stage - 1)
            if self._failed_stage != stage - 1:
                break
            due_at = await self._send_again(plan, stage - 1)
        self._state = EnrollmentState.SENDING

    async def _wait(self, until: datetime, *, or_when: Callable[[], bool]) -> None:
        self._due_at = until
        left = until - workflow.now()
        # A timer stands in history or does not: the branch depends on recorded values only, so it replays alike.
        if left > timedelta(0):
            await self._until(or_when, left)
        self._raise_exit()

    async def _until(self, condition: Callable[[], bool], longest: timedelta | None) -> None:
        """One timer and one condition; an exit event ends it at once."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._exit is not None or condition(), timeout=longest)
        self._raise_exit()

    def _raise_exit(self) -> None:
        if self._exit is not None:
            raise _Ended(self._exit)

    # --- activities --------------------------------------------------------------------------------------------------

    async def _load_plan(self, start: JourneyInput) -> Plan:
        plan = await workflow.execute_local_activity_method(
            JourneyActivities.load_plan,
            LoadPlan(enrollment_id=start.enrollment_id, now=workflow.now()),
            start_to_close_timeout=_QUICK,
            retry_policy=_DATABASE,
        )
        if self._exit is None:
            self._exit = plan.exit
        self._raise_exit()
        return plan

    async def _interruptible(
        self,
        activity: Callable[[Any, AskT], Awaitable[ResultT]],
        ask: AskT,
        *,
        queue: str,
        retry: RetryPolicy,
        give_up_after: timedelta | None = None,
    ) -> ResultT:
        """Run an activity, but not longer than the journey lives.

        It is left to itself when an exit event comes: what it still does it does under the customer's lock, where it
        finds the event. Its own record of a message that had left already is kept.
        """
        handle = workflow.start_activity_method(
            activity,
            ask,
            task_queue=queue,
            start_to_close_timeout=_CALL,
            schedule_to_close_timeout=give_up_after,
            retry_policy=retry,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        )
        await workflow.wait_condition(lambda: self._exit is not None or handle.done())
        if not handle.done():
            handle.cancel()
        self._raise_exit()
        return await handle

    async def _database(self, activity: Callable[[Any, AskT], Awaitable[ResultT]], ask: AskT) -> ResultT:
        return await workflow.execute_activity_method(
            activity, ask, start_to_close_timeout=_QUICK, retry_policy=_DATABASE
        )

    async def _check_and_conclude(self, plan: Plan) -> Concluded:
        ask = Conclude(enrollment_id=self._id, reason=ExitReason.COMPLETED)
        try:
            return await self._interruptible(
                PrepareActivities.check_and_conclude,
                ask,
                queue=plan.shop_queue,
                retry=_PROVIDER,
                give_up_after=_LAST_CHECK,
            )
        except ActivityError:
            # The shop cannot be asked. What it told us by webhook is in the database and has the last word.
            return await self._conclude(ExitNotice(reason=ExitReason.COMPLETED, at=workflow.now()))

    async def _conclude(self, notice: ExitNotice) -> Concluded:
        return await self._database(
            JourneyActivities.conclude,
            Conclude(enrollment_id=self._id, reason=notice.reason, event_id=notice.event_id),
        )


def _timed_out(error: ActivityError) -> bool:
    """Whether the time was over; also when the last answer said "try again", and there was none left for that."""
    if isinstance(error.cause, TemporalTimeoutError):
        return True
    return error.retry_state is RetryState.TIMEOUT and workflow.patched("send-out-of-time")


def _failure_type(error: ActivityError | ApplicationError) -> str:
    if isinstance(error, ApplicationError):
        return error.type or "unknown"
    return error.cause.type or "unknown" if isinstance(error.cause, ApplicationError) else type(error.cause).__name__
