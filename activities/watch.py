"""What WatchWorkflow asks of the database and of Temporal: one look."""

from temporalio import activity

from activities.audience import AudienceActivities
from activities.services import Services, started_at
from activities.watching import Looking
from models.orchestration import StartEntrants, WatchFound, WatchLook


class WatchActivities:
    """The looks of follow-up and cart journeys."""

    def __init__(self, services: Services) -> None:
        self._looking = Looking(services)
        self._audience = AudienceActivities(services)

    @activity.defn
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
