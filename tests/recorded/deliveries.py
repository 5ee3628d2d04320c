"""Histories of what a store's own systems are told."""

from collections.abc import Awaitable, Callable

from models.enums import DeliveryState
from models.tables import SignalIntent
from sandbox.receiver import Reply
from storage.endpoints import send_test
from storage.intents import START_DELIVERY
from tests.endpoints import endpoint
from tests.stack import Stack


async def _webhook(stack: Stack, *replies: Reply, state: DeliveryState) -> str:
    """A webhook that is answered like this, and what becomes of it."""
    async with endpoint(stack) as told:
        told.receiver.replies.extend(replies)
        async with stack.database.write() as session:
            await send_test(session, stack.store.id, told.id, now=await stack.now())
        await told.settles(state)
        (intent,) = await stack.rows(SignalIntent, signal=START_DELIVERY)
        workflow_id = str(intent.enrollment_id)
        await stack.client.get_workflow_handle(workflow_id).result()
    return workflow_id


async def _webhook_delivered(stack: Stack) -> str:
    return await _webhook(stack, Reply(status=500), state=DeliveryState.DELIVERED)


async def _webhook_gone(stack: Stack) -> str:
    return await _webhook(stack, Reply(status=410), state=DeliveryState.FAILED)


PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    "webhook-delivered": _webhook_delivered,
    "webhook-gone": _webhook_gone,
}
"""By the name of the file that keeps the history."""
