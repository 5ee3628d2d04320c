"""A worker that is slower than its activity's time: Temporal has given it up, and it comes back all the same."""

from temporalio.exceptions import ApplicationError

from models.enums import AttemptStatus, HoldReason, SendState
from sandbox.whatsapp.faults import Delay, LoseStatuses
from tests.integration.conftest import OpenStack
from tests.stack import HELLO, Stack, journey

TWO = (("0d", HELLO), ("1d", HELLO))


async def _time_out(stack: Stack, workflow_id: str) -> None:
    """What the server does by itself when an activity's time is over, done at once."""
    description = await stack.handle(workflow_id).describe()
    (pending,) = description.raw_description.pending_activities
    await stack.client.get_async_activity_handle(
        workflow_id=workflow_id, run_id=description.run_id, activity_id=pending.activity_id
    ).fail(ApplicationError("its time is over"))


async def test_a_worker_that_was_given_up_posts_nothing_twice_and_is_still_believed(open_stack: OpenStack) -> None:
    """The repeat finds the claim and posts nothing; the late answer, with no status to tell, lets the journey go on."""
    async with open_stack() as stack:
        person = await stack.person()
        stack.whatsapp.faults.for_recipient(person.phone, Delay(4.0), LoseStatuses())
        enrollment = await stack.begin(journey(*TWO), person)

        async def posted() -> bool:
            return bool(stack.received())

        await stack.until(posted)
        await _time_out(stack, enrollment)
        await stack.holds(enrollment, HoldReason.SEND_UNKNOWN)
        assert (await stack.send(enrollment)).state is SendState.UNKNOWN
        await stack.waits(enrollment, 1)
        (attempt,) = await stack.attempts(enrollment)
        assert (attempt.status, attempt.wamid) == (AttemptStatus.ACCEPTED, stack.received(person)[0].wamid)
        assert (await stack.send(enrollment)).state is SendState.ACCEPTED
        assert stack.whatsapp.books.requests == 1
