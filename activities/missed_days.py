"""New days for customers whose own day has passed without them: in a pause, or while no worker ran."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.launch_scene import LaunchScene
from policies.calendar import local_date
from policies.pacing import put_off
from policies.schedule import sending_hours
from storage.journeys import journey_of
from storage.paced import all_paced, move_days, next_paced_day


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
    queue = await all_paced(session, journey_id)
    days = put_off(
        (one for _, one in queue),
        entered_today=await scene.entered_on(session, today),
        today=today,
        max_per_day=scene.definition.sending.max_per_day,
        hours=sending_hours(scene.definition.sending),
    )
    await move_days(session, {key: day for (key, one), day in zip(queue, days, strict=True) if one.day != day})
