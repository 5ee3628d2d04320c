"""Is the schema of this database the one that the code knows? SQLite is brought up to date on the spot.

An embedded database has nobody who would run migrations, so whichever program opens it first does. A PostgreSQL
database is shared and perhaps large: there an operator decides when (`docs/operations.md`).
"""

import asyncio
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from models.tables import Store
from storage.engine import Database, DatabaseUnavailableError

HEAD: Final = "0007"
"""The newest revision in `migrations/versions`; a constant, so that the everyday look does not load Alembic."""

UPGRADE: Final = "python -m alembic upgrade head"

_LOOKS: Final = 200
_PAUSE_S: Final = 0.05

_CONFIGURATION: Final = Path(__file__).parents[1] / "alembic.ini"


class SchemaError(Exception):
    """The database's schema is not the one that this code needs; the text says what to do."""


async def ensure_current(database: Database) -> None:
    """Bring an SQLite database up to date, or see that another one is.

    Several processes may do it at once: the upgrade is one transaction under the database's write lock, and whoever
    waited for it finds the work done.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
        SchemaError: somebody has to upgrade the database, or the code.
    """
    found = await _first_look(database)
    if found == HEAD:
        return
    if not database.is_sqlite:
        raise SchemaError(_complaint(database, found))
    await _upgrade(database)


async def _first_look(database: Database) -> str | None:
    """The revision, read patiently.

    While one process gives a new SQLite file its write-ahead log, SQLite refuses the others at once instead of letting
    them wait for their busy time-out.
    """
    for left in range(_LOOKS, 0, -1):
        try:
            return await schema_revision(database)
        except DatabaseUnavailableError as error:
            if left == 1 or "locked" not in str(error.__cause__):
                raise
            await asyncio.sleep(_PAUSE_S)
    raise AssertionError("the last look returns or raises")  # pragma: no cover


async def schema_revision(database: Database) -> str | None:
    """The revision that the database is at; None before the first one.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
    """
    async with database.read() as session:
        return await (await session.connection()).run_sync(_revision)


async def create_all(database: Database) -> None:
    """Make the newest schema in an empty database that nobody will ever upgrade, such as a simulation's.

    Much faster than the migrations; a test holds both to the same result.
    """
    async with database.write() as session:
        await (await session.connection()).run_sync(_create_tables)


def _create_tables(connection: Connection) -> None:
    Store.metadata.create_all(connection)
    connection.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"))
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


async def _upgrade(database: Database) -> None:
    # The session has the write lock from its first statement on, and looks again under it.
    async with database.write() as session:
        connection = await session.connection()
        found = await connection.run_sync(_revision)
        if found == HEAD:
            return
        if found is None and await connection.run_sync(_has_tables):
            raise SchemaError(_complaint(database, found))
        if found is not None and found > HEAD:
            raise SchemaError(_complaint(database, found))
        await connection.run_sync(_run_migrations)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _has_tables(connection: Connection) -> bool:
    return inspect(connection).has_table("store")


def _run_migrations(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load, and needed once in a database's life
    from alembic.config import Config  # noqa: PLC0415 - as above

    configuration = Config(_CONFIGURATION)
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _complaint(database: Database, found: str | None) -> str:
    where = f"the database {database.shown_url}"
    if found is None:
        return f"{where} has no schema of Rekindle's; run `{UPGRADE}`"
    if found > HEAD:
        return f"{where} is at schema {found}, newer than this code knows ({HEAD}); use the newer release"
    return f"{where} is at schema {found} and this code needs {HEAD}; run `{UPGRADE}`"
