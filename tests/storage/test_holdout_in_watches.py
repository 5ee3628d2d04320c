"""The holdout where journeys take customers in one by one: both arms from the same people at the same time."""

from collections import Counter
from datetime import timedelta

from models.enums import EnrollmentState, ExitReason
from models.tables import Customer, Enrollment, WatchAnswer
from storage.customers import lock_customer
from storage.enrollments import close_enrollment
from storage.publishing import publish
from tests.looking import launch, look, people, silent
from tests.silences import follow_up
from tests.worlds import World, later

PEOPLE = 40


async def test_a_full_day_leaves_both_arms_out_alike(world: World) -> None:
    """Once the day's number is reached nobody enters, held out or not; the next day goes on in the same order."""
    everybody = await people(world, PEOPLE)
    for number, one in enumerate(everybody):
        await silent(world, one, at=later(days=-3, minutes=number))
    journey_id = await launch(world, follow_up(sending={"max_per_day": 2}, conversations={"control_percent": 50}))
    for day in range(1, 4):
        rows = await world.rows(Enrollment)
        treated = [one for one in rows if not one.control]
        assert len(treated) == 2 * day
        # Nobody who has waited longer than the last of the treated is left, and nobody after them has entered.
        last = max(one.customer_id for one in treated)
        assert {one.customer_id for one in rows} == set(everybody[: everybody.index(last) + 1])
        world.now = later(days=day)
        await look(world, journey_id)
    waiting = Counter(one.outcome for one in await world.rows(WatchAnswer))
    assert waiting["paced"] == PEOPLE - len(await world.rows(Enrollment))


async def test_a_raised_percentage_only_adds_over_versions_and_imports(world: World) -> None:
    """Whoever was held out is held out by the next version, and again when the shop's customer is imported anew."""
    everybody = await people(world, PEOPLE // 2)
    numbers = {one.id: one.external_id for one in await world.rows(Customer)}
    for one in everybody:
        await silent(world, one, at=later(days=-3))
    journey_id = await launch(world, follow_up(conversations={"control_percent": 50}))
    before = {numbers[one.customer_id] for one in await world.rows(Enrollment) if one.control}
    assert 0 < len(before) < len(everybody)
    for row in await world.rows(Enrollment):
        async with world.database.write() as session:
            await lock_customer(session, row.customer_id)
            open_row = await session.get_one(Enrollment, row.id)
            await close_enrollment(session, open_row, reason=ExitReason.COMPLETED, now=world.now)
    async with world.database.write() as session:
        definition = follow_up(conversations={"control_percent": 80})
        await publish(session, world.store_id, definition, now=world.now)
    # The shop lost its customers and has them again, with the numbers that they had.
    world.now += timedelta(days=200)
    anew = {}
    for number, (old, external_id) in enumerate(numbers.items()):
        async with world.database.write() as session:
            row = await session.get_one(Customer, old)
            row.external_id = row.phone = None
        anew[await world.customer(f"+4477009010{number:02}", external_id=external_id)] = external_id
    for one in anew:
        await silent(world, one, at=world.now - timedelta(days=3))
    await look(world, journey_id)
    rows = [one for one in await world.rows(Enrollment) if one.state is not EnrollmentState.CLOSED]
    assert {one.customer_id for one in rows} == set(anew)
    after = {anew[one.customer_id] for one in rows if one.control}
    assert before < after
