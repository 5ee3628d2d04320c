"""Refusals on the whole stack that come by webhook after the message was taken, or that stop everybody."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from activities.health import check_store
from models.enums import (
    AttemptStatus,
    ExitReason,
    HoldReason,
    JourneyState,
    PauseCause,
    SendState,
    SkipReason,
    StoreEventKind,
)
from models.tables import Journey, Number, StoreEvent
from providers.whatsapp.client import WhatsAppClient
from sandbox.shopify.faults import Fault
from sandbox.whatsapp.faults import DuplicateStatuses, FailLater, Refuse
from storage.senders import pause_sender
from storage.stores import required_id
from tests.stack import HELLO, Stack, journey

TWO = (("0d", HELLO), ("3d", HELLO))
NOTE = {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}}


async def _taken(stack: Stack, count: int) -> None:
    async def there() -> bool:
        return len(stack.received()) >= count

    await stack.until(there)


@pytest.mark.parametrize("stages", [TWO, TWO[:1]], ids=["before-the-next-stage", "in-the-watch"])
async def test_a_message_that_meta_drops_is_tried_a_day_later(stack: Stack, stages: Any) -> None:
    """131049 by webhook: the journey leaves its wait, holds for a day and sends again under an id of its own."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, FailLater(131049), DuplicateStatuses())
    enrollment = await stack.begin(journey(*stages), person)
    await _taken(stack, 1)
    await stack.advance(seconds=10)
    row = await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
    assert row.stage == 0
    await stack.advance(hours=23)
    assert len(await stack.attempts(enrollment)) == 1
    await stack.advance(hours=3)
    status = await stack.waits(enrollment, 1)
    first, second = await stack.attempts(enrollment)
    assert (first.status, second.number) == (AttemptStatus.FAILED, 2)
    assert (await stack.send(enrollment)).state is SendState.ACCEPTED
    assert status.due_at is not None
    # The next stage counts from the message that was sent in the end.
    assert status.due_at - await stack.now() > timedelta(days=2, hours=20)


async def test_a_message_that_meta_drops_three_times_is_skipped_and_the_journey_goes_on(stack: Stack) -> None:
    """Two more days, then the stage is passed over, and the next one is sent at its time."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, FailLater(131049), times=3)
    enrollment = await stack.begin(journey(*TWO), person)
    for count in (1, 2, 3):
        await _taken(stack, count)
        await stack.advance(seconds=10)
        if count < 3:
            await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
            await stack.advance(hours=26)
    await stack.waits(enrollment, 1)
    send = await stack.send(enrollment)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, SkipReason.META_DECLINED)
    await stack.advance(days=3, hours=1)
    await _taken(stack, 4)


async def test_a_failure_that_ends_the_journey_needs_no_second_look(stack: Stack) -> None:
    """131026 by webhook ends the journey as before, and nobody is written to again for a while."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, FailLater(131026))
    enrollment = await stack.begin(journey(*TWO), person)
    await _taken(stack, 1)
    await stack.advance(seconds=10)
    assert await stack.ends(enrollment) is ExitReason.UNDELIVERABLE


async def test_a_payment_that_fails_pauses_and_the_probe_resumes(stack: Stack) -> None:
    """131042: everybody waits, one message finds out six hours later, and both customers are written to once."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131042))
    definition = journey(("1h", HELLO))
    one = await stack.begin(definition, person)
    await stack.waits(one, 0)
    await stack.advance(minutes=30)
    two = await stack.begin(definition)
    await stack.waits(two, 0)
    await stack.advance(minutes=31)
    await stack.holds(one, HoldReason.SENDER_PAUSED)
    await stack.advance(minutes=30)
    await stack.holds(two, HoldReason.JOURNEY_PAUSED)
    assert stack.whatsapp.books.requests == 1
    await stack.advance(hours=5)
    assert stack.whatsapp.books.requests == 1
    await stack.advance(hours=2)
    await stack.advance(minutes=2)  # the probe's status has come in, and the others go after their jitter
    await stack.accepted(2)
    assert stack.whatsapp.books.requests == 3


async def test_a_shop_that_lets_nobody_in_pauses_its_journeys_until_it_does(stack: Stack) -> None:
    """Nobody's hold clock runs meanwhile, people are told once, and the health check that is answered resumes."""
    stack.shopify.faults.add(Fault(status=401))
    enrollment = await stack.begin()
    await stack.holds(enrollment, HoldReason.CREDENTIAL)
    (row,) = await stack.rows(Journey)
    assert (row.state, row.state_reason) == (JourneyState.PAUSED, PauseCause.SHOP_DISCONNECTED)
    await stack.advance(days=5)
    assert (await stack.enrollment(enrollment)).hold_reason is HoldReason.CREDENTIAL
    await stack.check_health()
    (row,) = await stack.rows(Journey)
    assert (row.state, row.state_reason) == (JourneyState.ACTIVE, None)
    await stack.advance(minutes=1)
    await stack.accepted(1)
    kinds = [one.kind for one in await stack.rows(StoreEvent)]
    assert kinds.count(StoreEventKind.CREDENTIAL_REFUSED) == 1
    assert kinds.count(StoreEventKind.JOURNEY_PAUSED) == kinds.count(StoreEventKind.JOURNEY_RESUMED) == 1


async def _unpaid(stack: Stack, message: Any = HELLO) -> str:
    """A journey that a bill pauses before its first message is due; its enrollment."""
    enrollment = await stack.begin(journey(("1h", message)))
    await stack.waits(enrollment, 0)
    async with stack.database.write() as session:
        await pause_sender(session, required_id(stack.store.number.id), 131042, now=await stack.now())
    await stack.advance(hours=1, minutes=1)
    await stack.holds(enrollment, HoldReason.JOURNEY_PAUSED)
    return enrollment


async def test_a_probe_whose_text_a_model_has_yet_to_write_goes_too(stack: Stack) -> None:
    """Its journey is paused for the bill alone: the model is asked for the text once, and not refused without end."""
    written = {"ai": {"mode": "goal", "goal": "Say hello"}, "template": NOTE, "fallback": HELLO}
    await _unpaid(stack, written)
    await stack.advance(hours=6)
    await stack.check_health()
    await stack.advance(minutes=1)
    await stack.accepted(1)
    assert stack.whatsapp.books.requests == 1


async def test_a_number_that_meta_calls_able_to_send_goes_on_at_once(stack: Stack) -> None:
    """Where the health status is asked for, a bill that was paid needs neither its time nor a message."""
    await _unpaid(stack)
    asking = WhatsAppClient(stack.http, base_url=stack.urls["whatsapp"], asks_health_status=True)
    services = dataclasses.replace(stack.services, whatsapp=asking)
    await stack.check_health()
    assert (await stack.rows(Number))[0].paused_reason is not None
    report = await check_store(services, stack.store.id, now=await stack.now())
    assert not report.faults, report
    await stack.settle()
    await stack.advance(minutes=1)
    await stack.accepted(1)


async def test_the_health_watch_lets_one_find_out_where_nobody_would(stack: Stack) -> None:
    """Nobody met the refusal themselves: when its time is over, one of those who wait is woken, and all go on."""
    await _unpaid(stack)
    await stack.check_health()
    await stack.advance(minutes=2)
    assert stack.received() == []
    await stack.advance(hours=5)
    await stack.check_health()
    await stack.accepted(1)

    async def goes_on() -> bool:
        (row,) = await stack.rows(Journey)
        (number,) = await stack.rows(Number)
        return row.state is JourneyState.ACTIVE and number.paused_reason is None

    await stack.until(goes_on)
