"""A launch whose command line is killed while it selects."""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlmodel import func, select

from models.enums import JourneyState, LaunchState
from models.tables import Enrollment, Journey, Launch, LaunchCandidate
from tests.cli.conftest import ROOT, Scene

pytestmark = pytest.mark.usefixtures("worker")

PEOPLE = 260
"""More than a page of the shop."""


async def _considered(scene: Scene) -> int:
    async with scene.database.read() as session:
        return (await session.exec(select(func.count()).select_from(LaunchCandidate))).one()


async def test_a_launch_killed_while_it_selects_has_enrolled_nobody_and_is_run_again(
    world: Scene, journey_file: Path
) -> None:
    """`kill -9` leaves a launch that nothing goes on with; the next one enters everybody whom it may, once."""
    for number in range(1, PEOPLE + 1):
        world.customer(number)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "starter.py"), "launch", str(journey_file), "--yes"),
        env={**os.environ, **world.environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while not await _considered(world):  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.01)
    finally:
        process.kill()
        await process.wait()
    async with world.database.read() as session:
        assert (await session.exec(select(Enrollment))).all() == []
        assert (await session.exec(select(Journey.state))).one() is JourneyState.DRAFT
        assert (await session.exec(select(Launch.state))).one() in (LaunchState.SELECTING, LaunchState.DECIDING)
    again = await world.run("launch", str(journey_file), "--yes", "--limit", "3", "--json")
    assert again.code == 0, again.err
    audience = json.loads(again.out)["audience"]
    assert (audience["entered"], audience["skipped"]["limit"]) == (3, PEOPLE - 3)
    assert audience["considered"] == PEOPLE
    async with world.database.read() as session:
        rows = (await session.exec(select(Enrollment))).all()
        states = Counter((await session.exec(select(Launch.state))).all())
    assert len({one.customer_id for one in rows}) == len(rows) == 3
    assert states[LaunchState.DONE] == 1
