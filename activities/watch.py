"""What WatchWorkflow asks of the database and of Temporal: one look."""

from temporalio import activity
from temporalio.common import WorkflowIDConflictPolicy

from activities import queues
from activities.audience import AudienceActivities
from activities.heartbeats import with_signs_of_life
from activities.services import Services, started_at
from activities.watching import Looking
from models.orchestration import StartEntrants, WatchFound, WatchInput, WatchLook
from policies.watching import spacing
from storage.watches import OWNS_A_COLUMN, watch_workflow_id, watches_of

WATCH_WORKFLOW = "WatchWorkflow"
"""The workflow's type: activities know it by name, since imports run downward only."""


async def ensure_watches(services: Services, store_id: int) -> None:
    """See that every journey of the store that waits for silences or carts has its WatchWorkflow.

    A launch activates the journey before it starts the watch, and may die in between. One that runs is left alone.

    Raises:
        RPCError: Temporal did not accept it.
    """
    async with services.database.read() as session:
        watches = await watches_of(session, store_id, OWNS_A_COLUMN)
    for watch in watches:
        journey_id = watch.row.journey_id
        await services.temporal.start_workflow(
            WATCH_WORKFLOW,
            WatchInput(store_id=store_id, journey_id=journey_id, spacing=spacing(watch.definition)),
            id=watch_workflow_id(store_id, journey_id),
            task_queue=queues.MAIN,
            priority=queues.in_turns(store_id),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )


class WatchActivities:
    """The looks of follow-up and cart journeys."""

    def __init__(self, services: Services) -> None:
        self._looking = Looking(services)
        self._audience = AudienceActivities(services)

    @activity.defn
    @with_signs_of_life
    async def look(self, ask: WatchLook) -> WatchFound:
        """Enroll what is due, start the journeys of all who have none yet, and say when to look again.

        Somebody who entered in a look that died has no workflow yet: starting whoever has none finds them.
        """
        now = started_at()
        seen = await self._looking.enter_due(ask.journey_id, now=now)
        after: str | None = ""
        while after is not None:
            after = (await self._audience.start_entrants(StartEntrants(journey_id=ask.journey_id, after=after))).after
        return await self._looking.settle(ask.journey_id, seen, now=now)
