"""Versions that new entrants get and those that were only proposed, and who goes along with a new one."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from models.enums import JourneyState, LaunchState, LeftOut
from models.journey import WinBack
from models.tables import Enrollment, EntryDecision, JourneyVersion, Launch, Paced
from storage.engine import Database
from storage.journeys import journey_of, latest_version
from storage.launches import open_launch
from storage.publishing import OvertakenError, coming_number, confirm, propose, publish
from storage.stores import required_id
from tests.selecting import Selecting, selecting, win_back


@pytest.fixture
async def shop(database: Database) -> Selecting:
    """A store whose journey lets in two a day: eight wait for later days, on each kind of database."""
    shop = await selecting(database)
    for number in range(1, 11):
        shop.customer(number, silent_days=200 - number)
    await shop.launch(win_back(max_per_day=2))
    return shop


async def _publish(shop: Selecting, definition: WinBack) -> JourneyVersion:
    async with shop.world.database.write() as session:
        _, version = await publish(session, shop.world.store_id, definition, now=shop.world.now)
    return version


async def test_whoever_waits_for_a_later_day_enters_with_what_is_published_by_then(shop: Selecting) -> None:
    """Judged by its rules, too: they have not entered with anything yet."""
    assert await shop.days() == {3: 1, 4: 1, 5: 2, 6: 2, 7: 3, 8: 3, 9: 4, 10: 4}
    version = await _publish(shop, win_back(max_per_day=2, audience={"inactive_days": 198}))
    await shop.pass_days(1)
    entered = [one for one in await shop.world.rows(Enrollment) if one.version_id == version.id]
    assert len(entered) == 1
    assert sorted(await shop.arms()) == [1, 2, 3]
    (said,) = [one for one in await shop.world.rows(EntryDecision) if one.outcome == LeftOut.FILTER_INACTIVE_DAYS]
    assert (said.version_id, said.threshold) == (version.id, "at least 198 days")
    assert await shop.days() == {5: 1, 6: 1, 7: 2, 8: 2, 9: 3, 10: 3}


async def test_a_version_that_takes_fewer_a_day_puts_those_who_wait_off(shop: Selecting) -> None:
    """In the order of their days; what the day has taken already counts."""
    await shop.pass_days(1)
    await _publish(shop, win_back(max_per_day=1))
    assert await shop.days() == {5: 1, 6: 2, 7: 3, 8: 4, 9: 5, 10: 6}
    for day in range(1, 7):
        await shop.pass_days(1)
        assert len(await shop.arms()) == 4 + day


async def test_a_version_that_takes_more_a_day_lets_them_in_sooner(shop: Selecting) -> None:
    """But nobody before the first day that anybody had, for which the AudienceWorkflow sleeps."""
    await _publish(shop, win_back(max_per_day=5))
    assert await shop.days() == dict.fromkeys(range(3, 8), 1) | dict.fromkeys(range(8, 11), 2)
    await shop.pass_days(1)
    assert sorted(await shop.arms()) == list(range(1, 8))


async def test_a_day_that_has_begun_keeps_to_its_number(shop: Selecting) -> None:
    """One of today's two has entered: a version of three a day has room for two more of them."""
    shop.world.now += timedelta(days=1)
    async with shop.world.database.write() as session:
        rows = {one.day: one for one in await session.exec(select(Paced).order_by(col(Paced.id)))}
        first = rows[shop.world.now.date()]
        inside = (await session.exec(select(Enrollment).limit(1))).one()
        inside.selected_at = shop.world.now
        await session.delete(first)
    await _publish(shop, win_back(max_per_day=3))
    assert sorted((await shop.days()).values()) == [0, 0, 1, 1, 1, 2, 2]


async def test_a_version_that_changes_no_number_moves_nobody(shop: Selecting) -> None:
    """Gaps that others have left stay where they are: a day that somebody was told of is kept."""
    async with shop.world.database.write() as session:
        for row in await session.exec(select(Paced)):
            row.day += timedelta(days=5)
    before = await shop.days()
    await _publish(shop, win_back(max_per_day=2, audience={"inactive_days": 80}))
    assert await shop.days() == before


async def test_a_launch_that_waits_for_the_end_of_a_pause_goes_on_with_the_new_version(shop: Selecting) -> None:
    """One that is over keeps what it was."""
    await shop.put(JourneyState.PAUSED)
    async with shop.world.database.write() as session:
        over = (await session.exec(select(Launch))).one()
        waits = await open_launch(
            session,
            store_id=over.store_id,
            journey_id=over.journey_id,
            version_id=over.version_id,
            limit=None,
            now=shop.world.now,
            state=LaunchState.WAITING,
        )
    version = await _publish(shop, win_back(max_per_day=2, audience={"inactive_days": 80}))
    versions = {one.id: one.version_id for one in await shop.world.rows(Launch)}
    assert versions == {over.id: over.version_id, waits.id: version.id}


async def test_a_proposed_version_is_nobodys_before_it_is_confirmed(shop: Selecting) -> None:
    """New entrants get the old one, those who wait too; proposing the same again gives it no new number."""
    proposal = win_back(max_per_day=9)
    async with shop.world.database.write() as session:
        assert await coming_number(session, shop.journey_id, proposal) == 2
        journey, version = await propose(session, shop.world.store_id, proposal, now=shop.world.now)
        _, again = await propose(session, shop.world.store_id, proposal, now=shop.world.now)
        latest = await latest_version(session, shop.journey_id)
        assert (version.number, again.id, latest and latest.number) == (2, version.id, 1)
        assert await coming_number(session, shop.journey_id, proposal) == 2
        assert await coming_number(session, shop.journey_id, win_back(max_per_day=8)) == 3
    assert {one.version_id for one in await shop.world.rows(Paced)} != {version.id}
    assert max((await shop.days()).values()) == 4
    async with shop.world.database.write() as session:
        journey = await journey_of(session, shop.journey_id, alone=True)
        assert await confirm(session, journey, required_id(version.id), now=shop.world.now)
        assert not await confirm(session, journey, required_id(version.id), now=shop.world.now)
        latest = await latest_version(session, shop.journey_id)
        assert (latest and latest.number, journey.priority) == (2, proposal.priority)
    assert {one.version_id for one in await shop.world.rows(Paced)} == {version.id}
    assert set((await shop.days()).values()) == {1}


async def test_a_proposed_version_that_another_has_overtaken_is_not_confirmed(shop: Selecting) -> None:
    """Else who publishes last would not be whom new entrants follow."""
    async with shop.world.database.write() as session:
        _, old = await propose(session, shop.world.store_id, win_back(max_per_day=9), now=shop.world.now)
        _, newer = await publish(session, shop.world.store_id, win_back(max_per_day=7), now=shop.world.now)
        assert (old.number, newer.number) == (2, 3)
    async with shop.world.database.write() as session:
        journey = await journey_of(session, shop.journey_id, alone=True)
        with pytest.raises(OvertakenError, match="version 3"):
            await confirm(session, journey, required_id(old.id), now=shop.world.now)
    async with shop.world.database.write() as session:
        # The overtaken one is no longer what its number says; published again it gets a new one.
        _, again = await publish(session, shop.world.store_id, win_back(max_per_day=9), now=shop.world.now)
        assert again.number == 4
    async with shop.world.database.write() as session:
        # Nor is one that new entrants got when it was looked at: its launch would let in by what was replaced since.
        journey = await journey_of(session, shop.journey_id, alone=True)
        with pytest.raises(OvertakenError, match="version 4"):
            await confirm(session, journey, required_id(newer.id), now=shop.world.now)


async def test_a_launch_under_way_ends_with_its_own_version_and_leaves_the_rest_to_the_new_one(
    database: Database,
) -> None:
    """It was shown and agreed to as it is; whoever has to wait has not entered yet."""
    shop = await selecting(database)
    for number in range(1, 5):
        shop.customer(number, silent_days=200 - number)
    launch_id = await shop.open(win_back(max_per_day=2))
    await shop.select(launch_id)
    version = await _publish(shop, win_back(max_per_day=2, audience={"inactive_days": 80}))
    await shop.enroll(launch_id)
    assert {one.version_id for one in await shop.world.rows(Enrollment)} == {1}
    assert [one.version_id for one in await shop.world.rows(Paced)] == [version.id, version.id]
