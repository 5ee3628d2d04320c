"""Promise 1 on the whole stack: what happens around a POST whose outcome is good, bad or unknown."""

from datetime import timedelta

import pytest
from sqlmodel import select

from models.enums import AttemptStatus, ExitReason, HoldReason, SendState, SkipReason
from models.tables import Customer, Send, SendAttempt
from sandbox.whatsapp.faults import DropResponse, Fault, LoseStatuses, Refuse, ServerError
from tests.stack import HELLO, Stack, journey

TWO = (("0d", HELLO), ("1d", HELLO))


async def test_the_claim_is_committed_before_the_message_leaves(stack: Stack) -> None:
    """When the request leaves, the attempt that it travels under stands in the database."""
    seen: list[tuple[str, SendState]] = []

    async def look(callback_data: str) -> None:
        (attempt,) = await stack.rows(SendAttempt, id=callback_data)
        (send,) = await stack.rows(Send)
        seen.append((attempt.status, send.state))

    stack.line.before_send = look
    await stack.begin()
    await stack.accepted(1)
    assert seen == [(AttemptStatus.CLAIMED, SendState.IN_FLIGHT)]


async def test_a_status_settles_a_send_whose_answer_was_lost(stack: Stack) -> None:
    """The message was accepted and the answer broke off: the status tells, the journey goes on, one message went."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse())
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    (attempt,) = await stack.attempts(enrollment)
    assert attempt.wamid == stack.received(person)[0].wamid
    assert (await stack.send(enrollment)).state is SendState.ACCEPTED
    await stack.advance(days=1)
    await stack.until(lambda: _messages(stack, 2))
    await stack.advance(days=30)
    assert len(stack.received()) == 2
    assert stack.whatsapp.books.duplicates == 0


async def test_a_failed_status_without_a_code_parks_the_send_and_the_journey_goes_on(stack: Stack) -> None:
    """The answer was lost and the status says "failed" with no reason: nothing is posted again, nobody is stuck."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse(accepted=False))
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.holds(enrollment, HoldReason.SEND_UNKNOWN)
    async with stack.database.write() as session:
        (attempt,) = (await session.exec(select(SendAttempt))).all()
        attempt.status, attempt.wamid = AttemptStatus.FAILED, "wamid.lost"
    await stack.advance(minutes=11)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).state is SendState.PARKED
    assert stack.received() == []


async def _messages(stack: Stack, count: int) -> bool:
    return len(stack.received()) >= count


@pytest.mark.parametrize(
    ("faults", "went"),
    [
        ((DropResponse(), LoseStatuses()), 1),
        ((DropResponse(accepted=False),), 0),
        ((ServerError(accepted=True), LoseStatuses()), 1),
        ((ServerError(),), 0),
    ],
)
async def test_a_send_of_unknown_outcome_is_parked_and_never_posted_again(
    stack: Stack, faults: tuple[Fault, ...], went: int
) -> None:
    """Without a status for ten minutes the send is parked and the journey goes on; nobody can post it again."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, *faults)
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.holds(enrollment, HoldReason.SEND_UNKNOWN)
    await stack.advance(minutes=9)
    assert (await stack.send(enrollment)).state is SendState.UNKNOWN
    await stack.advance(minutes=2)
    status = await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).state is SendState.PARKED
    assert status.due_at is not None
    assert timedelta(hours=23) < status.due_at - await stack.now() <= timedelta(days=1)
    requests = stack.whatsapp.books.requests
    await stack.advance(hours=12)
    assert stack.whatsapp.books.requests == requests == 1
    assert len(await stack.attempts(enrollment)) == 1
    assert len(stack.received()) == went
    await stack.advance(days=1)
    await stack.until(lambda: _messages(stack, went + 1))


async def test_a_refused_connection_is_tried_again_at_once(stack: Stack) -> None:
    """What provably never left is posted again as the next attempt of the same send."""
    stack.line.refusals = 1
    enrollment = await stack.begin()
    await stack.until(lambda: _attempted(stack, 1))
    await stack.advance(seconds=10)
    await stack.accepted(1)
    first, second = await stack.attempts(enrollment)
    assert (first.status, second.number) == (AttemptStatus.FAILED, 2)
    assert stack.received()[0].callback_data == f"{enrollment}:1:1:2"


async def test_a_throttled_message_is_tried_again(stack: Stack) -> None:
    """Code 130429 says "not sent": another attempt follows."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(130429), times=2)
    enrollment = await stack.begin(journey(), person)
    await stack.until(lambda: _attempted(stack, 1))
    await stack.advance(minutes=5)
    await stack.accepted(1)
    assert [one.number for one in await stack.attempts(enrollment)] == [1, 2, 3]


async def _attempted(stack: Stack, count: int) -> bool:
    return len(await stack.rows(SendAttempt)) >= count


async def test_a_service_that_stays_away_is_tried_slowly(stack: Stack) -> None:
    """After six quick tries the stage holds and tries again every quarter of an hour, until the line is back."""
    stack.line.refusals = 7
    enrollment = await stack.begin()
    await stack.until(lambda: _attempted(stack, 1))
    await stack.advance(minutes=5)
    await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
    assert len(await stack.attempts(enrollment)) == 6
    await stack.advance(minutes=17)
    await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
    assert len(await stack.attempts(enrollment)) == 7
    await stack.advance(minutes=17)
    await stack.accepted(1)


async def test_an_old_check_is_done_again_before_the_claim(stack: Stack) -> None:
    """The stage was held for hours; meanwhile the customer bought and no webhook came: nothing is sent."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(190))
    enrollment = await stack.begin(journey(), person)
    await stack.holds(enrollment, HoldReason.CREDENTIAL)
    await stack.advance(hours=3)
    await stack.buy(person, webhook=False)
    await stack.check_health()
    await stack.advance(minutes=1)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    assert stack.received() == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"template": "winback_hello", "language": "en", "variables": {"1": "{customer.first_name}"}}, "missing"),
        ({"template": "winback_gone", "language": "en"}, "dead"),
    ],
)
async def test_a_message_that_cannot_be_said_is_skipped(stack: Stack, message: dict[str, object], reason: str) -> None:
    """A variable without a value, or a template that is gone, passes the stage over; the next one is sent."""
    expected = SkipReason.VARIABLE_MISSING if reason == "missing" else SkipReason.TEMPLATE_DEAD
    person = await stack.person(first_name=None)
    enrollment = await stack.begin(journey(("0d", message), ("1d", HELLO)), person)
    await stack.waits(enrollment, 1)
    send = await stack.send(enrollment)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, expected)
    assert ("skipped", expected.value) in await stack.story(enrollment)
    await stack.advance(days=1)
    await stack.accepted(1)


async def test_a_template_that_meta_disabled_is_skipped(stack: Stack) -> None:
    """Code 132016 does not pass by waiting."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(132016))
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.TEMPLATE_DEAD


async def test_a_fresh_message_of_another_journey_skips_the_stage(stack: Stack) -> None:
    """Smart sending looks at other journeys' messages, and never at the journey's own."""
    person = await stack.person()
    other = await stack.begin(journey(name="other"), person)
    await stack.waits(other, 1)
    await stack.stop(other)
    await stack.ends(other)
    enrollment = await stack.begin(journey(("0d", HELLO), ("5d", HELLO), ("1d", HELLO)), person)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.SMART_SENDING
    await stack.advance(days=5)
    await stack.accepted(2)
    await stack.advance(days=1)
    await stack.accepted(3)


async def test_a_recent_order_skips_the_stage(stack: Stack) -> None:
    """With `recent_order_days` somebody who bought lately gets no message."""
    person = await stack.person(days_ago=10)
    enrollment = await stack.begin(journey(("0d", HELLO), sending={"recent_order_days": 30}), person)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.RECENT_ORDER


async def test_made_up_phone_numbers_get_no_messages(stack: Stack) -> None:
    """A synthetic phone belongs to nobody or to a stranger: outside a simulation nothing is sent to it."""
    person = await stack.person(phone_synthetic=True)
    enrollment = await stack.begin(journey(), person)
    assert await stack.ends(enrollment) is ExitReason.UNDELIVERABLE
    assert stack.whatsapp.books.requests == 0


async def test_an_opt_out_on_record_is_seen_by_the_guard(stack: Stack) -> None:
    """Even without an event to tell of it, somebody who has opted out gets nothing."""
    person = await stack.person()
    enrollment = await stack.begin(journey(("1d", HELLO)), person)
    await stack.waits(enrollment, 0)
    async with stack.database.write() as session:
        customer = await session.get(Customer, person.id)
        assert customer is not None
        customer.opted_out_at = await stack.now()
    await stack.advance(days=1)
    assert await stack.ends(enrollment) is ExitReason.UNSUBSCRIBED
    assert stack.whatsapp.books.requests == 0
