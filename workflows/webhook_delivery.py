"""WebhookDeliveryWorkflow: one event told to one endpoint of a store's own, until it is taken or given up.

The pauses between the tries are the activity's to say, and Temporal bridges them without a line of history each.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from activities import queues
from activities.webhooks import WebhookActivities
from models.orchestration import DeliveryRef, DeliveryReport

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))
"""For tries that say nothing about the next one: their worker died, or the database was away."""
_TRY = timedelta(seconds=30)
"""Longer than an endpoint is waited for; a worker that dies is noticed after it."""


@workflow.defn
class WebhookDeliveryWorkflow:
    """One round of one delivery; its id is `webhook-<message>-<endpoint>-<round>`."""

    @workflow.run
    async def run(self, delivery: DeliveryRef) -> DeliveryReport:
        """Deliver, again and again, until the database says that it is over."""
        return await workflow.execute_activity_method(
            WebhookActivities.deliver_webhook,
            delivery,
            task_queue=queues.WEBHOOKS,
            start_to_close_timeout=_TRY,
            retry_policy=_RETRY,
        )
