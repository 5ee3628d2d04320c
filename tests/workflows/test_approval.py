"""Messages that wait for a person: what a yes means, how long it is waited for, and what a person may say instead."""

import json
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.rewriting import STAFF, TextRefusedError
from gateway.decisions import Desk, HasChangedError, NoAnswerError, NotWaitingError, Wanted
from models.enums import ExitReason, HoldReason, SendState, SkipReason
from models.orchestration import Approval
from models.tables import CouponIssue, ModelCall, Send
from storage.sends import Draft, save_draft
from storage.stores import required_id
from tests.quiet_chats import NOTE, begin, follow_up, quiet
from tests.stack import HELLO, Stack, journey
from tests.workflows.conftest import MONDAY, OpenStack
from workflows.journey import JourneyWorkflow

REQUIRED = {"approval": "required"}
WRITTEN = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}
OURS = "Your blue scarf is back, and we kept one for you. Shall we send it?"


def desk(stack: Stack) -> Desk:
    """Where the stack's store decides."""
    return Desk(stack.database, stack.client, stack.store.id, stack.clock)


async def waiting(stack: Stack, *stages: tuple[str, Any], **sending: Any) -> tuple[str, Wanted]:
    """An enrollment whose message waits for a person, and the message with its text."""
    enrollment = await stack.begin(journey(*stages, sending=REQUIRED | sending))
    return enrollment, await asked(stack, enrollment)


async def asked(stack: Stack, enrollment: str) -> Wanted:
    """What a person is asked about: the message with the text that waits."""
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment)
    return Wanted(required_id(send.id), send.revision)


async def test_a_message_that_nobody_approves_is_passed_over(stack: Stack) -> None:
    """After `approval_expires` the stage is skipped, a late yes is refused, and the journey goes on."""
    enrollment, wanted = await waiting(stack, ("0d", HELLO), ("1d", HELLO), approval_expires="24h")
    row = await stack.enrollment(enrollment)
    assert row.due_at is not None
    assert timedelta(hours=23) < row.due_at - await stack.now() <= timedelta(hours=24)
    await stack.advance(hours=23)
    assert (await stack.enrollment(enrollment)).hold_reason is HoldReason.APPROVAL
    await stack.advance(hours=2)
    await stack.waits(enrollment, 1)
    send = await stack.send(enrollment)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, SkipReason.HOLD_EXPIRED)
    with pytest.raises(NotWaitingError):
        await desk(stack).approve(wanted)
    with pytest.raises(WorkflowUpdateFailedError):
        await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, Approval(draft_id=wanted.send_id))
    await stack.advance(days=1)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    assert stack.received() == []


async def test_a_journey_may_end_when_nobody_approves(stack: Stack) -> None:
    """With `on_expire: exit` the passage is over, with that reason on record; three days are the default."""
    enrollment, _ = await waiting(stack, on_expire="exit")
    await stack.advance(days=2, hours=23)
    assert (await stack.enrollment(enrollment)).hold_reason is HoldReason.APPROVAL
    await stack.advance(hours=2)
    assert await stack.ends(enrollment) is ExitReason.HOLD_EXPIRED
    assert stack.received() == []


async def test_an_order_while_a_text_waits_ends_the_journey(stack: Stack) -> None:
    """The webhook of a purchase interrupts the wait for a person too; nothing can be approved after it."""
    person = await stack.person()
    enrollment = await stack.begin(journey(sending=REQUIRED), person)
    wanted = await asked(stack, enrollment)
    await stack.advance(hours=1)
    await stack.buy(person)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    with pytest.raises(NotWaitingError):
        await desk(stack).approve(wanted)
    assert stack.received() == []


async def test_a_message_approved_at_night_goes_in_the_morning_unasked(open_stack: OpenStack) -> None:
    """The hours are asked again after a yes; the same yes and the same text serve at the opening."""
    async with open_stack(MONDAY.replace(hour=21, minute=30)) as stack:
        enrollment, wanted = await waiting(stack, ("0d", WRITTEN), hours="08:00-22:00")
        await stack.advance(hours=2)
        await desk(stack).approve(wanted)
        await stack.holds(enrollment, HoldReason.HOURS)
        await stack.advance_to(MONDAY.replace(day=8, hour=7, minute=59))
        assert stack.received() == []
        await stack.advance(minutes=1, seconds=1)
        await stack.accepted(1)
        assert (await stack.send(enrollment)).revision == wanted.revision
        assert len(await stack.rows(ModelCall)) == 1
        assert ("approved", "approved") in await stack.story(enrollment)


async def test_only_the_text_that_was_read_is_approved(stack: Stack) -> None:
    """A text that was written anew meanwhile is not sent by an older yes, whichever way that yes takes."""
    enrollment, wanted = await waiting(stack)
    await _write_anew(stack, wanted.send_id)
    with pytest.raises(HasChangedError, match=f"{wanted.send_id}.2"):
        await desk(stack).approve(wanted)
    # A yes that was on its way while the text changed reaches the workflow, and the claim finds out.
    old = Approval(draft_id=wanted.send_id, revision=wanted.revision)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, old)
    assert await asked(stack, enrollment) == Wanted(wanted.send_id, 2)
    assert stack.received() == []
    await desk(stack).approve(Wanted(wanted.send_id, 2))
    await stack.accepted(1)
    assert "another" in stack.received()[0].rendered


async def _write_anew(stack: Stack, send_id: int) -> None:
    async with stack.database.write() as session:
        send = await session.get_one(Send, send_id)
        save_draft(send, Draft("winback_hello", "en", {"1": "another"}, written_by="template"), now=await stack.now())


async def test_a_text_that_is_old_at_the_yes_is_compared_too(stack: Stack) -> None:
    """After a quarter of an hour the stage is prepared again: an older yes is found out there, and asked again."""
    enrollment, wanted = await waiting(stack)
    await stack.advance(hours=1)
    await _write_anew(stack, wanted.send_id)
    old = Approval(draft_id=wanted.send_id, revision=wanted.revision)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, old)
    assert await asked(stack, enrollment) == Wanted(wanted.send_id, 2)
    assert stack.received() == []


# --- a text of one's own ---------------------------------------------------------------------------------------------


async def test_staff_can_say_something_else_in_the_template(stack: Stack) -> None:
    """Outside the window the template carries the new text; Temporal hears of ids only."""
    enrollment, wanted = await waiting(stack, ("0d", WRITTEN))
    decided = await desk(stack).approve(wanted, text=f"  {OURS} ")
    assert decided.revision == wanted.revision + 1 if wanted.revision is not None else False
    await stack.accepted(1)
    assert OURS in stack.received()[0].rendered
    send = await stack.send(enrollment)
    assert (send.written_by, send.parameters) == (STAFF, {"1": OURS})
    assert ("approved", "approved_with_another_text") in await stack.story(enrollment)
    history = (await stack.handle(enrollment).fetch_history()).to_json()
    assert "scarf" not in json.dumps(history)


async def test_a_text_of_staffs_is_held_to_what_a_models_is(stack: Stack) -> None:
    """All that is wrong is told at once, nothing is stored, and the message goes on waiting as it was."""
    enrollment, wanted = await waiting(stack, ("0d", WRITTEN))
    before = await stack.send(enrollment)
    with pytest.raises(TextRefusedError) as refused:
        await desk(stack).approve(wanted, text="Use SAVE4711,\nsee www.elsewhere.example, {name}" + "!" * 500)
    full = " ".join(fault.full for fault in refused.value.faults)
    for word in ("500 are allowed", "line break", "SAVE4711", "www.elsewhere.example", "{name}"):
        assert word in full
    assert not any("SAVE4711" in fault.unquoted or "elsewhere" in fault.unquoted for fault in refused.value.faults)
    assert await stack.send(enrollment) == before
    await desk(stack).approve(wanted)
    await stack.accepted(1)


async def test_a_template_without_a_place_for_it_takes_no_text(stack: Stack) -> None:
    """Its words are fixed at Meta: approve it as it is, or reject it."""
    _, wanted = await waiting(stack)
    with pytest.raises(TextRefusedError) as refused:
        await desk(stack).approve(wanted, text=OURS)
    assert "fixed at Meta" in refused.value.faults[0].full


async def test_a_repeated_decision_with_the_same_text_finds_it_there(stack: Stack) -> None:
    """The answer was lost after the text was stored: asking again for the old one stores nothing new."""
    _, wanted = await waiting(stack, ("0d", WRITTEN))
    away = Desk(stack.database, None, stack.store.id, stack.clock)
    with pytest.raises(NoAnswerError):
        await away.approve(wanted, text=OURS)
    decided = await desk(stack).approve(Wanted(wanted.send_id), text=OURS)
    assert decided.revision == 2
    await stack.accepted(1)


async def test_an_approved_text_goes_in_the_template_once_the_window_is_closed(stack: Stack) -> None:
    """It was read as free text; a day later the template carries the very same words."""
    enrollment, wanted = await _quoted(stack, WRITTEN | {"template": NOTE})
    text = (await stack.send(enrollment)).free_text
    await stack.advance(hours=30)
    await desk(stack).approve(wanted)
    await stack.accepted(1)
    (sent,) = stack.received()
    assert sent.kind == "template"
    assert text is not None
    assert text in sent.rendered


async def test_an_approved_text_without_a_template_is_skipped_once_the_window_is_closed(stack: Stack) -> None:
    """Free text cannot go any more, however often it was approved; nobody can write one then either."""
    enrollment, wanted = await _quoted(stack, {"text": "Still interested?"})
    await stack.advance(hours=30)
    with pytest.raises(TextRefusedError) as refused:
        await desk(stack).approve(wanted, text=OURS)
    assert "window has closed" in refused.value.faults[0].full
    await desk(stack).approve(wanted)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.WINDOW_CLOSED
    assert stack.received() == []


async def test_a_text_of_staffs_is_not_replaced_by_a_template_that_says_something_else(stack: Stack) -> None:
    """What goes is what was written, or nothing: the template with other words stays behind."""
    template = {"name": "winback_hello", "language": "en", "variables": {"1": "friend"}}
    enrollment, wanted = await _quoted(stack, {"text": "Still interested?", "template": template})
    assert (await stack.send(enrollment)).template_name == "winback_hello"
    await desk(stack).approve(wanted, text=OURS)
    await stack.accepted(1)
    assert [one.rendered for one in stack.received()] == [OURS]
    assert (await stack.send(enrollment)).template_name is None


async def _quoted(stack: Stack, message: dict[str, Any]) -> tuple[str, Wanted]:
    person = await stack.person()
    await quiet(stack, person)
    await stack.advance(hours=2)
    definition = follow_up(("2h", message), ("2h", message), sending=REQUIRED)
    enrollment = await begin(stack, definition, person)
    return enrollment, await asked(stack, enrollment)


# --- what ran out meanwhile ------------------------------------------------------------------------------------------

COUPON = {"percent": 10, "prefix": "BACK", "valid_days": 2}


async def test_an_approved_message_with_a_code_that_has_run_out_is_not_sent(stack: Stack) -> None:
    """Nobody gets a code that does not work any more; without it the message lacks something, and is passed over."""
    message = {
        "template": "winback_coupon",
        "language": "en",
        "variables": {"1": "friend", "2": "{coupon.code}"},
    }
    definition = journey(("0d", message), ("9d", HELLO), sending=REQUIRED, coupon=COUPON)
    enrollment = await stack.begin(definition)
    wanted = await asked(stack, enrollment)
    await stack.advance(days=2, hours=1)
    await desk(stack).approve(wanted)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.VARIABLE_MISSING
    assert stack.received() == []
    assert len(await stack.rows(CouponIssue)) == 1


async def test_a_written_message_whose_code_has_run_out_is_written_anew_and_asked_about(stack: Stack) -> None:
    """The model writes again without the code, and the new text waits for a yes of its own."""
    enrollment = await stack.begin(journey(("0d", WRITTEN), sending=REQUIRED, coupon=COUPON))
    wanted = await asked(stack, enrollment)
    assert (await stack.send(enrollment)).coupon_code is not None
    await stack.advance(days=2, hours=1)
    await desk(stack).approve(wanted)
    renewed = await asked(stack, enrollment)
    assert renewed.revision != wanted.revision
    assert (await stack.send(enrollment)).coupon_code is None
    assert stack.received() == []
    await desk(stack).approve(renewed)
    await stack.accepted(1)
