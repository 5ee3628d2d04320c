"""All versions of a database of before they were told apart are published ones once it is brought up to date."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlmodel import col, select

from models.tables import JourneyVersion, Launch, Paced
from storage.engine import Database
from storage.schema import _run_migrations
from tests.databases import RowsOfOld, database_of_old

_AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


def _versions(connection: Connection) -> None:
    """Two versions; a launch of the first waits for the end of a pause, another one is over but for one customer."""
    rows = RowsOfOld(connection)
    rows.put("store", id=1, slug="old")
    rows.put("customer", id=1)
    rows.put("journey", id=1, kind="win_back", state="paused")
    for number in (1, 2):
        rows.put("journey_version", id=number, number=number, created_at=_AT + timedelta(days=number))
    for number, state in enumerate(("waiting", "done"), start=1):
        rows.put("launch", id=number, version_id=1, state=state)
    rows.put("paced", version_id=1, launch_id=2, day=date(2026, 11, 20))


@pytest.fixture(params=["sqlite", "postgres"])
async def old_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as the release before left it."""
    async with database_of_old(request, tmp_path, revision="0005", fill=_versions) as database:
        yield database


async def test_an_upgrade_takes_all_versions_for_published(old_database: Database) -> None:
    """And lets those who wait follow the newest, as everybody does from then on."""
    async with old_database.write() as session:
        await (await session.connection()).run_sync(_run_migrations)
    async with old_database.read() as session:
        versions = await session.exec(select(JourneyVersion).order_by(col(JourneyVersion.id)))
        assert [one.published_at for one in versions] == [_AT + timedelta(days=number) for number in (1, 2)]
        assert [one.version_id for one in await session.exec(select(Launch).order_by(col(Launch.id)))] == [2, 1]
        assert [one.version_id for one in await session.exec(select(Paced))] == [2]
