"""Journeys with a message of which nobody knows: a person's word wakes them, and a late status finds them gone on."""

import pytest

from models.enums import AttemptStatus, ExitReason, HoldReason, SendState
from sandbox.whatsapp.faults import DropResponse, LoseStatuses
from storage.settling import settle_by_staff
from tests.stack import HELLO, Person, Stack, journey
from tests.worlds import status, whatsapp_body

TWO = (("0d", HELLO), ("1d", HELLO))


async def _unknown(stack: Stack, *, accepted: bool) -> tuple[str, Person]:
    """A journey that waits to hear whether its first message went."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse(accepted=accepted), LoseStatuses())
    enrollment = await stack.begin(journey(*TWO), person)
    await stack.holds(enrollment, HoldReason.SEND_UNKNOWN)
    return enrollment, person


@pytest.mark.parametrize("sent", [True, False])
async def test_a_persons_word_lets_the_journey_go_on_at_once(stack: Stack, *, sent: bool) -> None:
    """After "sent" the next stage is waited for, after "not sent" a further attempt goes out, within a minute."""
    enrollment, person = await _unknown(stack, accepted=sent)
    began = await stack.now()
    async with stack.database.write() as session:
        await settle_by_staff(session, stack.store.id, f"{enrollment}:1:1:1", sent=sent, by="ada", now=began)
    await stack.waits(enrollment, 1)
    assert (await stack.now() - began).total_seconds() < 60
    attempts = await stack.attempts(enrollment)
    assert [one.status for one in attempts][:1] == [AttemptStatus.ACCEPTED if sent else AttemptStatus.FAILED]
    assert len(attempts) == (1 if sent else 2)
    assert len(stack.received(person)) == 1
    assert stack.whatsapp.books.duplicates == 0
    assert (await stack.send(enrollment)).state is SendState.ACCEPTED


async def test_a_status_that_comes_after_the_parking_sets_the_record_right(stack: Stack) -> None:
    """The journey has gone on; the message counts as sent and received, and nothing is posted again."""
    enrollment, person = await _unknown(stack, accepted=True)
    await stack.advance(minutes=11)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).state is SendState.PARKED
    message = stack.received(person)[0]
    late = status("delivered", message.wamid, attempt=message.callback_data, at=message.at)
    await stack.post(whatsapp_body(statuses=[late], number=message.phone_number_id))
    send = await stack.send(enrollment)
    assert (send.state, send.received_at is not None) == (SendState.ACCEPTED, True)
    await stack.advance(days=1)
    await stack.accepted(2)
    assert stack.whatsapp.books.duplicates == 0
    assert len(await stack.attempts(enrollment)) == 1


async def test_a_journey_that_ends_leaves_no_message_open(stack: Stack) -> None:
    """The customer replies while nobody knows whether the message went: it is parked with the end."""
    enrollment, person = await _unknown(stack, accepted=False)
    await stack.write(person, "Hello?")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    send = await stack.send(enrollment)
    assert (send.state, send.settled_at is not None) == (SendState.PARKED, True)
