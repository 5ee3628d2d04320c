"""A launch that is larger than what its number may do says so before anybody is asked."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from cli.launch_limits import limit_warnings
from cli.preview import Preview
from models.tables import Number
from policies.allowance import UNLIMITED
from storage.engine import Database
from storage.stores import store_parts
from tests.cli.conftest import Scene, edit
from tests.worlds import DEFINITION, NOON, make_world


async def warned(database: Database, messages: list[int], **number: object) -> list[str]:
    """What is said of so many messages a day from today on."""
    world = await make_world(database)
    async with database.write() as session:
        row = await session.get_one(Number, world.number_id)
        for name, value in number.items():
            setattr(row, name, value)
    async with database.read() as session:
        parts = await store_parts(session, world.store_id)
    days = {(NOON + timedelta(days=day)).date(): count for day, count in enumerate(messages) if count}
    preview = Preview(sum(messages), 0, {}, days, days)
    return await limit_warnings(database, parts, DEFINITION, preview, now=NOON)


@pytest.mark.parametrize(
    ("messages", "number"),
    [
        ([200, 200], {"daily_limit": 250}),
        ([100_000], {"daily_limit": UNLIMITED}),
        ([250], {"daily_limit": None}),
        ([50, 75], {"daily_limit": UNLIMITED, "warm_up": "start=50,grow=1.5"}),
        ([], {"daily_limit": 250}),
    ],
)
async def test_a_launch_within_the_limits_is_not_warned_of(
    sqlite_database: Database, messages: list[int], number: dict[str, object]
) -> None:
    """Four fifths of the portfolio's limit, no limit, Meta's lowest one where none is known, a warm-up's own steps."""
    assert await warned(sqlite_database, messages, **number) == []


async def test_a_launch_above_the_tier_is_told_what_becomes_of_it(sqlite_database: Database) -> None:
    """How many may be reached a day, how many are late or lost, and how long it takes."""
    [warning] = await warned(sqlite_database, [1000], daily_limit=250)
    assert "up to 1000 messages are planned for one day, and the number may write to 200 new people" in warning
    assert "250 in 24 hours, a fifth of it kept" in warning
    assert "about 600 go a day or more late" in warning
    assert "about 4 days instead of 1" in warning
    assert "about 200 wait longer than hold_for (3d), and then the stage is skipped" in warning


async def test_a_warm_up_counts_with_its_growth(sqlite_database: Database) -> None:
    """50, 75 and 112 on the first three days: who waits loses nothing."""
    [warning] = await warned(sqlite_database, [200], daily_limit=UNLIMITED, warm_up="start=50,grow=1.5")
    assert "the number's own is 50 for now (warm-up)" in warning
    assert "about 150 go a day or more late; it takes about 3 days instead of 1." in warning
    assert "hold_for (" not in warning


async def test_a_limit_that_nobody_knows_is_said_to_be_unknown(sqlite_database: Database) -> None:
    """Above Meta's lowest limit, since nothing here keeps the launch within it."""
    [warning] = await warned(sqlite_database, [251], daily_limit=None)
    assert warning.startswith("Meta has not told how many new people a day")
    assert "250" in warning


@pytest.mark.usefixtures("worker")
async def test_the_preview_says_it_in_words_and_in_the_document(world: Scene, journey_file: Path) -> None:
    """One customer a day for two who are due: with a hold of an hour the second one's stage is lost."""
    edit(journey_file, ("{hours", "{hold_for: 1h, hours"))
    async with world.database.write() as session:
        (await session.exec(select(Number))).one().warm_up = "start=1,grow=1,ceiling=1"
    for number in (1, 2):
        world.customer(number)
    shown = await world.run("launch", str(journey_file), "--yes", "--json")
    assert shown.code == 0, shown.err
    [warning] = json.loads(shown.out)["warnings"]
    assert "may write to 1 new people" in warning
    assert "about 2 wait longer than hold_for (1h)" in warning
    assert f"warning: {warning[:40]}" in shown.err
