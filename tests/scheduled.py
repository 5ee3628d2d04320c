"""Waiting for the Temporal Schedules of journeys, which the store's upkeep makes."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.client import Client

from activities.schedules import ScheduleView

_LOOKS = 200


async def until_schedule(
    look: Callable[[Client, int, int], Awaitable[ScheduleView | None]],
    client: Client,
    holds: Callable[[ScheduleView | None], bool],
) -> ScheduleView | None:
    """The schedule of the first journey as soon as it is so; the store's upkeep puts it right within moments."""
    for _ in range(_LOOKS):
        view = await look(client, 1, 1)
        if holds(view):
            return view
        await asyncio.sleep(0.05)
    raise AssertionError(f"the schedule is still {view}")
