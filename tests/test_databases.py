"""Tests may share a database because nothing of the one before is left in it."""

from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlmodel import SQLModel

from models.tables import Customer
from storage.engine import Database
from storage.schema import HEAD, schema_revision
from tests.databases import PostgresDatabases, database_at, new_sqlite_file
from tests.worlds import make_world


async def _touch(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(statement)
    await connection.close()


async def _filled(url: str) -> list[int]:
    """The ids that a store, its number and a customer get."""
    database = Database(url)
    world = await make_world(database)
    await world.enroll(await world.customer())
    (customer,) = await world.rows(Customer)
    await database.close()
    return [world.store_id, world.number_id, customer.id]


async def test_the_next_test_gets_an_empty_database(postgres_databases: PostgresDatabases) -> None:
    """It is the same one, no table of it has a row, and its ids begin anew."""
    async with postgres_databases.one() as first:
        assert await _filled(first) == [1, 1, 1]
    async with postgres_databases.one() as second:
        assert second == first
        connection = await asyncpg.connect(second.replace("+asyncpg", ""))
        rows = [await connection.fetchval(f'SELECT count(*) FROM "{name}"') for name in SQLModel.metadata.tables]  # noqa: S608 - our own names
        await connection.close()
        assert sum(rows) == 0
        assert await _filled(second) == [1, 1, 1]


async def test_a_test_that_leaves_a_transaction_open_holds_nobody_up(postgres_databases: PostgresDatabases) -> None:
    """Its connection is closed, and what it had written is gone."""
    async with postgres_databases.one() as first:
        await _filled(first)
        left = await asyncpg.connect(first.replace("+asyncpg", ""))
        await left.execute("BEGIN; UPDATE customer SET first_name = 'Ada'")
    async with postgres_databases.one() as second:
        assert (second, await _filled(second)) == (first, [1, 1, 1])
    left.terminate()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE further (id int)",
        "DROP TABLE signal_intent",
        "ALTER TABLE customer ADD COLUMN further int",
        "ALTER TABLE customer ALTER COLUMN store_id DROP NOT NULL",
        "ALTER TABLE customer ADD CONSTRAINT further CHECK (id > 0)",
        "CREATE INDEX further ON customer (first_name)",
        "CREATE FUNCTION further() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER further BEFORE UPDATE ON customer EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ],
)
async def test_a_database_with_another_schema_is_not_used_again(
    postgres_databases: PostgresDatabases, statement: str
) -> None:
    """Whatever a test has changed about tables, the next one does not meet it."""
    async with postgres_databases.one() as first:
        await _touch(first, statement)
    async with postgres_databases.one() as second:
        assert second != first


@pytest.mark.parametrize(("stamped", "revision"), [(True, HEAD), (False, None)])
async def test_a_file_that_is_written_anew_has_nothing_of_the_old(
    tmp_path: Path, *, stamped: bool, revision: str | None
) -> None:
    """Not even what the old one's log still held, while somebody has the old one open."""
    url = f"sqlite+aiosqlite:///{tmp_path}/again.db"
    new_sqlite_file(tmp_path / "again.db", stamped=stamped)
    database = database_at(url)
    async with Database(url).read() as somebody:
        await somebody.connection()
        assert await _filled(url) == [1, 1, 1]
        await database.close()
    new_sqlite_file(tmp_path / "again.db", stamped=stamped)
    assert database_at(url) is database
    assert await _filled(url) == [1, 1, 1]
    assert await schema_revision(database) == revision
    await database.close()
