"""Who enters with a launch, and when, on both databases."""

from collections import Counter
from datetime import timedelta

import pytest

from activities.selection import Selection
from activities.shop_pages import read_lapsed
from models.enums import ConsentState, EnrollmentState, JourneyState, LaunchState, LeftOut
from models.tables import Customer, Enrollment, EntryDecision, LaunchCandidate, Paced
from providers.errors import Throttled
from sandbox.shopify.cost import Bucket
from storage.engine import Database
from storage.journeys import publish
from storage.launches import CONTROL, ELIGIBLE, ENTERED, PACED, Decision, add_candidates, open_launch, record_decisions
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
    await shop.pass_days(10)
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
