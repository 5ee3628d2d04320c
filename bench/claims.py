"""The cost of a claim: the transaction that must be on disk before a message may leave."""

import statistics
import tempfile
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from bench.figures import Figure, note
from bench.postgres import own_postgres
from bench.shop import Entrant, Shop, open_shop
from models.tables import Number
from storage.allowances import Room, Wanted, find_room
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.sends import claim
from storage.stages import locked_stage
from storage.stores import required_id


async def figures(count: int, *, now: datetime) -> list[Figure]:
    """On SQLite and, where its development package is installed, on PostgreSQL; without and with a limit to count."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite+aiosqlite:///{directory}/claims.db")
        found += await _measured("SQLite", database, count, now=now)
    async with own_postgres() as url:
        if url is not None:
            found += await _measured("PostgreSQL", Database(url), count, now=now)
    return found


async def _measured(name: str, database: Database, count: int, *, now: datetime) -> list[Figure]:
    await create_all(database)
    cipher = Cipher([new_key()])
    try:
        shop = await open_shop(database, cipher, entrants=2 * count, now=now)
        free = [await _claim(database, cipher, shop, one, now=now) for one in shop.entrants[:count]]
        async with database.write() as session:
            (await session.get_one(Number, shop.number_id)).daily_limit = 10 * count
        limited = [await _claim(database, cipher, shop, one, now=now) for one in shop.entrants[count:]]
    finally:
        await database.close()
    return [
        note(f"a claim on {name}", _median(free)),
        note(f"a claim on {name} that a portfolio's limit counts", _median(limited)),
    ]


async def _claim(database: Database, cipher: Cipher, shop: Shop, entrant: Entrant, *, now: datetime) -> float:
    began = time.perf_counter()
    async with database.write() as session:
        stage = await locked_stage(session, entrant.enrollment_id, 0, 0)
        if stage.send is None:
            raise RuntimeError("the draft is gone")
        facts = stage.enrollment
        wanted = Wanted(
            number=facts.number,
            address=entrant.phone,
            customer_id=required_id(facts.customer.id),
            kind=facts.definition.kind,
            enrollment=facts.enrollment,
            zone=ZoneInfo(facts.store.time_zone),
            at=now,
        )
        room = await find_room(session, wanted, cipher)
        if isinstance(room, Room):
            await room.take()
        await claim(session, stage.send, number_id=shop.number_id, used_template=True, now=now)
    return time.perf_counter() - began


def _median(took: list[float]) -> str:
    return f"{1000 * statistics.median(took):.1f} ms (median of {len(took)}, one after the other)"
