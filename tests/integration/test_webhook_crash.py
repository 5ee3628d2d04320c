"""A worker that dies while a store's own system is told, as a real process on a real Temporal server."""

from datetime import timedelta
from pathlib import Path

from temporalio.exceptions import ApplicationError

from models.enums import DeliveryState
from models.tables import SignalIntent
from sandbox.receiver import Reply
from storage.endpoints import send_test
from storage.intents import START_DELIVERY
from storage.secrets import new_key
from tests.endpoints import endpoint
from tests.integration.conftest import OpenStack
from tests.integration.programs import environment, kill, running
from worker import Fleet

_STARTS_WITHIN_S = 60.0


async def test_a_worker_killed_in_mid_delivery_is_followed_by_one_that_delivers_it_again(
    open_stack: OpenStack, tmp_path: Path
) -> None:
    """At least once: the endpoint gets it twice, under one id by which it can tell, and both times genuine."""
    key = new_key()
    async with open_stack(key=key, fleet=False) as stack, endpoint(stack) as told:
        told.receiver.replies.append(Reply(after_s=2.0))
        async with stack.database.write() as session:
            await send_test(session, stack.store.id, told.id, now=stack.clock())
        settings = environment(stack, key) | {"REKINDLE_OUTGOING_PRIVATE": "allow"}

        async def asked() -> bool:
            return bool(told.receiver.received)

        async with running("worker.py", env=settings, log=tmp_path / "worker.log") as process:
            await stack.until(asked, within=_STARTS_WITHIN_S)
            await kill(process)
        (intent,) = await stack.rows(SignalIntent, signal=START_DELIVERY)
        description = await stack.client.get_workflow_handle(intent.enrollment_id).describe()
        (pending,) = description.raw_description.pending_activities
        # What the server does by itself half a minute after the kill, done at once.
        await stack.client.get_async_activity_handle(
            workflow_id=intent.enrollment_id, run_id=description.run_id, activity_id=pending.activity_id
        ).fail(ApplicationError("the worker is gone", next_retry_delay=timedelta(milliseconds=1)))
        async with Fleet(stack.client, stack.services, limit_rates=False):
            (delivery,) = await told.settles(DeliveryState.DELIVERED)
        first, second = told.receiver.received
        assert first.message_id == second.message_id
        assert first.genuine
        assert second.genuine
        assert delivery.tries == 2
