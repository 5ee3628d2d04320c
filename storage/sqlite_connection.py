"""SQLite behind asyncio, with no more hops between threads than waiting needs.

aiosqlite runs every call on a thread of its own, and SQLAlchemy makes four calls for one statement (cursor, execute,
fetch, close). A hop costs more than most of our statements, and while it lasts its transaction keeps the one write
lock. Here only what can really wait goes to the thread: opening, taking the write lock, committing (the disk), and
reading outside a writing transaction (a report may take long), which then is one hop a statement. Inside a writing
transaction nothing waits any more, since the lock is held, so its statements run on the spot.
"""

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self, TypeVar

from aiosqlite import Connection, Cursor

TAKE_WRITE_LOCK = "BEGIN IMMEDIATE"

_ROWS_A_HOP = 64
ResultT = TypeVar("ResultT")


class SqliteConnection(Connection):
    """One connection; awaiting it opens it.

    The sqlite3 connection is used by two threads, never by both at once: a call goes to the event loop's own thread
    only while the connection's thread has nothing to do.

    Args:
        path: the database file.
        options: of `sqlite3.connect`.
    """

    def __init__(self, path: str, **options: Any) -> None:
        connect = partial(sqlite3.connect, path, **{**options, "check_same_thread": False})
        super().__init__(connect, _ROWS_A_HOP)
        # A program that ends without closing must not wait for this thread.
        self._thread.daemon = True
        # Two counters with one writer each: adding is not atomic between threads.
        self._handed_over = 0
        self._finished = 0
        self._writing = False

    def cursor(self) -> "SqliteCursor":  # type: ignore[override]  # a coroutine there; SQLAlchemy enters what it gets
        """A cursor, without a hop."""
        return SqliteCursor(self, self._conn.cursor())

    async def execute_all(self, cursor: sqlite3.Cursor, sql: str, parameters: Iterable[Any]) -> list[Any]:
        """Execute a statement and fetch everything that it returns."""
        rows = await self._run(partial(_execute_and_fetch, cursor, sql, parameters), on_the_spot=self._writing)
        self._writing = self._writing or sql == TAKE_WRITE_LOCK
        return rows

    async def execute_many(self, cursor: sqlite3.Cursor, sql: str, sets: Any) -> None:
        """Execute a statement for each set of parameters."""
        await self._run(partial(cursor.executemany, sql, sets), on_the_spot=self._writing)

    async def commit(self) -> None:
        """Commit the transaction; only one that wrote has the disk to wait for."""
        try:
            await self._run(self._conn.commit, on_the_spot=not self._writing)
        finally:
            self._writing = self._conn.in_transaction and self._writing

    async def rollback(self) -> None:
        """Undo the transaction."""
        await self._run(self._conn.rollback, on_the_spot=True)
        self._writing = False

    async def _run(self, call: Callable[[], ResultT], *, on_the_spot: bool) -> ResultT:
        # A cancelled wait leaves its call on the thread: whatever comes next has to queue up behind it.
        if on_the_spot and self._handed_over == self._finished:
            return call()
        self._handed_over += 1
        return await self._execute(self._counted, call)  # type: ignore[no-any-return, no-untyped-call]

    def _counted(self, call: Callable[[], ResultT]) -> ResultT:
        try:
            return call()
        finally:
            self._finished += 1


class SqliteCursor(Cursor):
    """A cursor that brings its rows back with the statement."""

    def __init__(self, connection: SqliteConnection, cursor: sqlite3.Cursor) -> None:
        super().__init__(connection, cursor)
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        """Execute a statement; its rows wait here."""
        self._rows = await self._connection.execute_all(self._cursor, sql, () if parameters is None else parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Execute a statement for each set of parameters."""
        await self._connection.execute_many(self._cursor, sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """The rows that were not taken yet."""
        rows, self._rows = self._rows, []
        return rows

    async def fetchone(self) -> Any:
        """The next row, None at the end."""
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows."""
        wanted = self._cursor.arraysize if size is None else size
        taken, self._rows = self._rows[:wanted], self._rows[wanted:]
        return taken

    async def close(self) -> None:
        """Forget the rows; sqlite3's own cursor was finished by fetching all of them."""
        self._rows = []


def _execute_and_fetch(cursor: sqlite3.Cursor, sql: str, parameters: Any) -> list[Any]:
    cursor.execute(sql, parameters)
    return cursor.fetchall() if cursor.description is not None else []
