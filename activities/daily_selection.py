"""The daily run of an always-on win-back: its launch is opened and handed to the journey's AudienceWorkflow."""

from datetime import datetime

from temporalio import activity

from activities.going_live import ask_audience
from activities.services import Services, started_at
from models.orchestration import DayBegun, JourneyRef
from storage.daily_selections import open_day
from storage.journeys import journey_of
from storage.stores import store_parts


class DailySelectionActivities:
    """What DailySelectionWorkflow asks of the database and of Temporal."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def begin_day(self, ask: JourneyRef) -> DayBegun:
        """Open this day's launch and have it carried out; done twice it is one launch."""
        return DayBegun(launch_ids=tuple(await begin_day(self._services, ask.journey_id, now=started_at())))


async def begin_day(services: Services, journey_id: int, *, now: datetime) -> list[int]:
    """Open the launch of the day, and ask for it and for those of earlier days that are not over.

    Raises:
        RPCError: Temporal did not accept it; the launch stands, and doing it again asks for it.
    """
    async with services.database.write() as session:
        launch_ids = await open_day(session, journey_id, now=now)
    async with services.database.read() as session:
        parts = await store_parts(session, (await journey_of(session, journey_id)).store_id)
    for launch_id in launch_ids:
        await ask_audience(services, parts, journey_id, launch_id)
    return launch_ids
