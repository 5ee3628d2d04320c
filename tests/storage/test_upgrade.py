"""A database of the first release keeps what it knows when it is brought up to date."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlmodel import col, select

from models.enums import MessageAuthor
from models.tables import ChatMessage, Conversation, Customer, Store
from storage.engine import Database
from storage.schema import HEAD, _run_migrations, ensure_current, schema_revision
from tests.databases import database_of_old

_ROWS = Path(__file__).with_name("first_release.sql")


def _first_release(connection: Connection) -> None:
    for statement in filter(str.strip, _ROWS.read_text("utf-8").split(";")):
        connection.execute(text(statement))


@pytest.fixture(params=["sqlite", "postgres"])
async def old_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as the first release left it."""
    async with database_of_old(request, tmp_path, revision="0001", fill=_first_release) as database:
        yield database


async def _customers(database: Database) -> list[Customer]:
    async with database.read() as session:
        return list(await session.exec(select(Customer).order_by(col(Customer.id))))


async def test_an_upgrade_keeps_people_and_tells_whose_stop_it_was(old_database: Database) -> None:
    """Nobody is lost or opted in by the upgrade; a stop at Meta and a word to us are told apart from then on."""
    if old_database.is_sqlite:
        await ensure_current(old_database)
    else:
        async with old_database.write() as session:
            await (await session.connection()).run_sync(_run_migrations)
    assert await schema_revision(old_database) == HEAD
    at = datetime(2026, 11, 1, 10, tzinfo=UTC)
    told: list[tuple[Any, ...]] = [
        (one.opted_out_at, one.stopped_at, one.stopped_source, one.meta_stop_at)
        for one in await _customers(old_database)
    ]
    assert told == [(at, at, "stop_word", None), (at, None, None, at), (None, None, None, None)]


async def test_an_upgrade_knows_who_wrote_each_message(old_database: Database) -> None:
    """What a customer wrote stays theirs, and a journey's own message neither begins nor ends a silence."""
    async with old_database.write() as session:
        await (await session.connection()).run_sync(_run_migrations)
    async with old_database.read() as session:
        authors = list(await session.exec(select(ChatMessage.author).order_by(col(ChatMessage.id))))
        store = (await session.exec(select(Store))).one()
    assert authors == [MessageAuthor.CUSTOMER, MessageAuthor.JOURNEY]
    assert store.stop_words == []


async def test_an_upgrade_knows_when_customers_last_wrote(old_database: Database) -> None:
    """The daily review finds conversations from before there was one."""
    async with old_database.write() as session:
        await (await session.connection()).run_sync(_run_migrations)
    async with old_database.read() as session:
        (chat,) = (await session.exec(select(Conversation))).all()
    at = datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (chat.customer_wrote_at, chat.customer_heard_at) == (at, at)
