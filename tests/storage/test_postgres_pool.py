import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.engine import Database
from storage.postgres_pool import replace_lost_connections

_WHO = text("SELECT pg_backend_pid()")


class Asked:
    """Counts the questions whether a connection lives; with `dead`, none does."""

    def __init__(self, dialect: Dialect) -> None:
        self.times = 0
        self.dead = False
        self._ask = dialect.do_ping

    def __call__(self, connection: object) -> bool:
        """Ask."""
        self.times += 1
        if self.dead:
            raise ConnectionResetError
        return self._ask(connection)  # type: ignore[arg-type]


async def _backend(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return int((await connection.execute(_WHO)).scalar_one())


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine with no listeners of ours."""
    found = create_async_engine(postgres_url)
    yield found
    await found.dispose()


def _count(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked(engine.dialect)
    monkeypatch.setattr(engine.dialect, "do_ping", asked)
    return asked


async def test_a_connection_in_use_is_not_asked_about(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction after the other takes the same connection, and costs no question."""
    replace_lost_connections(engine.sync_engine, ask_after_s=60)
    asked = _count(engine, monkeypatch)
    assert len({await _backend(engine) for _ in range(3)}) == 1
    assert asked.times == 0


async def test_an_idle_connection_is_asked_about_and_kept(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle for long is asked, and goes on being used when it answers."""
    replace_lost_connections(engine.sync_engine, ask_after_s=0)
    asked = _count(engine, monkeypatch)
    assert len({await _backend(engine) for _ in range(3)}) == 1
    assert asked.times == 2


async def test_an_idle_connection_that_does_not_answer_is_replaced(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that a router forgot gives way to a new one, and the transaction notices nothing."""
    replace_lost_connections(engine.sync_engine, ask_after_s=0)
    asked = _count(engine, monkeypatch)
    before = await _backend(engine)
    asked.dead = True
    assert await _backend(engine) != before


async def test_a_connection_that_the_server_closed_is_replaced_at_once(postgres_database: Database) -> None:
    """After the server dropped its connections the next transaction succeeds, however short they were idle."""
    engine = postgres_database.engine
    closed = asyncio.Event()
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(lambda _connection: closed.set())  # type: ignore[union-attr]
    lost = await _backend(engine)
    administrator = create_async_engine(engine.url)
    async with administrator.begin() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:lost)"), {"lost": lost})
    await administrator.dispose()
    await closed.wait()
    assert await _backend(engine) != lost
