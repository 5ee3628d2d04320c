"""Fixtures for everybody: one database of each kind, and the embedded PostgreSQL server behind one of them."""

import quick_start  # noqa: F401 - for its effect

import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from storage.engine import Database
from tests.databases import PostgresDatabases, database_at, new_sqlite_file, running_postgres

_LONGEST = (
    "tests/chaos/",
    "tests/simulation/",
    "tests/cli/test_simulate.py",
    "tests/cli/test_stack.py",
    "tests/integration/",
)


# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


def pytest_configure() -> None:
    """Let programs that tests start be as in a terminal.

    They keep what they compile, or each of them compiles all of Rekindle again. And they hear Ctrl-C, which whatever
    runs in a shell's background ignores, its children too.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: the last one that a worker takes must not leave the other without work."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The directory of a real PostgreSQL server's socket; the server ends with the session."""
    with running_postgres() as socket_directory:
        yield socket_directory


@pytest.fixture(scope="session")
async def postgres_databases(postgres_server: str) -> AsyncIterator[PostgresDatabases]:
    """The server's databases for tests."""
    databases = PostgresDatabases(postgres_server)
    yield databases
    await databases.close()


@pytest.fixture
async def postgres_url(postgres_databases: PostgresDatabases) -> AsyncIterator[str]:
    """An empty PostgreSQL database with the schema."""
    async with postgres_databases.one() as url:
        yield url


@pytest.fixture
async def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """An empty SQLite database with the schema."""
    path = tmp_path_factory.getbasetemp() / "rekindle.db"
    new_sqlite_file(path, stamped=False)
    database = database_at(f"sqlite+aiosqlite:///{path}")
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[Database]:
    """An empty PostgreSQL database with the schema."""
    database = database_at(postgres_url)
    yield database
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database with the schema, once of each kind that we support."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
    return found
