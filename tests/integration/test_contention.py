"""Worker, gateway and command line are three processes on one SQLite file (DESIGN section 6)."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from models.tables import AppliedPiece, CustomerEvent, Order, Send, SendAttempt, SignalIntent
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from tests.integration.programs import running
from tests.processes import plain_environment
from tests.worlds import World

PEOPLE = 60
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def test_three_processes_get_along_on_one_file(tmp_path: Path) -> None:
    """Claims, ingests and reads at the same time: all succeed, and nothing is lost or doubled."""
    url, key = f"sqlite+aiosqlite:///{tmp_path}/shared.db", new_key()
    world = World(Database(url), Cipher([key]))
    await create_all(world.database)
    await world.add_store()
    for number in range(PEOPLE):
        person = await world.customer(f"+{447700900100 + number}", external_id=str(number + 1))
        await world.enroll(person, selected_at=LONG_AGO, entered_at=LONG_AGO)
    log = tmp_path / "log"
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                running("-m", "tests.integration.contender", role, url, key, env=plain_environment(), log=log)
            )
            for role in ("claim", "ingest", "read")
        ]
        async with asyncio.timeout(60):
            codes = [await process.wait() for process in processes]
    assert codes == [0, 0, 0], log.read_text()
    assert log.read_text() == ""
    assert len(await world.rows(SendAttempt)) == len(await world.rows(Send)) == PEOPLE
    assert len(await world.rows(Order)) == PEOPLE
    assert len(await world.rows(AppliedPiece)) == PEOPLE
    events = await world.rows(CustomerEvent)
    assert len(events) == len({one.dedupe_key for one in events}) == 2 * PEOPLE
    assert len(await world.rows(SignalIntent)) == 2 * PEOPLE
    await world.database.close()
