"""The engine and the unit of work: every transaction of the house begins here.

SQLite and PostgreSQL are spoken to through the same code. What differs is told once: on SQLite a writing transaction
takes the write lock at its first statement (`BEGIN IMMEDIATE`), because a read that is later upgraded can fail with
`SQLITE_BUSY` whatever the time-out, and the row locks that PostgreSQL takes with `FOR UPDATE` do not exist there.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.postgres_pool import replace_lost_connections
from storage.sqlite_connection import TAKE_WRITE_LOCK, SqliteConnection


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


ValueT = TypeVar("ValueT", bound=_Ordered)

LARGEST_ID = 2**31 - 1
"""PostgreSQL's largest integer: a larger number is no id, and asking for it is refused."""

_BUSY_TIMEOUT_MS = 30_000
_WRITES = "rekindle_writes"


def has_database(url: str) -> bool:
    """Whether there is anything at the address yet; only of SQLite can it be said without asking."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return True
    return bool(parsed.database) and Path(parsed.database or "").exists()


def is_sqlite(session: AsyncSession) -> bool:
    """Whether the session speaks to SQLite, which has one writer at a time and no row locks."""
    return session.get_bind().dialect.name == "sqlite"


def padded(values: Iterable[ValueT]) -> list[ValueT]:
    """The values in order, the last one repeated up to a power of two, for an `IN`.

    Every length is a statement of its own to the database; so there are a dozen, which it has prepared.
    """
    found = sorted(set(values))
    wanted = 1 << max(len(found) - 1, 0).bit_length()
    return found + found[-1:] * (wanted - len(found))


class DatabaseUnavailableError(Exception):
    """The database cannot be reached or opened; the text says which one and how to start it, without its password."""


class Database:
    """One database and its transactions.

    Args:
        url: `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`.
        throwaway: the file will be deleted when its process ends, so a commit need not wait for the disk. For a
            simulation's database only: after a power cut it may be broken.
    """

    def __init__(self, url: str, *, throwaway: bool = False) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.shown_url = parsed.render_as_string(hide_password=True)
        if self.is_sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"pool_size": 10, "max_overflow": 10}
        if self.is_sqlite:
            options["connect_args"] = {"async_creator_fn": SqliteConnection}
        # SQLAlchemy's error texts would repeat the parameters, which are people's numbers and words.
        self.engine: AsyncEngine = create_async_engine(url, hide_parameters=True, **options)
        # One writer at a time is SQLite's rule. Queueing in the process is fair and costs nothing, whereas SQLite's
        # own busy handler sleeps and starves; other processes still meet the busy time-out.
        self._writer = asyncio.Lock() if self.is_sqlite else None
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_throwaway if throwaway else _prepare_durable)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            replace_lost_connections(self.engine.sync_engine)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may write: committed at the end, rolled back by any exception.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        async with self._writer or nullcontext(), self._session(writes=True) as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads and never waits for writers.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        async with self._session(writes=False) as session:
            yield session

    @asynccontextmanager
    async def _session(self, *, writes: bool) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            try:
                await session.connection(execution_options={_WRITES: writes})
            except (OSError, OperationalError) as exc:
                msg = f"the database {self.shown_url} cannot be reached ({type(exc).__name__})"
                raise DatabaseUnavailableError(msg) from exc
            yield session

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()


def _prepare_durable(dbapi_connection: Any, _record: Any) -> None:
    _prepare_sqlite(dbapi_connection, synchronous="FULL")


def _prepare_throwaway(dbapi_connection: Any, _record: Any) -> None:
    _prepare_sqlite(dbapi_connection, synchronous="OFF")


def _prepare_sqlite(dbapi_connection: Any, *, synchronous: str) -> None:
    # The driver must not open transactions by itself: `_begin_sqlite` does.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, True)
    connection.exec_driver_sql(TAKE_WRITE_LOCK if writes else "BEGIN")
