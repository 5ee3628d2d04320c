"""How Alembic reaches the database: over the connection that `storage.schema` hands in, else by the settings."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from models.tables import Store
from settings import load_settings
from storage.engine import Database


def _migrate(connection: Connection) -> None:
    # One transaction for all steps, which is the caller's on SQLite: an interrupted upgrade leaves nothing behind.
    context.configure(
        connection=connection,
        target_metadata=Store.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def _migrate_by_settings() -> None:
    database = Database(load_settings().database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(_migrate)
    await database.close()


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise SystemExit("offline migrations are not supported: the upgrade looks at the database")
if given is None:
    asyncio.run(_migrate_by_settings())
else:
    _migrate(given)
