"""Tracking journeys on a running stack: conversations with an open sale, and runs of the daily review."""

from collections.abc import Mapping
from typing import Any

from temporalio.client import WorkflowHandle

from activities import queues
from models.enums import RunTrigger
from models.orchestration import TrackingInput, TrackingProgress
from models.tables import Enrollment, Journey, Review
from models.tracking import Tracking
from tests.quiet_chats import our_side_says
from tests.stack import Person, Stack
from workflows.tracking import TrackingWorkflow

NOTE: dict[str, Any] = {"name": "tracking_note", "language": "en", "variables": {"1": "{ai.text}"}}
WANTS_IT = "I want to buy the blue scarf, how can I pay?"


def tracking(*, sending: Mapping[str, Any] | None = None, **changes: Any) -> Tracking:
    """A review whose messages go by themselves and at any hour, with a template for outside the window."""
    return Tracking.model_validate(
        {
            "name": "daily-review",
            "kind": "tracking",
            "auto_send": True,
            "template": NOTE,
            "sending": {"hours": "00:00-24:00", "time_zone": "store", "smart_sending_days": 0, **(sending or {})},
        }
        | changes
    )


async def wants(stack: Stack, text: str = WANTS_IT, *, answered: str | None = "It is 49.90.", **person: Any) -> Person:
    """A customer who wrote that, and was answered."""
    found = await stack.person(**person)
    await stack.write(found, text)
    if stack.env is not None:
        await stack.advance(seconds=2)  # WhatsApp's times have no fractions
    if answered is not None:
        await our_side_says(stack, found, answered)
    return found


async def begin_run(
    stack: Stack, definition: Tracking | None, *, key: str = "run-1", trigger: RunTrigger = RunTrigger.STAFF
) -> WorkflowHandle[Any, TrackingProgress]:
    """A run of the journey, published with that definition; without one, of the journey that is there, as it is."""
    if definition is not None:
        journey_id = await stack.publish(definition)
    else:
        (found,) = await stack.rows(Journey)
        journey_id = found.id
    workflow_id = f"tracking-{stack.store.store.slug}-{key}"
    stack.started.append(workflow_id)
    return await stack.client.start_workflow(
        TrackingWorkflow.run,
        TrackingInput(journey_id=journey_id, trigger=trigger),
        id=workflow_id,
        task_queue=queues.MAIN,
    )


async def run(stack: Stack, definition: Tracking, *, key: str = "run-1") -> TrackingProgress:
    """A run from its beginning to its end."""
    handle = await begin_run(stack, definition, key=key)

    async def over() -> bool:
        return (await handle.describe()).close_time is not None

    await stack.until(over)
    stack.started += [one.id for one in await stack.rows(Enrollment) if one.id not in stack.started]
    return await handle.result()


async def outcomes(stack: Stack) -> dict[int, str]:
    """What the latest run came to about each customer."""
    found = {}
    for review in await stack.rows(Review):
        found[review.customer_id] = (review.left_out or review.outcome).value
    return found
