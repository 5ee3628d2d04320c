"""Advice about win-backs side by side, on both databases."""

from typing import Any

import pytest

from cli.audience_overlaps import overlap_advice
from models.enums import JourneyState
from models.journey import WinBack
from storage.engine import Database
from storage.publishing import publish
from tests.silences import follow_up
from tests.worlds import DEFINITION, NOON, World, make_world


def _win_back(name: str, **changes: Any) -> WinBack:
    return WinBack.model_validate(DEFINITION.model_dump() | {"name": name} | changes)


async def _publish(world: World, definition: WinBack, state: JourneyState = JourneyState.ACTIVE) -> None:
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, definition, now=NOON)
        journey.state = state


@pytest.mark.parametrize(
    ("priority", "who"),
    [
        (50, "both have priority 50, so whoever enters one of them first stays in it"),
        (51, "late (priority 51) takes them over from early (priority 50)"),
        (49, "early (priority 50) takes them over from late (priority 49)"),
    ],
)
async def test_it_names_the_other_and_who_gets_the_customers(database: Database, priority: int, who: str) -> None:
    """Only of journeys that take entrants, and whose filters meet; never of itself or another kind."""
    world = await make_world(database)
    await _publish(world, _win_back("early", audience={"inactive_days": 60, "inactive_days_max": 90}))
    await _publish(world, _win_back("apart", audience={"inactive_days": 10, "inactive_days_max": 59}))
    await _publish(world, _win_back("over", audience={"inactive_days": 60}), JourneyState.STOPPED)
    late = _win_back("late", priority=priority, audience={"inactive_days": 90})
    await _publish(world, late)
    async with database.read() as session:
        assert await overlap_advice(session, world.store_id, follow_up()) == []
        (told,) = await overlap_advice(session, world.store_id, late)
    assert told == (
        "early (60 to 90 days without an order) may ask for the same customers, who are in one journey at a time: "
        + who
    )
