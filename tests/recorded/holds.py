"""Histories of stages that wait: for a release, for a person, for a window."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from unittest import mock

from composition import system_clock
from models.enums import EnrollmentState, ExitReason, HoldReason, SkipReason, TemplateStatus
from models.orchestration import Approval
from models.tables import Send
from storage.sends import Draft, save_draft
from storage.stores import required_id
from tests.recorded.pace import SOON, hurried
from tests.stack import HELLO, Stack, journey
from workflows.journey import JourneyWorkflow

_PAUSED = {"template": "winback_paused", "language": "en", "variables": {"1": "you"}}


async def _hold_released(stack: Stack) -> str:
    enrollment = await stack.begin(journey(("0d", _PAUSED), ("3d", HELLO)))
    await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
    await stack.post(
        stack.whatsapp.set_template_status("winback_paused", "en", TemplateStatus.APPROVED, system_clock())
    )
    await stack.until(lambda: _accepted_one(stack), within=60)
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _accepted_one(stack: Stack) -> bool:
    return bool(stack.received())


async def _hold_expired(stack: Stack) -> str:
    with (
        mock.patch("activities.journey._length", return_value=timedelta(seconds=1)),
        mock.patch("activities.outcomes.due_after", hurried),
    ):
        enrollment = await stack.begin(journey(("0d", _PAUSED), ("1d", HELLO)))
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _approved(stack: Stack) -> str:
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, Approval(draft_id=required_id(send.id)))
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _approval_expired(stack: Stack) -> str:
    """Nobody decides: the first stage is passed over, and the second one's approval comes in time."""
    soon = mock.patch("activities.journey.add_span", lambda at, *_: at + SOON)
    with mock.patch("activities.outcomes.due_after", hurried):
        with soon:
            enrollment = await stack.begin(journey(("0d", HELLO), ("1d", HELLO), sending={"approval": "required"}))
            await stack.until(lambda: _is_skipped(stack))
        await approve(stack, enrollment, 1)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _is_skipped(stack: Stack) -> bool:
    return any(one.skip_reason is SkipReason.HOLD_EXPIRED for one in await stack.rows(Send))


async def approve(stack: Stack, enrollment: str, stage: int) -> None:
    """A person agrees to the text that waits for it."""
    await stack.reaches(enrollment, EnrollmentState.HOLDING, stage)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment, stage)
    approval = Approval(draft_id=required_id(send.id), revision=send.revision)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, approval, id=f"approve-{send.revision}")


async def _approved_anew(stack: Stack) -> str:
    """The text was written anew while a yes to the older one was on its way: somebody is asked again."""
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment)
    async with stack.database.write() as session:
        draft = Draft("winback_hello", "en", {"1": "another"})
        save_draft(await session.get_one(Send, send.id), draft, now=system_clock())
    old = Approval(draft_id=required_id(send.id), revision=send.revision)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, old)
    await stack.until(lambda: _is_asked_again(stack, enrollment))
    await approve(stack, enrollment, 0)
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _is_asked_again(stack: Stack, enrollment: str) -> bool:
    """Whether the claim that finds the newer text is over."""
    history = await stack.handle(enrollment).fetch_history()
    claimed = [one for one in history.events if one.HasField("activity_task_completed_event_attributes")]
    return any(b"unapproved" in one.SerializeToString() for one in claimed)


async def _send_out_of_time(stack: Stack) -> str:
    """WhatsApp cannot be reached until there is no time left for a further try: nothing was sent, so it goes later."""
    soon = mock.patch("activities.prepare.window_end", lambda *asked: asked[-1] + SOON)
    stack.line.refusals = 100
    with soon:
        enrollment = await stack.begin(journey())
        await stack.until(lambda: _is_out_of_time(stack, enrollment), within=60)
        stack.line.refusals = 0
        await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _is_out_of_time(stack: Stack, enrollment: str) -> bool:
    history = await stack.handle(enrollment).fetch_history()
    return any(one.HasField("activity_task_failed_event_attributes") for one in history.events)


async def _rejected(stack: Stack) -> str:
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.reject, Approval(draft_id=1))
    assert await stack.ends(enrollment) is ExitReason.REJECTED
    return enrollment


PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    "journey-hold-released": _hold_released,
    "journey-hold-expired": _hold_expired,
    "journey-approved": _approved,
    "journey-rejected": _rejected,
    "journey-approval-expired": _approval_expired,
    "journey-approved-anew": _approved_anew,
    "journey-send-out-of-time": _send_out_of_time,
}
"""By the name of the file that keeps the history."""
