"""Pauses of a number: who finds out that one is over, and what is released with it, on both databases."""

from models.enums import HoldReason, JourneyState
from models.journey import parse_definition_json
from models.tables import Journey, Number
from policies.account_events import GoOn, Stop
from storage.enrollments import enrollment_facts, set_holding
from storage.ingest_accounts import AccountPiece, note_accounts
from storage.pausing import journey_key, pause
from storage.publishing import publish
from storage.senders import end_pause, let_probe, pause_code, pause_sender
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, WABA, World, later

UNPAID, SPAM = 131042, 131048


async def runs(world: World) -> str:
    """Somebody in a journey that runs; the enrollment."""
    enrollment = await world.enroll(await world.customer())
    async with world.database.write() as session:
        (await session.get_one(Journey, 1)).state = JourneyState.ACTIVE
    return enrollment


async def refused(world: World, code: int, hours: float = 0) -> Number | None:
    """Meta refuses a message of the number."""
    async with world.database.write() as session:
        return await pause_sender(session, world.number_id, code, now=later(hours=hours))


async def account(world: World, effect: Stop | GoOn, hours: float) -> None:
    """Meta tells something of the account."""
    piece = AccountPiece(f"acc:{hours}", WABA, (world.number_id,), "DISABLED_UPDATE", effect, later(hours=hours))
    async with world.database.write() as session:
        await note_accounts(session, [piece], now=later(hours=hours))


async def test_a_bill_that_another_refusal_has_covered_is_over_with_the_pause(world: World) -> None:
    """The probe after 131042 meets another code; when the number sends again, the journeys go on all the same."""
    await runs(world)
    await refused(world, UNPAID)
    await refused(world, SPAM, hours=2)
    async with world.database.write() as session:
        assert await end_pause(session, world.number_id, now=later(hours=30))
    assert (await world.one(Journey, 1)).state is JourneyState.ACTIVE


async def test_a_bill_that_the_accounts_stop_has_covered_is_over_with_it(world: World) -> None:
    """Meta stops an account that owes, and lets it go on: so do the journeys that the bill had paused."""
    await runs(world)
    await refused(world, UNPAID)
    await account(world, Stop(None), 1)
    await account(world, GoOn(), 2)
    assert (await world.one(Number, world.number_id)).paused_reason is None
    assert (await world.one(Journey, 1)).state is JourneyState.ACTIVE


async def test_a_refusal_after_the_accounts_pause_begins_a_new_one(world: World) -> None:
    """What Meta said of the account is over: without a rest of its own the number would be tried every minute."""
    await runs(world)
    await account(world, Stop(later(hours=10)), 1)
    number = await refused(world, UNPAID, hours=5)
    assert number is not None
    assert (pause_code(number), number.paused_until) == (None, later(hours=10))
    number = await refused(world, UNPAID, hours=11)
    assert number is not None
    assert pause_code(number) == UNPAID
    assert number.paused_until is not None
    assert number.paused_until > later(hours=11)
    assert (await world.one(Journey, 1)).state is JourneyState.PAUSED


async def test_nobody_of_a_journey_that_staff_have_paused_is_sent_to_find_out(world: World) -> None:
    """Their stage may not probe, so asking them again and again would keep the others waiting for ever."""
    first = await runs(world)
    other = parse_definition_json(DEFINITION.model_copy(update={"name": "other"}).model_dump_json(by_alias=True))
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, other, now=NOON)
        journey.state, journey_id = JourneyState.ACTIVE, required_id(journey.id)
        version_id = required_id(version.id)
    second = await world.enroll(await world.customer("+447700900124"), journey_id=journey_id, version_id=version_id)
    await refused(world, UNPAID)
    async with world.database.write() as session:
        await pause(session, world.store_id, DEFINITION.name, now=NOON)
        for enrollment, key in ((first, journey_key(1)), (second, journey_key(journey_id))):
            facts = await enrollment_facts(session, enrollment)
            set_holding(session, facts.enrollment, reason=HoldReason.JOURNEY_PAUSED, key=key, until=None, now=NOON)
    async with world.database.write() as session:
        number = await session.get_one(Number, world.number_id)
        assert await let_probe(session, number, now=later(hours=2))
    assert [who for who, _ in await world.intents() if who is not None] == [second]
