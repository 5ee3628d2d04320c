"""Every reason for which a stage that is due waits, and what lets it go on."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from models.enums import EnrollmentState, ExitReason, HoldReason, JourneyState, SendState, SkipReason, TemplateStatus
from models.orchestration import Approval
from models.tables import Number, Template
from sandbox.shopify.faults import Fault
from sandbox.whatsapp.faults import Refuse
from storage.stores import required_id
from tests.stack import HELLO, WABA, Stack, journey
from tests.workflows.conftest import MONDAY, OpenStack
from workflows.journey import JourneyWorkflow

PAUSED = {"template": "winback_paused", "language": "en", "variables": {"1": "you"}}
SOON = {"minutes": 1}


async def test_a_template_that_comes_back_releases_everybody_who_waits_for_it(stack: Stack) -> None:
    """Meta's word that the template is approved again sends what was held, without a poll in between."""
    definition = journey(("0d", PAUSED))
    enrollments = [await stack.begin(definition), await stack.begin(definition)]
    for one in enrollments:
        await stack.holds(one, HoldReason.TEMPLATE_HELD)
    await stack.advance(hours=5)
    assert stack.received() == []
    asked = stack.whatsapp.books.requests
    body = stack.whatsapp.set_template_status("winback_paused", "en", TemplateStatus.APPROVED, await stack.now())
    await stack.post(body)
    await stack.advance(**SOON)
    await stack.accepted(2)
    assert stack.whatsapp.books.requests == asked + 2


async def test_a_template_that_meta_holds_back_is_not_asked_for_again_by_others(stack: Stack) -> None:
    """The first refusal (132015) is remembered: the next customer waits without a request."""
    definition = journey()
    first = await stack.person()
    stack.whatsapp.faults.for_recipient(first.phone, Refuse(132015))
    one = await stack.begin(definition, first)
    await stack.holds(one, HoldReason.TEMPLATE_HELD)
    two = await stack.begin(definition)
    await stack.holds(two, HoldReason.TEMPLATE_HELD)
    assert stack.whatsapp.books.requests == 1
    await stack.check_health()
    await stack.advance(**SOON)
    await stack.accepted(2)
    (template,) = await stack.rows(Template, name="winback_hello", language="en")
    assert template.status is TemplateStatus.APPROVED


async def test_a_paused_number_holds_everybody_until_it_may_send_again(stack: Stack) -> None:
    """Spam reports (131048) stop the number, not one customer; its release sends what waited."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131048))
    enrollments = [await stack.begin(journey(), person)]
    await stack.holds(enrollments[0], HoldReason.SENDER_PAUSED)
    enrollments.append(await stack.begin())
    await stack.holds(enrollments[1], HoldReason.SENDER_PAUSED)
    assert stack.whatsapp.books.requests == 1
    async with stack.database.write() as session:
        number = await session.get(Number, stack.store.number.id)
        assert number is not None
        number.paused_reason = None
    await stack.check_health()
    await stack.advance(**SOON)
    await stack.accepted(2)


async def test_a_refused_credential_holds_until_it_works_again(stack: Stack) -> None:
    """A token that Meta refuses (190) stops sending; the health check that finds it well releases."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(190))
    enrollment = await stack.begin(journey(), person)
    await stack.holds(enrollment, HoldReason.CREDENTIAL)
    (number,) = await stack.rows(Number)
    assert not number.credential_ok
    await stack.check_health()
    await stack.advance(**SOON)
    await stack.accepted(1)


async def test_a_number_that_meta_slows_down_goes_on_a_day_later(stack: Stack) -> None:
    """131048 pauses the number for 24 hours; then the stage is tried again by itself, once."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131048))
    enrollment = await stack.begin(journey(), person)
    row = await stack.holds(enrollment, HoldReason.SENDER_PAUSED)
    assert row.due_at is not None
    await stack.advance(hours=23)
    assert stack.received() == []
    await stack.advance(hours=2)
    await stack.accepted(1)


@pytest.mark.parametrize("status", [401, 402], ids=["refused", "unpaid"])
async def test_a_shop_that_refuses_us_holds_until_it_answers_again(stack: Stack, status: int) -> None:
    """A revoked token or a frozen shop ends nobody's journey: who is due waits, and the health check releases them."""
    stack.shopify.faults.add(Fault(status=status))
    enrollment = await stack.begin()
    row = await stack.holds(enrollment, HoldReason.CREDENTIAL)
    assert row.hold_key is not None
    assert row.hold_key.startswith("shop:")
    assert stack.received() == []
    await stack.check_health()
    await stack.advance(**SOON)
    await stack.accepted(1)


async def test_a_paused_journey_waits_for_its_resumption_however_long(stack: Stack) -> None:
    """A pause is a person's decision: the hold clock of three days does not run for it."""
    enrollment = await stack.begin(journey(("0d", HELLO), ("1d", HELLO)))
    await stack.waits(enrollment, 1)
    await stack.set_journey(enrollment, JourneyState.PAUSED)
    await stack.advance(days=1)
    row = await stack.holds(enrollment, HoldReason.JOURNEY_PAUSED)
    await stack.advance(days=30)
    assert (await stack.enrollment(enrollment)).state is EnrollmentState.HOLDING
    assert len(stack.received()) == 1
    await stack.set_journey(enrollment, JourneyState.ACTIVE)
    await stack.release(row.hold_key or "")
    await stack.advance(**SOON)
    await stack.accepted(2)


async def test_a_reply_ends_a_hold_at_once(stack: Stack) -> None:
    """An exit event interrupts any wait, a hold too."""
    person = await stack.person()
    enrollment = await stack.begin(journey(("0d", PAUSED)), person)
    await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
    await stack.write(person, "Hello?")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED


async def test_a_message_that_is_late_for_closing_time_goes_next_morning(open_stack: OpenStack) -> None:
    """Due at 21:59 and delayed by the shop past 22:00, it is sent at 08:00 and not in the night."""
    async with open_stack(MONDAY.replace(hour=21, minute=50)) as stack:
        enrollment = await stack.begin(journey(("9m", HELLO), sending={"hours": "08:00-22:00"}))
        await stack.waits(enrollment, 0)
        stack.shopify.faults.add(Fault(status=503, times=8))
        await stack.advance(minutes=30)
        await stack.holds(enrollment, HoldReason.HOURS)
        await stack.advance_to(MONDAY.replace(day=8, hour=7, minute=59))
        assert stack.received() == []
        await stack.advance(minutes=1, seconds=1)
        await stack.accepted(1)
        assert stack.received()[0].at.hour == 8


async def test_a_stage_that_is_due_at_night_waits_for_the_opening(open_stack: OpenStack) -> None:
    """An entry at 23:00 is due when the hours open, and sent then."""
    async with open_stack(MONDAY.replace(hour=23)) as stack:
        enrollment = await stack.begin(journey(sending={"hours": "08:00-22:00"}))
        status = await stack.waits(enrollment, 0)
        assert status.due_at == MONDAY.replace(day=8, hour=8)
        await stack.advance_to(MONDAY.replace(day=8, hour=7, minute=59))
        assert stack.received() == []
        await stack.advance(minutes=1, seconds=1)
        await stack.accepted(1)


async def test_metas_limit_for_a_person_is_met_a_day_later_and_twice_at_most(stack: Stack) -> None:
    """Code 131049 puts the message off by a day; the third refusal skips the stage."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131049), times=3)
    enrollment = await stack.begin(journey(), person)
    for tries in (1, 2):
        row = await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
        assert row.due_at is not None
        assert timedelta(hours=23) < row.due_at - await stack.now() <= timedelta(hours=25)
        await stack.advance(hours=23)
        assert len(await stack.attempts(enrollment)) == tries
        await stack.advance(hours=2)
    await stack.waits(enrollment, 1)
    send = await stack.send(enrollment)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, SkipReason.META_DECLINED)
    assert len(await stack.attempts(enrollment)) == 3
    assert stack.received() == []


async def test_metas_limit_that_is_gone_after_a_day_lets_the_message_go(stack: Stack) -> None:
    """The second attempt is accepted, under an id of its own."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131049))
    enrollment = await stack.begin(journey(), person)
    await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
    await stack.advance(hours=26)
    await stack.accepted(1)
    assert [one.callback_data for one in stack.received()] == [f"{enrollment}:1:1:2"]


# --- approval and send_now -------------------------------------------------------------------------------------------


async def _approval(stack: Stack, enrollment: str) -> Approval:
    return Approval(draft_id=required_id((await stack.send(enrollment)).id))


async def test_an_approved_text_goes_as_it_was_read(stack: Stack) -> None:
    """The approval comes after hours: purchases are checked again, the text stays the one that was read."""
    person = await stack.person()
    enrollment = await stack.begin(journey(sending={"approval": "required", "approval_expires": "7d"}), person)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    before = await stack.send(enrollment)
    await stack.advance(days=5)
    assert (await stack.enrollment(enrollment)).hold_reason is HoldReason.APPROVAL
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, await _approval(stack, enrollment))
    await stack.accepted(1)
    after = await stack.send(enrollment)
    assert (after.parameters, after.drafted_at) == (before.parameters, before.drafted_at)
    assert after.checked_at is not None
    assert before.checked_at is not None
    assert after.checked_at > before.checked_at


async def test_a_purchase_while_a_text_waits_for_approval_is_found_at_the_approval(stack: Stack) -> None:
    """The check of days ago does not count: nothing is sent to somebody who has bought meanwhile."""
    person = await stack.person()
    enrollment = await stack.begin(journey(sending={"approval": "required"}), person)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    await stack.advance(days=1)
    await stack.buy(person, webhook=False)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, await _approval(stack, enrollment))
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    assert stack.received() == []


async def test_nothing_can_be_approved_that_does_not_wait_for_it(stack: Stack) -> None:
    """An update that fits nothing is refused, and the journey goes on as if nobody had asked."""
    enrollment = await stack.begin(journey(("1d", HELLO)))
    before = await stack.waits(enrollment, 0)
    for update in (JourneyWorkflow.approve, JourneyWorkflow.reject):
        with pytest.raises(WorkflowUpdateFailedError):
            await stack.handle(enrollment).execute_update(update, Approval(draft_id=1))
    assert await stack.status(enrollment) == before


async def test_staff_can_send_a_waiting_message_now(stack: Stack) -> None:
    """`send_now` ends the wait for the stage's time; a second one finds nothing that waits."""
    enrollment = await stack.begin(journey(("3d", HELLO)))
    await stack.waits(enrollment, 0)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.send_now)
    await stack.accepted(1)
    await stack.waits(enrollment, 1)
    with pytest.raises(WorkflowUpdateFailedError):
        await stack.handle(enrollment).execute_update(JourneyWorkflow.send_now)


async def test_sending_now_still_obeys_the_guards(open_stack: OpenStack) -> None:
    """At night a message that staff want to send now waits for the morning."""
    async with open_stack(MONDAY.replace(hour=23)) as stack:
        enrollment = await stack.begin(journey(("3d", HELLO), sending={"hours": "08:00-22:00"}))
        await stack.waits(enrollment, 0)
        await stack.handle(enrollment).execute_update(JourneyWorkflow.send_now)
        await stack.holds(enrollment, HoldReason.HOURS)
        await stack.advance_to(MONDAY.replace(day=8, hour=8, second=5))
        await stack.accepted(1)


async def test_a_journey_that_holds_polls_nothing(stack: Stack) -> None:
    """Thirty days of waiting for a template add neither a request nor an event to history."""
    enrollment = await stack.begin(journey(("0d", PAUSED), sending={"hold_for": "60d"}))
    row = await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
    assert row.hold_key == f"template:{WABA}:winback_paused:en"
    length = (await stack.handle(enrollment).describe()).history_length
    await stack.advance(days=30)
    assert (await stack.handle(enrollment).describe()).history_length == length
    assert stack.whatsapp.books.requests == 0
