"""Who enters with a launch, and when, on both databases."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from activities.entering import Entering
from activities.selection import Selection
from activities.shop_pages import read_lapsed
from models.enums import ConsentState, EnrollmentState, JourneyState, LaunchState, LeftOut
from models.tables import Customer, Enrollment, EntryDecision, Launch, LaunchCandidate, Paced
from providers.errors import Throttled
from sandbox.shopify.cost import Bucket
from storage.customers import lock_customer
from storage.engine import Database
from storage.journeys import journey_of
from storage.launches import (
    CONTROL,
    ELIGIBLE,
    ENTERED,
    PACED,
    Decision,
    add_candidates,
    give_up,
    open_launch,
    record_decisions,
)
from storage.publishing import publish
from storage.stores import required_id
from tests.refusing import Sending
from tests.selecting import ZONE, Selecting, drawn, selecting, win_back
from tests.worlds import DEFINITION, NOON, SHOP, make_world

PERCENT = 30


@pytest.fixture
async def shop(database: Database) -> Selecting:
    """A store with an empty shop, on each kind of database."""
    return await selecting(database)


def _arms(numbers: range) -> tuple[list[int], list[int]]:
    """Those to be written to, and those held out, in the order of the numbers."""
    held_out = [one for one in numbers if drawn("quiet", one, PERCENT)]
    treated = [one for one in numbers if one not in held_out]
    assert held_out
    return treated, held_out


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


async def test_a_limit_holds_out_only_those_before_the_last_one_it_takes(shop: Selecting) -> None:
    """Customers are looked at by the shop's id until five to be written to are found; the rest is left out alike."""
    numbers = range(1, 41)
    for number in numbers:
        shop.customer(number, silent_days=150 - number)
    treated, held_out = _arms(numbers)
    launch_id = await shop.launch(win_back(control_percent=PERCENT), limit=5)
    last = treated[4]
    expected = {one: ENTERED if one in treated else CONTROL for one in numbers if one <= last}
    expected |= dict.fromkeys(range(last + 1, 41), LeftOut.LIMIT.value)
    assert await shop.outcomes(launch_id) == expected
    assert await shop.arms() == {one: one in held_out for one in range(1, last + 1)}


async def test_a_limit_that_finds_too_few_takes_everybody(shop: Selecting) -> None:
    """Without as many as it asks for, nobody comes after the last one, held out or not."""
    numbers = range(1, 13)
    for number in numbers:
        shop.customer(number)
    treated, held_out = _arms(numbers)
    launch_id = await shop.launch(win_back(control_percent=PERCENT), limit=len(treated) + 1)
    counted = Counter((await shop.outcomes(launch_id)).values())
    assert counted == {ENTERED: len(treated), CONTROL: len(held_out)}


async def test_the_control_group_waits_for_the_day_of_the_one_before_it(shop: Selecting) -> None:
    """The longest silence first, three written to a day; who is held out takes no room, and waits just as long."""
    numbers = range(1, 31)
    for number in numbers:
        shop.customer(number, silent_days=200 - number)
    treated, held_out = _arms(numbers)
    launch_id = await shop.launch(win_back(control_percent=PERCENT, max_per_day=3))
    expected, written_to = {}, 0
    for number in numbers:
        written_to += number in treated
        expected[number] = (max(written_to, 1) - 1) // 3
    assert await shop.days() == {one: day for one, day in expected.items() if day}
    assert await shop.arms() == {one: one in held_out for one, day in expected.items() if not day}
    assert set((await shop.outcomes(launch_id)).values()) <= {ENTERED, CONTROL, PACED}
    assert {one.control for one in await shop.world.rows(Paced)} == {True, False}
    rows = {one.customer_id: one for one in await shop.world.rows(EntryDecision)}
    assert {one.outcome for one in rows.values()} == {ENTERED, CONTROL, PACED}


async def test_the_control_group_is_asked_again_and_occupies_nothing_before_its_day(shop: Selecting) -> None:
    """Of those held out who wait, one buys and one says no meanwhile: they never enter, the others do on their day."""
    numbers = range(1, 31)
    for number in numbers:
        shop.customer(number, silent_days=200 - number)
    held_out = [one for one in numbers if drawn("quiet", one, 50)]
    launch_id = await shop.launch(win_back(control_percent=50, max_per_day=6))
    waiting = [one for one in await shop.days() if one in held_out]
    tomorrow = [one for one in waiting if (await shop.days())[one] == 1]
    assert len(tomorrow) >= 3
    assert not set(await shop.arms()) & set(waiting)
    buyer, refuser, other, *_ = tomorrow
    shop.order(buyer)
    shop.shop.set_consent(refuser, ConsentState.UNSUBSCRIBED, NOON)
    await shop.pass_days(1)
    outcomes = await shop.outcomes(launch_id)
    assert outcomes[buyer] == LeftOut.FILTER_INACTIVE_DAYS
    assert outcomes[refuser] == LeftOut.UNSUBSCRIBED
    assert outcomes[other] == CONTROL
    arms = await shop.arms()
    assert (buyer in arms, refuser in arms, arms[other]) == (False, False, True)
    for _ in range(10):
        await shop.pass_days(1)
    assert not await shop.days()
    entered = await shop.arms()
    assert {one for one, control in entered.items() if control} == set(held_out) - {buyer, refuser}
    by_day = Counter(
        (one.entered_at - NOON) // timedelta(days=1) for one in await shop.world.rows(Enrollment) if not one.control
    )
    assert by_day[0] == 6


async def test_both_arms_enter_at_their_own_place_of_the_open_day(shop: Selecting) -> None:
    """With `spread: day` the passage of one who is held out begins as late as a message would have gone."""
    numbers = range(1, 31)
    for number in numbers:
        shop.customer(number)
    await shop.launch(win_back(control_percent=PERCENT, spread="day"))
    rows = await shop.world.rows(Enrollment)
    held_out = [one for one in rows if one.control]
    assert {one.state for one in held_out} == {EnrollmentState.CONTROL}
    for arm in (held_out, [one for one in rows if not one.control]):
        moments = {one.entered_at for one in arm}
        assert len(moments) == len(arm)
        assert min(moments) >= NOON
        assert max(moments) - min(moments) > timedelta(hours=2)
    assert all(one.horizon_at - one.entered_at == rows[0].horizon_at - rows[0].entered_at for one in rows)


async def test_a_second_launch_finds_the_room_that_waiting_control_does_not_take(shop: Selecting) -> None:
    """The later days of those who are held out leave a day's number to those who are written to."""
    for number in range(1, 21):
        shop.customer(number, silent_days=200 - number)
    definition = win_back(control_percent=PERCENT, max_per_day=5)
    await shop.launch(definition)
    for number in range(21, 41):
        shop.customer(number, silent_days=100)
    second = await shop.launch(definition)
    waiting = {one.customer_id: one.day for one in await shop.world.rows(Paced)}
    rows = [one for one in await shop.world.rows(LaunchCandidate) if one.launch_id == second]
    assert {one.customer_id: one.day for one in rows if one.outcome == PACED} == waiting
    treated, _ = _arms(range(1, 41))
    by_day = Counter(day for one, day in (await shop.days()).items() if one in treated)
    assert all(by_day[day] == 5 for day in range(1, max(by_day)))
    assert sum(by_day.values()) + 5 == len(treated)


async def test_only_new_leaves_out_whoever_was_in_the_journey_in_either_arm(shop: Selecting) -> None:
    """A second launch with `--only-new` takes nobody of the first, however long ago, and no one else is left out."""
    numbers = range(1, 13)
    for number in numbers:
        shop.customer(number, silent_days=80)
    definition = win_back(control_percent=PERCENT, audience={"re_entry_days": 1})
    await shop.launch(definition)
    shop.world.now += timedelta(days=3)
    async with shop.world.database.write() as session:
        for row in await shop.world.rows(Enrollment):
            row.state, row.entry_key = EnrollmentState.CLOSED, "an older order"
            session.add(row)
    for number in range(13, 19):
        shop.customer(number, silent_days=80)
    launch_id = await shop.launch(definition, only_new=True)
    outcomes = await shop.outcomes(launch_id)
    assert {one for one, outcome in outcomes.items() if outcome == LeftOut.RE_ENTRY} == set(numbers)
    assert {outcomes[one] for one in range(13, 19)} <= {ENTERED, CONTROL}


async def test_a_page_goes_on_where_the_shop_throttles_it(shop: Selecting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that holds less than a page costs is waited for, request by request, but not for ever."""
    for number in range(1, 251):
        shop.customer(number)
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("activities.shop_pages.asyncio.sleep", wait)
    options = {"inactive_days": 60, "inactive_days_max": None, "time_zone": ZONE, "after": None}
    shop.shopify.buckets[SHOP] = Bucket(maximum=1000, restore_rate=100, timer=lambda: sum(waits))
    page = await read_lapsed(shop.services.shopify, shop.access, **options)  # type: ignore[arg-type]
    assert (len(page.items), page.total) == (250, 250)
    assert len(waits) >= 2
    shop.shopify.buckets[SHOP] = Bucket(maximum=1000, restore_rate=1, timer=lambda: sum(waits))
    with pytest.raises(Throttled):
        await read_lapsed(shop.services.shopify, shop.access, **options)  # type: ignore[arg-type]


async def test_who_missed_their_day_in_a_pause_is_not_let_in_all_at_once(shop: Selecting) -> None:
    """After a pause a day has no more room than before: all who wait are put off, in the order that they had."""
    numbers = range(1, 31)
    for number in numbers:
        shop.customer(number, silent_days=200 - number)
    treated, _ = _arms(numbers)
    await shop.launch(win_back(control_percent=PERCENT, max_per_day=3))
    await shop.put(JourneyState.PAUSED)
    await shop.pass_days(4)
    await shop.put(JourneyState.ACTIVE)
    entered = sorted(await shop.arms())
    for days in (0, *[1] * (len(treated) // 3)):
        await shop.pass_days(days)
        new = sorted(set(await shop.arms()) - set(entered))
        assert sum(one in treated for one in new) <= 3
        entered += new
    assert entered == list(numbers)


async def test_a_launch_after_a_pause_leaves_the_day_to_those_who_missed_theirs(shop: Selecting) -> None:
    """Whoever qualifies only now comes behind them, and the day still takes no more than it takes."""
    for number in range(1, 9):
        shop.customer(number, silent_days=200 - number)
    await shop.launch(win_back(max_per_day=2))
    await shop.put(JourneyState.PAUSED)
    await shop.pass_days(4)
    await shop.put(JourneyState.ACTIVE)
    shop.customer(9, silent_days=300)
    await shop.launch(win_back(max_per_day=2))
    for entered in (4, 6, 8, 9):
        await shop.pass_days(0 if entered == 4 else 1)
        assert set(await shop.arms()) == set(range(1, entered + 1))


async def test_nobody_is_given_a_day_on_which_nothing_is_sent(shop: Selecting) -> None:
    """Launched on a Sunday for weekdays only: the weekend's entrants would all be written to on Monday."""
    assert NOON.isoweekday() == 7
    for number in range(1, 15):
        shop.customer(number, silent_days=200 - number)
    weekdays = ["mon", "tue", "wed", "thu", "fri"]
    await shop.launch(win_back(max_per_day=2, weekdays=weekdays))
    assert Counter((await shop.days()).values()) == {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 8: 2, 9: 2}
    for count in (2, 4, 6, 8, 10, 10, 10, 12, 14):
        await shop.pass_days(1)
        assert len(await shop.arms()) == count


async def test_a_launch_that_goes_on_days_later_gives_days_again(shop: Selecting) -> None:
    """Its workers were away since the days were given: those of three days do not enter on one."""
    for number in range(1, 7):
        shop.customer(number, silent_days=200 - number)
    launch_id = await shop.open(win_back(max_per_day=2))
    await shop.select(launch_id)
    shop.world.now += timedelta(days=2)
    await shop.enroll(launch_id)
    assert set(await shop.arms()) == {1, 2}
    assert await shop.days() == {3: 1, 4: 1, 5: 2, 6: 2}


async def test_whoever_waits_from_several_launches_is_locked_by_id(shop: Selecting, database: Database) -> None:
    """Nobody else who locks the same customers, in the order in which all do, waits for it while it waits for them."""
    if database.is_sqlite:
        pytest.skip("SQLite has one lock")
    for number in (1, 2):
        shop.customer(number)
    launch_id = await shop.launch(win_back(max_per_day=1))
    (waits,), (inside,) = await shop.world.rows(Paced), await shop.world.rows(Enrollment)
    assert inside.customer_id < waits.customer_id
    async with database.write() as session:
        await session.delete(await session.get_one(Enrollment, inside.id))
        other = Launch(**(await session.get_one(Launch, launch_id)).model_dump(exclude={"id"}))
        session.add(other)
        await session.flush()
        changed = {"id": None, "launch_id": other.id, "customer_id": inside.customer_id}
        session.add(Paced(**waits.model_dump() | changed))
    shop.world.now += timedelta(days=1)
    async with database.write() as session:
        await lock_customer(session, inside.customer_id)
        entering = asyncio.create_task(Entering(shop.services).enter_paced(shop.journey_id, now=shop.world.now))
        await _waits_for_a_lock(database)
        await lock_customer(session, waits.customer_id)
    await entering
    assert set(await shop.arms()) == {1, 2}


async def test_a_launch_that_is_given_up_meanwhile_does_not_come_back(shop: Selecting, database: Database) -> None:
    """While its page of the shop is written down, and while it begins after a pause: it stays given up."""
    if database.is_sqlite:
        pytest.skip("SQLite has one lock")
    shop.customer(1)
    selection = Selection(shop.services)
    for before in (LaunchState.SELECTING, LaunchState.WAITING):
        launch_id = await shop.open(win_back())
        async with database.write() as session:
            (await session.get_one(Launch, launch_id)).state = before
        async with database.write() as session:
            await journey_of(session, shop.journey_id, alone=True)
            await give_up(session, launch_id, error="stopped", now=NOON)
            await session.flush()
            going: asyncio.Task[object] = asyncio.create_task(
                selection.select_page(launch_id, None, now=NOON)
                if before is LaunchState.SELECTING
                else selection.phase(launch_id)
            )
            await _waits_for_a_lock(database)
        await going
        assert (await shop.world.one(Launch, launch_id)).state is LaunchState.FAILED


async def _waits_for_a_lock(database: Database) -> None:
    blocked = text("SELECT 1 FROM pg_locks WHERE NOT granted")
    async with database.read() as session:
        connection = await session.connection()
        while (await connection.execute(blocked)).first() is None:  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)
