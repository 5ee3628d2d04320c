"""The cost of a claim: the transaction that must be on disk before a message may leave."""

import statistics
import tempfile
import time
from datetime import datetime

from bench.figures import Figure, note
from bench.postgres import own_postgres
from bench.shop import open_shop
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.sends import claim
from storage.stages import locked_stage


async def figures(count: int, *, now: datetime) -> list[Figure]:
    """On SQLite and, where its development package is installed, on PostgreSQL."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite+aiosqlite:///{directory}/claims.db")
        found.append(note("a claim on SQLite", await _measured(database, count, now=now)))
    async with own_postgres() as url:
        if url is not None:
            found.append(note("a claim on PostgreSQL", await _measured(Database(url), count, now=now)))
    return found


async def _measured(database: Database, count: int, *, now: datetime) -> str:
    await create_all(database)
    try:
        shop = await open_shop(database, Cipher([new_key()]), entrants=count, now=now)
        took = []
        for entrant in shop.entrants:
            began = time.perf_counter()
            async with database.write() as session:
                stage = await locked_stage(session, entrant.enrollment_id, 0, 0)
                if stage.send is None:
                    raise RuntimeError("the draft is gone")
                await claim(session, stage.send, number_id=shop.number_id, used_template=True, now=now)
            took.append(time.perf_counter() - began)
    finally:
        await database.close()
    return f"{1000 * statistics.median(took):.1f} ms (median of {count}, one after the other)"
