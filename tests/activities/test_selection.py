"""Who enters with a launch, on both databases."""

from activities.selection import Selection
from models.enums import JourneyState, LaunchState, LeftOut
from models.tables import Customer, LaunchCandidate
from storage.engine import Database
from storage.journeys import publish
from storage.launches import CONTROL, ELIGIBLE, ENTERED, PACED, Decision, add_candidates, open_launch, record_decisions
from storage.stores import required_id
from tests.refusing import Sending
from tests.worlds import DEFINITION, NOON, make_world


async def test_a_launch_that_a_pause_has_cut_off_keeps_to_its_limit(database: Database) -> None:
    """Who entered or has a day before counts, whoever qualifies by the time it goes on; the control group does not."""
    world = await make_world(database)
    people = [await world.customer(f"+44770090012{n}", external_id=str(n)) for n in range(1, 6)]
    async with database.write() as session:
        journey, version = await publish(session, world.store_id, DEFINITION, now=NOON)
        journey.state = JourneyState.ACTIVE
        launch = await open_launch(
            session,
            store_id=world.store_id,
            journey_id=required_id(journey.id),
            version_id=required_id(version.id),
            limit=3,
            now=NOON,
            state=LaunchState.DECIDING,
        )
        launch_id = required_id(launch.id)
        await add_candidates(session, launch_id, people)
        outcomes = zip(people, (ENTERED, PACED, CONTROL, ELIGIBLE, ELIGIBLE), strict=True)
        await record_decisions(session, launch, [Decision(*one) for one in outcomes], now=NOON)
    await Selection(Sending(world).services).rank(launch_id, now=NOON)
    rows = {one.customer_id: one.outcome for one in await world.rows(LaunchCandidate)}
    assert [rows[one] for one in people] == [ENTERED, PACED, CONTROL, ELIGIBLE, LeftOut.LIMIT]
    assert len(await world.rows(Customer)) == 5
