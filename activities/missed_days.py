"""New days for customers whose own day has passed without them: in a pause, or while no worker ran."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.launch_scene import LaunchScene
from policies.calendar import local_date
from storage.journeys import journey_of
from storage.paced import give_days_again, next_paced_day


async def put_off_missed(session: AsyncSession, scene: LaunchScene, *, now: datetime) -> None:
    """See that nobody of the launch's journey waits for a day that is over; the order of those who wait stays.

    Args:
        session: a writing transaction.
        scene: whose number of entrants a day counts.
        now: today is the store's day of it.
    """
    journey_id, today = scene.launch.journey_id, local_date(now, scene.zone)
    first = await next_paced_day(session, journey_id)
    if first is None or first >= today:
        return
    await journey_of(session, journey_id, lock=True)
    await give_days_again(session, journey_id, scene.definition.sending, scene.zone, first=today, earlier=False)
