"""Workers that die and come back, as real processes on a real Temporal server."""

from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from models.enums import AttemptStatus, EnrollmentState, ExitReason, HoldReason, SendState
from models.tables import Enrollment, SignalIntent
from sandbox.whatsapp.faults import Delay, LoseStatuses
from storage.secrets import new_key
from tests.integration.conftest import OpenStack
from tests.integration.programs import environment, kill, running
from tests.recorded.pace import hurried
from tests.stack import HELLO, Stack, journey
from tests.worlds import status, whatsapp_body
from worker import Fleet
from workflows.journey import JourneyWorkflow

THREE = (("0d", HELLO), ("3d", HELLO), ("7d", HELLO))
_STARTS_WITHIN_S = 60.0


def _no_pair_rate() -> AbstractContextManager[object]:
    """Messages that are days apart in life follow each other at once here."""
    return mock.patch("policies.throughput.PAIR_INTERVAL", timedelta(0))


async def _give_up_on_the_dead_worker(stack: Stack, workflow_id: str) -> None:
    """What the server does by itself when an activity's or a task's time is over, done at once."""
    await stack.client.workflow_service.reset_sticky_task_queue(
        ResetStickyTaskQueueRequest(namespace="default", execution=WorkflowExecution(workflow_id=workflow_id))
    )
    description = await stack.handle(workflow_id).describe()
    for pending in description.raw_description.pending_activities:
        handle = stack.client.get_async_activity_handle(
            workflow_id=workflow_id, run_id=description.run_id, activity_id=pending.activity_id
        )
        try:
            await handle.fail(ApplicationError("the worker is gone"))
        except RPCError:
            continue  # scheduled, and with no worker yet


async def test_a_worker_killed_while_a_message_is_on_its_way_sends_it_once(
    open_stack: OpenStack, tmp_path: Path
) -> None:
    """After the kill the outcome is unknown, nothing is posted again, and a status settles it."""
    key = new_key()
    async with open_stack(key=key, fleet=False) as stack:
        person = await stack.person()
        stack.whatsapp.faults.for_recipient(person.phone, Delay(20.0), LoseStatuses())
        enrollment = await stack.begin(journey(*THREE), person)

        async def posted() -> bool:
            return bool(stack.received())

        async with running("worker.py", env=environment(stack, key), log=tmp_path / "worker.log") as process:
            await stack.until(posted, within=_STARTS_WITHIN_S)
            await kill(process)
        assert (await stack.send(enrollment)).state is SendState.IN_FLIGHT
        await _give_up_on_the_dead_worker(stack, enrollment)
        async with Fleet(stack.client, stack.services, limit_rates=False):
            await stack.holds(enrollment, HoldReason.SEND_UNKNOWN)
            (attempt,) = await stack.attempts(enrollment)
            assert attempt.status is AttemptStatus.UNKNOWN
            (message,) = stack.received()
            told = status("delivered", message.wamid, attempt=message.callback_data, at=stack.clock())
            number = stack.store.number
            body = whatsapp_body(number=number.phone_number_id, waba=number.waba_id, statuses=[told])
            await stack.post(body)
            await stack.waits(enrollment, 1)
        assert (await stack.send(enrollment)).state is SendState.ACCEPTED
        assert stack.whatsapp.books.requests == 1


async def test_a_worker_killed_during_a_wait_is_replaced_by_the_next(open_stack: OpenStack, tmp_path: Path) -> None:
    """The journey waits in Temporal, not in a worker: another one goes on from where it stood."""
    key = new_key()
    async with open_stack(key=key, fleet=False) as stack:
        enrollment = await stack.begin(journey(*THREE))
        async with running("worker.py", env=environment(stack, key), log=tmp_path / "worker.log") as process:
            await stack.reaches(enrollment, EnrollmentState.WAITING, 1)
            await stack.waits(enrollment, 1)  # the worker that will be killed answers the query itself
            await kill(process)
        await _give_up_on_the_dead_worker(stack, enrollment)
        with _no_pair_rate():
            async with Fleet(stack.client, stack.services, limit_rates=False):
                await stack.handle(enrollment).execute_update(JourneyWorkflow.send_now)
                await stack.accepted(2)


async def test_a_launch_killed_half_way_enrolls_everybody_once(open_stack: OpenStack, tmp_path: Path) -> None:
    """The next worker goes on where the database says, and each entrant has one enrollment and one workflow."""
    key, count = new_key(), 120
    async with open_stack(key=key, fleet=False) as stack:
        for _ in range(count):
            await stack.shopper()
        launch = await stack.launch(journey(("3d", HELLO)))

        async def half_way() -> bool:
            return len(await stack.rows(Enrollment)) >= 100

        async with running("worker.py", env=environment(stack, key), log=tmp_path / "worker.log") as process:
            await stack.until(half_way, within=_STARTS_WITHIN_S)
            await kill(process)
        await _give_up_on_the_dead_worker(stack, stack.started[0])
        async with Fleet(stack.client, stack.services, limit_rates=False):
            assert await stack.launched(launch) == {"entered": count}
            again = await stack.launch(journey(("3d", HELLO)))
            outcomes = await stack.launched(again)
            assert "entered" not in outcomes
        rows = await stack.rows(Enrollment)
        assert len(rows) == len({one.customer_id for one in rows}) == count

        async def all_started() -> bool:
            found = await stack.client.count_workflows(
                f"WorkflowType = 'JourneyWorkflow' AND RekindleStore = '{stack.store.store.slug}'"
            )
            return found.count == count

        await stack.until(all_started, within=30)


async def test_a_worker_without_a_cache_takes_the_journey_through(open_stack: OpenStack) -> None:
    """With `max_cached_workflows=0` each task replays the whole history: nothing depends on memory."""
    with mock.patch("activities.outcomes.due_after", hurried), _no_pair_rate():
        async with open_stack(max_cached_workflows=0) as stack:
            enrollment = await stack.begin(journey(*THREE))
            assert await stack.ends(enrollment) is ExitReason.COMPLETED
            assert len(stack.received()) == 3


async def test_an_event_before_the_workflow_exists_is_kept_until_it_does(open_stack: OpenStack) -> None:
    """The relay finds no workflow and keeps the signal; the workflow, once started, ends by itself; nothing is sent."""
    async with open_stack() as stack:
        person = await stack.person()
        enrollment = await stack.enroll(journey(), person)
        await stack.write(person, "Hello?")
        (intent,) = await stack.rows(SignalIntent)
        assert intent.settled_at is None
        assert intent.tries == 1
        await stack.start(enrollment)
        assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED

        async def settled() -> bool:
            (intent,) = await stack.rows(SignalIntent)
            return intent.settled_at is not None

        await stack.until(settled)
        assert stack.received() == []


@pytest.mark.parametrize("repeated", [1, 3])
async def test_starting_a_journey_again_starts_nothing(open_stack: OpenStack, repeated: int) -> None:
    """A workflow that runs is left alone, and one that has ended is not begun anew."""
    async with open_stack() as stack:
        person = await stack.person()
        enrollment = await stack.begin(journey(*THREE), person)
        await stack.waits(enrollment, 1)
        run_id = (await stack.handle(enrollment).describe()).run_id
        await stack.write(person, "Hello?")
        await stack.ends(enrollment)
        for _ in range(repeated):
            await stack.start(enrollment)
        assert (await stack.handle(enrollment).describe()).run_id == run_id
        assert len(stack.received()) == 1
