"""What a look at Meta's own figures changes, beside what its webhooks have told, on both databases."""

import pytest

from activities.health import _note_number
from models.tables import Number
from providers.whatsapp.wire import PhoneNumberHealth
from storage.engine import Database
from tests.worlds import NOON, PHONE_NUMBER_ID, later, make_world


@pytest.mark.parametrize(("minutes", "stands"), [(1, ("RED", 250)), (-1, ("GREEN", 1000))])
async def test_a_webhook_that_came_during_the_look_is_known_better(
    database: Database, minutes: int, stands: tuple[str, int]
) -> None:
    """A red number stays red and a lowered limit stays low, although Meta had answered otherwise a moment before."""
    world = await make_world(database)
    async with world.database.write() as session:
        number = await session.get_one(Number, world.number_id)
        number.quality, number.quality_at = "RED", later(minutes=minutes)
        number.daily_limit, number.limit_at = 250, later(minutes=minutes)
    told = PhoneNumberHealth(
        id=PHONE_NUMBER_ID, quality_rating="GREEN", whatsapp_business_manager_messaging_limit="TIER_1K"
    )
    async with world.database.write() as session:
        await _note_number(session, await session.get_one(Number, world.number_id), told, now=NOON)
    number = await world.one(Number, world.number_id)
    assert (number.quality, number.daily_limit) == stands
