"""Every way in which a journey ends, each on the real stack under the virtual clock."""

from models.enums import AttemptStatus, EnrollmentState, ExitReason, SendState
from tests.stack import HELLO, Stack, journey


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


async def test_b(stack: Stack) -> None:
    """x."""


async def test_c(stack: Stack) -> None:
    """x."""
