"""Putting a journey away that is over, and taking it out again, on both databases."""

import pytest

from models.enums import EnrollmentState, JourneyState, LaunchState
from models.tables import Enrollment, Journey, Launch, Paced
from storage.archiving import NotArchivableError, archive, held_out, unarchive
from storage.daily_selections import keep_on
from storage.going_live import activate
from storage.journeys import journey_of, summaries
from storage.launches import open_launch
from storage.pausing import NotPausableError, pause, resume
from storage.publishing import publish
from storage.stopping import close_entry
from storage.stores import required_id
from tests.silences import follow_up
from tests.worlds import DEFINITION, NOON, World, later

NAME = DEFINITION.name


async def _made(world: World, state: JourneyState) -> None:
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, DEFINITION, now=NOON)
        activate(journey, now=NOON)
        journey.state = state


async def _archive(world: World, name: str = NAME) -> bool:
    async with world.database.write() as session:
        _, changed = await archive(session, world.store_id, name, now=later(hours=1))
        return changed


async def _refusal(world: World, name: str = NAME) -> str:
    with pytest.raises(NotArchivableError) as refused:
        await _archive(world, name)
    return str(refused.value)


async def test_it_goes_into_the_archive_and_comes_back_stopped(world: World) -> None:
    """It leaves the list and keeps its name; since when it is there is known; repeating either changes nothing."""
    await _made(world, JourneyState.ACTIVE)
    assert [await _archive(world) for _ in range(2)] == [True, False]
    journey: Journey = await world.one(Journey, 1)
    assert (journey.state, journey.state_since) == (JourneyState.ARCHIVED, later(hours=1))
    async with world.database.read() as session:
        assert await summaries(session, world.store_id) == []
        assert len(await summaries(session, world.store_id, archived=True)) == 1
    async with world.database.write() as session:
        found = [await unarchive(session, world.store_id, NAME, now=later(hours=2)) for _ in range(2)]
        assert [changed for _, changed in found] == [True, False]
    assert (await world.one(Journey, 1)).state is JourneyState.STOPPED


async def test_whoever_is_in_it_or_may_still_come_is_named(world: World) -> None:
    """Running, paced, a launch under way, and a journey that takes customers by itself: each says so."""
    await _made(world, JourneyState.ACTIVE)
    enrollment = await world.enroll(await world.customer())
    assert await _refusal(world) == f"{NAME} has 1 customers in it; `stop {NAME}` first"
    async with world.database.write() as session:
        (await session.get_one(Enrollment, enrollment)).state = EnrollmentState.CLOSED
        launch = await open_launch(
            session, store_id=1, journey_id=1, version_id=1, limit=None, now=NOON, state=LaunchState.WAITING
        )
        session.add(
            Paced(
                store_id=1,
                journey_id=1,
                version_id=1,
                launch_id=required_id(launch.id),
                customer_id=1,
                day=NOON.date(),
            )
        )
    assert "1 customers wait for a later day" in await _refusal(world)
    async with world.database.write() as session:
        await session.delete(await session.get_one(Paced, 1))
    assert "a launch of it" in (await _refusal(world)).replace(NAME, "it")
    async with world.database.write() as session:
        (await session.get_one(Launch, 1)).state = LaunchState.DONE
        await keep_on(session, await journey_of(session, 1), at="09:00", limit=None, only_new=False, now=NOON)
    assert "is active and takes customers by itself" in await _refusal(world)
    async with world.database.write() as session:
        await close_entry(session, await journey_of(session, 1), reason="staff", now=NOON)
    assert await _archive(world)
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, follow_up(), now=NOON)
        activate(journey, now=NOON)
        name = journey.name
    assert "takes customers by itself" in await _refusal(world, name)


async def test_an_archived_journey_is_neither_paused_nor_resumed_nor_stopped(world: World) -> None:
    """Resuming says how to take it out; a stop does not take it out unasked."""
    await _made(world, JourneyState.STOPPED)
    await _archive(world)
    for ask in (pause, resume):
        async with world.database.write() as session:
            with pytest.raises(NotPausableError, match="is archived"):
                await ask(session, world.store_id, NAME, now=NOON)
    async with world.database.write() as session:
        await close_entry(session, await journey_of(session, 1), reason="staff", now=NOON)
    assert (await world.one(Journey, 1)).state is JourneyState.ARCHIVED


async def test_control_keeps_its_slot(world: World) -> None:
    """Whom the holdout keeps out stays so until the horizon: both arms are measured until then."""
    await _made(world, JourneyState.ACTIVE)
    enrollment = await world.enroll(
        await world.customer(), state=EnrollmentState.CONTROL, control=True, horizon_at=later(days=30)
    )
    assert await _archive(world)
    async with world.database.read() as session:
        assert await held_out(session, 1) == 1
    assert (await world.one(Enrollment, enrollment)).state is EnrollmentState.CONTROL
