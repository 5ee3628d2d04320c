"""SQLite behind asyncio: what runs on the spot, what waits elsewhere, and that neither disturbs the other."""

import asyncio
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.engine import Database


@pytest.fixture
async def tally(sqlite_database: Database) -> Database:
    """A database with a table of tally."""
    async with sqlite_database.write() as session:
        await _run(session, "CREATE TABLE tally (value INTEGER UNIQUE)")
    return sqlite_database


async def _run(session: AsyncSession, statement: str) -> list[int]:
    result = await (await session.connection()).execute(text(statement))
    return list(result.scalars()) if result.returns_rows else []


async def _values(database: Database) -> list[int]:
    async with database.read() as session:
        return await _run(session, "SELECT value FROM tally ORDER BY value")


async def test_a_cancelled_wait_for_the_write_lock_leaves_no_lock_behind(tally: Database) -> None:
    """A task that is cancelled while another process writes gives its connection back unharmed and unlocked."""
    other = Database(tally.shown_url)

    async def write() -> None:
        async with tally.write() as session:
            await _run(session, "INSERT INTO tally VALUES (1)")

    async with other.write() as session:
        waiting = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await _run(session, "INSERT INTO tally VALUES (2)")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(write(), 5)
    async with other.write() as session:
        await _run(session, "INSERT INTO tally VALUES (3)")
    assert await _values(tally) == [1, 2, 3]
    await other.close()


async def test_waiting_for_another_writer_does_not_stop_the_loop(tally: Database) -> None:
    """While another process holds the write lock, everything else in this one goes on."""
    other = Database(tally.shown_url)

    async def write() -> None:
        async with tally.write() as session:
            await _run(session, "INSERT INTO tally VALUES (1)")

    async with other.write():
        waiting = asyncio.create_task(write())
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert await _values(tally) == []
    await waiting
    assert await _values(tally) == [1]
    await other.close()


async def test_statements_of_a_writing_transaction_run_on_the_spot(tally: Database) -> None:
    """Once the lock is held no statement changes threads: the transaction lets nobody in between."""
    seen: list[int] = []

    def who() -> int:
        seen.append(threading.get_ident())
        return 1

    async with tally.write() as session:
        connection = await session.connection()
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        raw._conn.create_function("who", 0, who)
        await _run(session, "SELECT who()")
    async with tally.read() as session:
        await _run(session, "SELECT who()")
    assert seen[0] == threading.get_ident()
    assert seen[1] != threading.get_ident()


async def test_a_failed_statement_is_rolled_back_with_its_transaction(tally: Database) -> None:
    """A constraint that is broken on the spot undoes the whole transaction, and the next one works."""

    async def write_twice() -> None:
        async with tally.write() as session:
            await _run(session, "INSERT INTO tally VALUES (1)")
            await _run(session, "INSERT INTO tally VALUES (1)")

    with pytest.raises(IntegrityError):
        await write_twice()
    assert await _values(tally) == []
    async with tally.write() as session:
        await _run(session, "INSERT INTO tally VALUES (4)")
    assert await _values(tally) == [4]
