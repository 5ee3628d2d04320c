"""Messages that wait for a person, as they are asked for, on both databases."""

from storage.approvals import has_send, waiting_for_approval, waiting_send
from storage.credits import ledger_lines, open_ledger
from tests.worlds import World

BEYOND = 2**53
"""What an API's caller or a hand at the command line may ask for, and no database has."""


async def test_an_id_beyond_every_database_is_nobodys(world: World) -> None:
    """Larger than PostgreSQL's integers, it is answered as any other that does not exist, and not with a fault."""
    async with world.database.write() as session:
        await open_ledger(session, world.store_id, 5, now=world.now)
    async with world.database.read() as session:
        assert await waiting_send(session, world.store_id, BEYOND) is None
        assert not await has_send(session, world.store_id, BEYOND)
        assert await waiting_for_approval(session, world.store_id, after=BEYOND) == []
        assert len(await ledger_lines(session, world.store_id, limit=5, before=BEYOND)) == 1
