"""What happens to journeys when the store's credits run out, and when somebody pays in."""

import pytest

from models.enums import CreditKind, CreditState, HoldReason
from models.tables import CreditEntry, ModelCall, Store
from sandbox.llm.faults import ServerFailure
from sandbox.whatsapp.faults import Refuse
from storage.credits import add_credits, open_ledger
from tests.stack import HELLO, Stack, journey

AI = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


async def opened(stack: Stack, balance: int) -> None:
    """A ledger with so much in it."""
    async with stack.database.write() as session:
        await open_ledger(session, stack.store.id, balance, now=await stack.now())


async def paid_in(stack: Stack, amount: int) -> None:
    """So many credits more, and time for those who wait to hear of it."""
    async with stack.database.write() as session:
        await add_credits(session, stack.store.id, amount, note=None, now=await stack.now())
    await stack.settle()
    await stack.advance(minutes=1)


async def left(stack: Stack) -> int | None:
    """What is available."""
    (store,) = await stack.rows(Store)
    return int(store.credits)


async def charges(stack: Stack) -> list[tuple[CreditState, int]]:
    """What messages were charged, once every record is made: a status may be faster than the answer's."""

    async def found() -> list[tuple[CreditState, int]]:
        lines = await stack.rows(CreditEntry, kind=CreditKind.MESSAGE)
        return [] if any(one.state is CreditState.RESERVED for one in lines) else [(o.state, o.amount) for o in lines]

    settled: list[tuple[CreditState, int]] = await stack.until(found)
    return settled


async def test_at_zero_nothing_is_sent_until_somebody_pays_in(stack: Stack) -> None:
    """Two of three are covered; the third holds with its reason, goes after a payment, and all are charged once."""
    await opened(stack, 2)
    enrollments = [await stack.begin(), await stack.begin()]
    await stack.accepted(2)
    enrollments.append(await stack.begin())
    held = await stack.holds(enrollments[2], HoldReason.NO_CREDITS)
    assert held.hold_key == f"credits:{stack.store.id}"
    await stack.advance(hours=5)
    assert len(stack.received()) == 2
    await paid_in(stack, 5)
    await stack.accepted(3)
    assert await left(stack) == 4
    assert await charges(stack) == [(CreditState.SETTLED, -1)] * 3


async def test_no_model_is_asked_for_a_text_that_could_not_be_sent(stack: Stack) -> None:
    """A text and its message cost two: with one left nothing is written, with two the message goes."""
    await opened(stack, 1)
    enrollment = await stack.begin(journey(("0d", AI)))
    await stack.holds(enrollment, HoldReason.NO_CREDITS)
    assert stack.llm.requests == 0
    await paid_in(stack, 1)
    await stack.accepted(1)
    assert await left(stack) == 0
    assert len(await stack.rows(ModelCall)) == 1


async def test_a_model_that_was_not_reached_costs_nothing(stack: Stack) -> None:
    """What was reserved for a call that came to nothing is back."""
    stack.llm.faults.add(ServerFailure(), times=10)
    await opened(stack, 10)
    await stack.begin(journey(("0d", AI)))
    await stack.advance(minutes=30)
    await stack.accepted(1)
    assert await left(stack) == 9


@pytest.mark.parametrize("code", [131049, 130429])
async def test_a_message_is_charged_once_however_many_attempts_it_takes(stack: Stack, code: int) -> None:
    """A refusal gives the credits back, and the attempt that succeeds takes them again: one line, one charge."""
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(code))
    await opened(stack, 3)
    await stack.begin(journey(("0d", HELLO)), person)
    await stack.advance(hours=27)
    await stack.accepted(1)
    assert await left(stack) == 2
    assert await charges(stack) == [(CreditState.SETTLED, -1)]
