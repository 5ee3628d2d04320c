"""Signals as Temporal delivers them: in any order, twice, several in one task, before the first line has run."""

import itertools

from models.enums import EventKind, ExitReason, HoldReason
from models.orchestration import Approval, AttemptSettled, ExitNotice, Released
from models.tables import CustomerEvent, SignalIntent
from storage.stores import required_id
from tests.stack import HELLO, Stack, journey
from tests.workflows.conftest import OpenStack
from worker import Fleet
from workflows.journey import JourneyWorkflow

EXITS = {
    "customer_replied": ExitReason.CUSTOMER_REPLIED,
    "order_placed": ExitReason.PURCHASED,
    "unsubscribed": ExitReason.UNSUBSCRIBED,
    "stop": ExitReason.STOPPED_BY_STAFF,
}


async def test_the_first_exit_wins_in_whatever_order_they_come(open_stack: OpenStack) -> None:
    """Every order of three events in one task ends with the first; the others are counted, repetitions are not."""
    async with open_stack(fleet=False) as stack:
        definition = journey(("1d", HELLO))
        orders = list(itertools.permutations(EXITS, 3))
        enrollments = [await stack.enroll(definition, await stack.person()) for _ in orders]
        await stack.start(enrollments[0])
        stack.started += enrollments
        now = await stack.now()
        ids = {name: await _an_event(stack, reason) for name, reason in EXITS.items()}
        for enrollment, names in zip(enrollments, orders, strict=True):
            for name in (*names, names[0], *names):
                notice = ExitNotice(reason=EXITS[name], at=now, event_id=ids[name])
                await stack.handle(enrollment).signal(name, notice)
        async with Fleet(stack.client, stack.services, limit_rates=False):
            for enrollment, names in zip(enrollments, orders, strict=True):
                result = await stack.handle(enrollment).result()
                assert result.reason is EXITS[names[0]]
                status = await stack.status(enrollment)
                assert status.exit_reason is EXITS[names[0]]
                # Two others, each told twice: a repetition of the first is no further event.
                assert status.events_after_exit == 4
        assert stack.received() == []


async def _an_event(stack: Stack, reason: ExitReason) -> int:
    """An event on record that is about some other enrollment, so that the database decides nothing."""
    async with stack.database.write() as session:
        event = CustomerEvent(
            store_id=stack.store.id,
            customer_id=1,
            kind=EventKind.STOP,
            exit_reason=reason,
            enrollment_id="elsewhere",
            occurred_at=stack.clock(),
            received_at=stack.clock(),
            source="test",
            dedupe_key=reason.value,
        )
        session.add(event)
        await session.flush()
        return required_id(event.id)


async def test_signals_that_nobody_waits_for_change_nothing(stack: Stack) -> None:
    """A release or a settled attempt for a journey that waits for its time leaves it waiting."""
    enrollment = await stack.begin(journey(("0d", HELLO), ("1d", HELLO)))
    before = await stack.waits(enrollment, 1)
    for _ in range(2):
        await stack.handle(enrollment).signal("released", Released(key="template:x"))
        await stack.handle(enrollment).signal("attempt_settled", AttemptSettled(attempt_id=f"{enrollment}:1:1:1"))
    assert await stack.status(enrollment) == before
    await stack.advance(days=1)
    await stack.accepted(2)


async def test_the_database_has_the_last_word_on_the_reason(stack: Stack) -> None:
    """Two events are stored before either signal arrives, and the later one arrives first: the first stored wins."""
    person = await stack.person()
    enrollment = await stack.begin(journey(("1d", HELLO)), person)
    await stack.waits(enrollment, 0)
    await stack.write(person, "Hello?")
    now = await stack.now()
    await stack.handle(enrollment).signal("stop", ExitNotice(reason=ExitReason.STOPPED_BY_STAFF, at=now))
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED


async def test_a_webhook_that_comes_again_is_one_event(stack: Stack) -> None:
    """Meta repeats what it got no answer for: the same reply twice is one reply."""
    person = await stack.person()
    enrollment = await stack.begin(journey(("1d", HELLO)), person)
    await stack.waits(enrollment, 0)
    body = await stack.write(person, "Hello?")
    await stack.post(body)
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    assert (await stack.status(enrollment)).events_after_exit == 0


async def test_an_event_between_check_and_claim_is_found_by_the_claim(stack: Stack) -> None:
    """The reply is stored after the last check and its signal is still on its way: nothing is sent (promise 2)."""
    person = await stack.person()
    enrollment = await stack.begin(journey(sending={"approval": "required"}), person)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    body = stack.whatsapp.inbound(person.phone, "Hello?", await stack.now())
    headers = {"X-Hub-Signature-256": stack.whatsapp.sign(body)}
    url = f"{stack.urls['gateway']}/webhooks/whatsapp"
    assert (await stack.http.post(url, content=body, headers=headers)).status_code == 200
    draft = required_id((await stack.send(enrollment)).id)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, Approval(draft_id=draft))
    assert (await stack.handle(enrollment).result()).reason is ExitReason.CUSTOMER_REPLIED
    (intent,) = await stack.rows(SignalIntent)
    assert intent.settled_at is None
    assert stack.whatsapp.books.requests == 0
