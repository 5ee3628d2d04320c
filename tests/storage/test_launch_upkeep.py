"""The candidates of always-on journeys are thrown away in time, and their accounts stay, on both databases."""

from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from models.enums import LaunchState
from models.tables import Launch, LaunchCandidate, Paced
from storage.journey_versions import latest_launches
from storage.launch_upkeep import CANDIDATES_KEPT, forget_candidates
from storage.launches import ENTERED, Decision, add_candidates, open_launch, record_decisions
from storage.publishing import publish
from storage.stores import required_id
from storage.upkeep import prune
from tests.worlds import DEFINITION, NOON, World

OVER = NOON - CANDIDATES_KEPT - timedelta(minutes=1)


async def _launch(world: World, *, finished: datetime = OVER, daily: bool = True) -> int:
    """A launch that is over, with three candidates of whom one entered."""
    people = [await world.customer(None) for _ in range(3)]
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, DEFINITION, now=finished)
        launch = await open_launch(
            session,
            store_id=world.store_id,
            journey_id=required_id(journey.id),
            version_id=required_id(version.id),
            limit=None,
            now=finished,
            state=LaunchState.DONE,
        )
        launch.finished_at, launch.day = finished, finished.date() if daily else None
        launch_id = required_id(launch.id)
        await add_candidates(session, launch_id, people)
        outcomes = [ENTERED, "no_consent", "no_consent"]
        decisions = [Decision(*one) for one in zip(people, outcomes, strict=True)]
        await record_decisions(session, launch, decisions, now=finished)
        return launch_id


async def _forget(world: World) -> int:
    async with world.database.write() as session:
        return await forget_candidates(session, now=NOON)


async def test_an_old_days_account_outlives_its_candidates(world: World) -> None:
    """Page by page, through a crash between pages; what `journeys` shows stays the same."""
    launch_id = await _launch(world)
    with mock.patch("storage.launch_upkeep._AT_ONCE", 2):
        assert [await _forget(world) for _ in range(3)] == [2, 1, 0]
    assert await world.rows(LaunchCandidate) == []
    async with world.database.read() as session:
        (one,) = await latest_launches(session, 1, limit=10)
    assert (one.launch.id, one.outcomes) == (launch_id, {ENTERED: 1, "no_consent": 2})


@pytest.mark.parametrize("case", ["young", "by hand", "paced", "under way"])
async def test_what_may_still_be_asked_for_stays(world: World, case: str) -> None:
    """A young launch, one by hand, one of whom somebody waits for a later day, and one that is not over."""
    launch_id = await _launch(
        world, finished=OVER + timedelta(minutes=2) if case == "young" else OVER, daily=case != "by hand"
    )
    async with world.database.write() as session:
        if case == "paced":
            ids: dict[str, Any] = {"store_id": 1, "journey_id": 1, "version_id": 1, "customer_id": 1}
            session.add(Paced(launch_id=launch_id, day=NOON.date(), **ids))
        if case == "under way":
            (await session.get_one(Launch, launch_id)).state = LaunchState.STARTING
    assert await _forget(world) == 0
    assert len(await world.rows(LaunchCandidate)) == 3


async def test_it_is_part_of_the_stores_upkeep(world: World) -> None:
    """What the hourly round throws away includes it."""
    await _launch(world)
    async with world.database.write() as session:
        assert await prune(session, raw_before=OVER, now=NOON) == 3
