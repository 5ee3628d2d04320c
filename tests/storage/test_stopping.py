"""Ending journeys, and what support is told of them, on both databases."""

import pytest

from models.enums import EnrollmentState, ExitReason, JourneyState
from models.tables import Journey
from storage.diagnosis import paced_places
from storage.engine import Database
from storage.journeys import journey_of
from storage.lookup import (
    active_journeys,
    count_attributed_exits,
    customer_of_workflow,
    decisions_about,
    ever_entered,
    find_person,
    passages,
    texts_of,
)
from storage.stopping import close_entry, count_running, stop_customer, stop_everybody, stop_page
from tests.worlds import PHONE, make_world


async def test_a_stop_tells_who_runs_once_and_leaves_control_alone(database: Database) -> None:
    """One event and one intent for each running enrollment, also when the page is repeated."""
    world = await make_world(database)
    first = await world.enroll(await world.customer())
    await world.enroll(await world.customer("+447700900124"), state=EnrollmentState.CONTROL)
    async with database.write() as session:
        journey = await journey_of(session, 1, lock=True)
        assert await close_entry(session, journey, reason="test", now=world.now) == 0
    for told in (1, 0):
        async with database.write() as session:
            assert await stop_page(session, 1, after=0, now=world.now) == (told, None)
    assert await world.intents() == [(first, "stop")]
    assert await world.events() == [("stop", ExitReason.JOURNEY_STOPPED)]
    assert (await world.one(Journey, 1)).state is JourneyState.STOPPED


async def test_one_customer_can_be_stopped(database: Database) -> None:
    """Only the enrollment of that customer in that journey."""
    world = await make_world(database)
    customer = await world.customer()
    enrollment_id = await world.enroll(customer)
    async with database.write() as session:
        found = await stop_customer(session, 1, customer, now=world.now)
    assert (found.enrollment.id if found.enrollment else None, found.unpaced) == (enrollment_id, False)
    assert (bool(found), found.asked_again) == (True, False)
    assert await world.events() == [("stop", ExitReason.STOPPED_BY_STAFF)]


async def test_everything_about_a_person_is_found(database: Database) -> None:
    """By number and by workflow, with the passage, its sends and its attempts."""
    world = await make_world(database)
    customer = await world.customer()
    enrollment_id = await world.enroll(customer)
    await world.claim(enrollment_id)
    async with database.read() as session:
        found = await find_person(session, world.store_id, PHONE)
        assert found is not None
        assert found.id == customer
        assert await customer_of_workflow(session, world.store_id, enrollment_id) == found
        (passage,) = await passages(session, customer)
        assert (passage.version, len(passage.sends), len(passage.attempts)) == (1, 1, 1)
        assert await texts_of(session, passage.events) == {}
        assert await decisions_about(session, customer, 1) == []
        assert await paced_places(session, world.store_id, customer) == []
        assert await active_journeys(session, world.store_id) == []
        assert await count_attributed_exits(session, 1) == 0
        assert await count_running(session, 1) == 1
        assert await ever_entered(session, 1, [customer]) == {customer}


@pytest.mark.parametrize("state", [JourneyState.ACTIVE, JourneyState.PAUSED, JourneyState.PENDING])
async def test_a_stop_that_is_cut_off_is_finished_by_the_next(sqlite_database: Database, state: JourneyState) -> None:
    """Killed after its first page, it has stopped the journey; run again it tells those who are left, once each."""
    world = await make_world(sqlite_database)
    for number in range(150):
        await world.enroll(await world.customer(f"+4477009{number:05d}"))
    async with sqlite_database.write() as session:
        (await session.get_one(Journey, 1)).state = state

    def die(_told: int) -> None:
        raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        await stop_everybody(sqlite_database, 1, reason="test", clock=world.clock, on_page=die)
    assert (await world.one(Journey, 1)).state is JourneyState.STOPPED
    assert len(await world.events()) == 100
    pages: list[int] = []
    told, _ = await stop_everybody(sqlite_database, 1, reason="test", clock=world.clock, on_page=pages.append)
    assert (told, sum(pages)) == (50, 50)
    assert len(await world.events()) == 150
    assert len({one for one, _ in await world.intents()}) == 150
