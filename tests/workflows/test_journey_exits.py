"""Every way in which a journey ends, each on the real stack under the virtual clock."""

from datetime import timedelta

import pytest

from models.enums import AttemptStatus, EnrollmentState, ExitReason, HoldReason, SendState, SkipReason
from models.orchestration import Approval
from models.tables import Customer, CustomerEvent, Journey
from sandbox.shopify.faults import Fault
from sandbox.whatsapp.faults import Refuse
from storage.stopping import close_entry, stop_page
from tests.stack import HELLO, Stack, journey
from workflows.journey import JourneyWorkflow

PAUSED = {"template": "winback_paused", "language": "en", "variables": {"1": "you"}}
TWO = (("0d", HELLO), ("3d", HELLO))


async def test_three_stages_and_a_quiet_watch_complete_the_journey(stack: Stack) -> None:
    """Each stage is sent at its time, and five quiet days later the journey is completed."""
    person = await stack.person()
    enrollment = await stack.begin(journey(("0d", HELLO), ("60h", HELLO), ("7d", HELLO)), person)
    await stack.accepted(1)
    await stack.waits(enrollment, 1)
    await stack.advance(hours=59)
    assert len(stack.received()) == 1
    await stack.advance(hours=1)
    await stack.accepted(2)
    await stack.waits(enrollment, 2)
    await stack.advance(days=7)
    await stack.accepted(3)
    await stack.waits(enrollment, 3)
    assert (await stack.enrollment(enrollment)).state is EnrollmentState.WATCHING
    await stack.advance(days=5)
    assert await stack.ends(enrollment) is ExitReason.COMPLETED
    assert [(await stack.send(enrollment, stage)).state for stage in range(3)] == [SendState.ACCEPTED] * 3
    (attempt,) = await stack.attempts(enrollment)
    assert attempt.status is AttemptStatus.DELIVERED
    assert stack.whatsapp.books.duplicates == 0
    assert len({message.callback_data for message in stack.received(person)}) == 3


async def test_a_purchase_during_the_wait_ends_the_journey_at_once(stack: Stack) -> None:
    """The shop's webhook ends the wait, and the next message is never sent."""
    person = await stack.person()
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    await stack.advance(days=1)
    await stack.buy(person)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    await stack.advance(days=10)
    assert len(stack.received()) == 1


async def test_a_purchase_that_no_webhook_told_is_found_before_the_next_message(stack: Stack) -> None:
    """Each stage asks the shop first, so a lost webhook costs nobody a message."""
    person = await stack.person()
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    await stack.advance(days=1)
    await stack.buy(person, webhook=False)
    await stack.advance(days=2, hours=1)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    assert len(stack.received()) == 1


async def test_a_purchase_that_no_webhook_told_is_found_at_the_end_of_the_watch(stack: Stack) -> None:
    """The last look turns what would be completed into purchased."""
    person = await stack.person()
    enrollment = await stack.begin(journey(), person)
    await stack.waits(enrollment, 1)
    await stack.advance(days=4)
    await stack.buy(person, webhook=False)
    await stack.advance(days=1, minutes=1)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED


async def test_a_shop_that_is_away_at_the_end_does_not_keep_the_journey_open(stack: Stack) -> None:
    """After six hours without an answer from the shop, what the database knows decides."""
    enrollment = await stack.begin()
    await stack.waits(enrollment, 1)
    stack.shopify.faults.add(Fault(status=503, times=1000))
    await stack.advance(days=5, hours=7)
    assert await stack.ends(enrollment) is ExitReason.COMPLETED


async def test_an_order_from_before_the_selection_that_is_heard_of_later_ends_the_journey(stack: Stack) -> None:
    """The silence that the journey answers never was: no longer eligible, and no purchase of ours."""
    person = await stack.person()
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    await stack.buy(person, at=await stack.now() - timedelta(days=2))
    assert await stack.ends(enrollment) is ExitReason.NO_LONGER_ELIGIBLE


async def test_a_test_order_ends_nothing(stack: Stack) -> None:
    """Orders that the shop marks as tests are no purchases."""
    person = await stack.person()
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    await stack.buy(person, test=True)
    await stack.advance(days=3)
    await stack.accepted(2)
    assert (await stack.enrollment(enrollment)).exit_reason is None


@pytest.mark.parametrize("stage", [0, 1])
async def test_a_reply_ends_the_journey_at_once(stack: Stack, stage: int) -> None:
    """A reply ends the wait for the next message, and the watch after the last one."""
    person = await stack.person()
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    for following in range(2, 2 + stage):
        await stack.advance(days=3)
        await stack.waits(enrollment, following)
    await stack.write(person, "Is this still available?")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    await stack.advance(days=10)
    assert len(stack.received()) == stage + 1


@pytest.mark.parametrize("how", ["word", "preference"])
async def test_an_opt_out_ends_the_journey(stack: Stack, how: str) -> None:
    """The word STOP and WhatsApp's own switch both unsubscribe."""
    person = await stack.person()
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    if how == "word":
        await stack.write(person, "STOP")
    else:
        await stack.post(stack.whatsapp.preference(person.phone, "stop", await stack.now()))
    assert await stack.ends(enrollment) is ExitReason.UNSUBSCRIBED
    (customer,) = await stack.rows(Customer)
    assert customer.opted_out_at is not None


async def test_a_journey_of_higher_priority_takes_the_customer_over(stack: Stack) -> None:
    """The loser ends and says so; the winner sends."""
    person = await stack.person()
    loser = await stack.begin(journey(*TWO), person)
    await stack.waits(loser, 1)
    await stack.advance(minutes=1)
    winner = await stack.begin(journey(name="urgent", priority=90, sending={"smart_sending_days": 0}), person)
    assert await stack.ends(loser) is ExitReason.ENTERED_PRIORITY_JOURNEY
    await stack.accepted(2)
    assert (await stack.enrollment(winner)).state is not EnrollmentState.CLOSED


async def test_a_number_that_whatsapp_cannot_reach_ends_the_journey(stack: Stack) -> None:
    """Code 131026 is about the person: no later stage would fare better."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131026))
    enrollment = await stack.begin(journey(*TWO), person)
    assert await stack.ends(enrollment) is ExitReason.UNDELIVERABLE
    (attempt,) = await stack.attempts(enrollment)
    assert (attempt.status, attempt.error_code) == (AttemptStatus.FAILED, 131026)


async def test_a_refusal_for_an_opt_out_unsubscribes(stack: Stack) -> None:
    """Code 131050 tells that the person stopped marketing in WhatsApp."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131050))
    enrollment = await stack.begin(journey(*TWO), person)
    assert await stack.ends(enrollment) is ExitReason.UNSUBSCRIBED


async def test_staff_end_the_journey_for_one_customer(stack: Stack) -> None:
    """One customer's journey ends; another's goes on."""
    definition = journey(*TWO)
    stopped = await stack.begin(definition)
    other = await stack.begin(definition)
    await stack.waits(stopped, 1)
    await stack.waits(other, 1)
    await stack.stop(stopped)
    assert await stack.ends(stopped) is ExitReason.STOPPED_BY_STAFF
    await stack.advance(days=3)
    await stack.accepted(3)
    assert (await stack.enrollment(other)).exit_reason is None


async def test_stopping_a_journey_ends_it_for_everybody_in_it(stack: Stack) -> None:
    """Every running enrollment hears of it."""
    definition = journey(*TWO)
    enrollments = [await stack.begin(definition), await stack.begin(definition)]
    for one in enrollments:
        await stack.waits(one, 1)
    journey_id = (await stack.enrollment(enrollments[0])).journey_id
    async with stack.database.write() as session:
        row = await session.get(Journey, journey_id)
        assert row is not None
        await close_entry(session, row, reason="test", now=await stack.now())
        await stop_page(session, journey_id, after=0, now=await stack.now())
    for one in enrollments:
        assert await stack.ends(one) is ExitReason.JOURNEY_STOPPED


async def test_a_hold_that_lasts_too_long_skips_the_stage(stack: Stack) -> None:
    """`hold_for` runs out, the stage is passed over, and the next one is due by its delay from then."""
    enrollment = await stack.begin(journey(("0d", PAUSED), ("1d", HELLO), sending={"hold_for": "2d"}))
    await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
    await stack.advance(hours=47)
    assert (await stack.status(enrollment)).hold_reason is HoldReason.TEMPLATE_HELD
    await stack.advance(hours=2)
    await stack.waits(enrollment, 1)
    send = await stack.send(enrollment)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, SkipReason.HOLD_EXPIRED)
    await stack.advance(days=1)
    await stack.accepted(1)


async def test_a_hold_that_lasts_too_long_can_end_the_journey(stack: Stack) -> None:
    """With `on_expire: exit` the journey ends instead."""
    enrollment = await stack.begin(journey(("0d", PAUSED), sending={"hold_for": "2d", "on_expire": "exit"}))
    await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
    await stack.advance(days=2, minutes=1)
    assert await stack.ends(enrollment) is ExitReason.HOLD_EXPIRED


async def test_a_rejected_text_ends_the_journey(stack: Stack) -> None:
    """Staff read the text and say no: nothing is sent."""
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.reject, Approval(draft_id=send.id or 0))
    assert await stack.ends(enrollment) is ExitReason.REJECTED
    assert stack.received() == []


async def test_a_request_that_the_shop_calls_wrong_ends_the_journey_as_failed(stack: Stack) -> None:
    """What no retry can mend must not leave a customer in an endless journey."""
    stack.shopify.faults.add(Fault(status=400))
    enrollment = await stack.begin()
    assert await stack.ends(enrollment) is ExitReason.FAILED
    assert stack.received() == []


async def test_an_event_before_the_workflow_starts_is_found_when_it_starts(stack: Stack) -> None:
    """The customer replies between selection and start: the workflow ends with its first look, nothing is sent."""
    person = await stack.person()
    enrollment = await stack.enroll(journey(), person)
    await stack.write(person, "Hello?")
    (event,) = await stack.rows(CustomerEvent)
    assert event.exit_reason is ExitReason.CUSTOMER_REPLIED
    await stack.start(enrollment)
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    assert stack.received() == []


async def test_what_happened_before_the_selection_ends_nothing(stack: Stack) -> None:
    """A reply of yesterday is no answer to today's journey."""
    person = await stack.person()
    await stack.write(person, "Hello?")
    await stack.advance(days=1)
    enrollment = await stack.begin(journey(), person)
    await stack.accepted(1)
    await stack.waits(enrollment, 1)
