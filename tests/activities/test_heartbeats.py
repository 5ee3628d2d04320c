"""Long activities tell that they live."""

import asyncio
from unittest import mock

from temporalio import activity
from temporalio.testing import ActivityEnvironment

from activities.heartbeats import with_signs_of_life


async def test_a_long_activity_tells_that_it_lives_until_it_is_done() -> None:
    """Temporal hears of it again and again while it works, and nothing after."""
    beats: list[object] = []
    enough = asyncio.Event()

    def beat(*_: object) -> None:
        beats.append(None)
        if len(beats) == 3:
            enough.set()

    @activity.defn
    @with_signs_of_life
    async def work(pages: int) -> int:
        async with asyncio.timeout(10):
            await enough.wait()
        return pages

    environment = ActivityEnvironment()
    environment.on_heartbeat = beat
    often = mock.patch("activities.heartbeats._EVERY_S", 0.001)
    with often:
        assert await environment.run(work, 7) == 7
    done = len(beats)
    await asyncio.sleep(0.01)
    assert len(beats) == done >= 3


async def test_a_short_activity_costs_no_sign() -> None:
    """What is done at once sends nothing, because each sign is a billable action."""
    beats: list[object] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_: beats.append(None)

    @activity.defn
    @with_signs_of_life
    async def work() -> None:
        await asyncio.sleep(0)

    await environment.run(work)
    assert beats == []
