"""Opening a stage again whose message Meta took and then reported as failed.

Some answers come by status alone: that the window was closed, that Meta limits what this person gets. The stage is
then not done, and what the table says of the code follows in it, as if the answer had come at once.
"""

from temporalio import activity

from activities.outcomes import finished_send
from activities.prepare import notice_of
from activities.reactions import Refusal, react
from activities.services import Services, started_at
from models.enums import AttemptStatus, SendState
from models.orchestration import StageRef, StageResult, StageStep
from models.tables import Send, SendAttempt
from policies.whatsapp_reactions import may_follow, reaction_for
from storage.enrollments import set_waiting
from storage.sends import all_failed, latest_attempt, reopen
from storage.stages import locked_stage


class ReopenActivities:
    """What JourneyWorkflow asks when a status tells that its last message failed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def reopen_stage(self, ask: StageRef) -> StageResult:
        """What follows in the stage now; its old end where nothing has to follow. Safe to repeat."""
        now = started_at()
        async with self._services.database.write() as session:
            scene = await locked_stage(session, ask.enrollment_id, ask.stage, ask.occurrence)
            facts, send = scene.enrollment, scene.send
            if send is None:
                return StageResult(step=StageStep.STALE)
            notice = notice_of(facts, scene.exit_event, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            attempt = await latest_attempt(session, send)
            if attempt is None or not has_failed_since(send, attempt) or not await all_failed(session, send):
                return finished_send(facts, ask.stage, send, now=now)
            reopen(send)
            stages = len(facts.definition.stages)
            set_waiting(facts.enrollment, stage=ask.stage, due_at=now, stages=stages)
            return await react(session, facts, send, told_by_status(attempt), now=now)


def told_by_status(attempt: SendAttempt) -> Refusal:
    """What to do about a failure that a status has told."""
    reaction = reaction_for(attempt.error_code, None, 0, is_transient=False)
    return Refusal(reaction, attempt.error_code, attempt.used_template, told_by_status=True)


def has_failed_since(send: Send, attempt: SendAttempt) -> bool:
    """Whether the send's newest attempt failed after it was taken, and no attempt ever arrived."""
    taken = send.state is SendState.ACCEPTED or (send.state is SendState.FAILED and send.settled_at is None)
    failed = attempt.status is AttemptStatus.FAILED and attempt.settled_by is None
    return taken and failed and send.received_at is None and may_follow(told_by_status(attempt).reaction)
