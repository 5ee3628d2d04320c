"""What a journey hears and answers: its signals, updates and query, and the state that they change.

Handlers only change state and never wait, so the server cannot close a workflow over one that it has not run; the
first exit event wins and later ones are counted. `workflows.journey` decides what follows.
"""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from models.enums import EnrollmentState, ExitReason, HoldReason
from models.orchestration import Approval, AttemptSettled, ExitNotice, JourneyStatus, Released


class JourneyInbox:
    """The journey's state as the outside world can see and change it."""

    def __init__(self) -> None:
        self._exit: ExitNotice | None = None
        self._after_exit = 0
        self._state = EnrollmentState.STARTING
        self._stage = 0
        self._due_at: datetime | None = None
        self._hold: HoldReason | None = None
        self._released = False
        self._settled = False
        self._failed_stage: int | None = None
        self._send_now = False
        self._approved = False
        self._revision: int | None = None

    def _hear(self, notice: ExitNotice) -> None:
        if self._exit is None:
            self._exit = notice
        elif notice.event_id is None or notice.event_id != self._exit.event_id:
            self._after_exit += 1

    @workflow.signal
    def customer_replied(self, notice: ExitNotice) -> None:
        """The customer wrote."""
        self._hear(notice)

    @workflow.signal
    def order_placed(self, notice: ExitNotice) -> None:
        """The customer bought."""
        self._hear(notice)

    @workflow.signal
    def unsubscribed(self, notice: ExitNotice) -> None:
        """The customer asked to be left alone."""
        self._hear(notice)

    @workflow.signal
    def priority_journey_entered(self, notice: ExitNotice) -> None:
        """A journey of higher priority took the customer over."""
        self._hear(notice)

    @workflow.signal
    def conversation_changed(self, notice: ExitNotice) -> None:
        """The conversation was closed or moved out of the journey's column."""
        self._hear(notice)

    @workflow.signal
    def stop(self, notice: ExitNotice) -> None:
        """Staff, or the end of the journey itself, ended it; or the customer cannot be reached."""
        self._hear(notice)

    @workflow.signal
    def released(self, release: Released) -> None:  # noqa: ARG002 - the key tells people, not the workflow, why
        """What a hold waited for has come."""
        self._released = True

    @workflow.signal
    def attempt_settled(self, settled: AttemptSettled) -> None:
        """A status has settled the attempt whose outcome was unknown, or tells that one failed that was taken."""
        # An older worker took every such signal for the first.
        if settled.failed and workflow.patched("failed-after-acceptance"):
            self._failed_stage = settled.stage
        else:
            self._settled = True

    @workflow.update
    def approve(self, approval: Approval) -> None:
        """Send the text that waits."""
        self._approved, self._revision = True, approval.revision

    @approve.validator
    def _may_approve(self, approval: Approval) -> None:  # noqa: ARG002 - a validator has its update's arguments
        if self._hold is not HoldReason.APPROVAL:
            raise ApplicationError("no message of this journey waits for approval", type="NotWaiting")

    @workflow.update
    def reject(self, approval: Approval) -> None:  # noqa: ARG002 - it is in history for whoever asks who said no
        """End the journey instead of sending the text that waits."""
        self._hear(ExitNotice(reason=ExitReason.REJECTED, at=workflow.now()))

    @reject.validator
    def _may_reject(self, approval: Approval) -> None:
        self._may_approve(approval)

    @workflow.update
    def send_now(self) -> None:
        """Do not wait for the stage's time; its guards still apply."""
        self._send_now = True

    @send_now.validator
    def _may_send_now(self) -> None:
        if self._state is not EnrollmentState.WAITING:
            raise ApplicationError("no message of this journey waits for its time", type="NotWaiting")

    @workflow.query
    def status(self) -> JourneyStatus:
        """Where the journey stands by its own account; support reads the database, which says more."""
        return JourneyStatus(
            state=self._state,
            stage=self._stage,
            due_at=self._due_at,
            hold_reason=self._hold,
            exit_reason=self._exit.reason if self._exit is not None else None,
            events_after_exit=self._after_exit,
        )
