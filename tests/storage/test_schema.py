"""The migrations make the schema that the models describe, on both databases and with several programs at once."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from models.tables import Store
from storage.engine import Database
from storage.schema import HEAD, SchemaError, _run_migrations, create_all, ensure_current, schema_revision


def _differences(connection: Connection) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our tables point at each other in a circle, which sorting remarks on
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Store.metadata))


async def _compare(database: Database) -> list[Any]:
    async with database.engine.connect() as connection:
        return await connection.run_sync(_differences)


@pytest.fixture
async def empty_postgres(postgres_server: str) -> AsyncIterator[Database]:
    """A PostgreSQL database with nothing in it."""
    address = f"postgresql+asyncpg://postgres@/{{}}?host={postgres_server}"
    admin = create_async_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS fresh_schema WITH (FORCE)"))
        await connection.execute(text("CREATE DATABASE fresh_schema"))
    await admin.dispose()
    database = Database(address.format("fresh_schema"))
    yield database
    await database.close()


async def test_migrations_and_models_agree_on_sqlite(tmp_path: Path) -> None:
    """A database brought up by the migrations lacks nothing and has nothing more."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await ensure_current(database)
    assert await _compare(database) == []
    assert await schema_revision(database) == HEAD
    await database.close()


async def test_migrations_and_models_agree_on_postgres(empty_postgres: Database) -> None:
    """The operator's `alembic upgrade head` does the same there; before it every program says what to run."""
    with pytest.raises(SchemaError, match="alembic upgrade head"):
        await ensure_current(empty_postgres)
    async with empty_postgres.write() as session:
        await (await session.connection()).run_sync(_run_migrations)
    await ensure_current(empty_postgres)
    assert await _compare(empty_postgres) == []


async def test_the_throwaway_schema_is_the_same(tmp_path: Path) -> None:
    """What a simulation makes at once is what the migrations make, and counts as current."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await create_all(database)
    await ensure_current(database)
    assert await _compare(database) == []
    await database.close()


async def test_the_known_head_is_the_newest_migration() -> None:
    """The constant that saves loading Alembic is right, and there is one head."""
    script = ScriptDirectory.from_config(Config(Path(__file__).parents[2] / "alembic.ini"))
    assert script.get_heads() == [HEAD]


async def test_several_programs_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    """One of them upgrades, the others wait and find it done."""
    databases = [Database(f"sqlite+aiosqlite:///{tmp_path}/x.db") for _ in range(4)]
    await asyncio.gather(*(ensure_current(database) for database in databases))
    assert {await schema_revision(database) for database in databases} == {HEAD}
    for database in databases:
        await database.close()


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """Older code does not touch what a newer release has made."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await create_all(database)
    async with database.write() as session:
        await (await session.connection()).execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer"):
        await ensure_current(database)
    await database.close()
