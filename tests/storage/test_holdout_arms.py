"""The two arms of a holdout: who is in which, what counts, and that nothing takes anybody out of an arm."""

from datetime import datetime
from typing import Any

import pytest

from models.enums import EnrollmentState, ExitReason
from models.holdout import Arm, Arms, Standing, Stratum
from models.journey import WinBack
from models.money import Money
from models.tables import Customer, Enrollment, Journey, Store
from storage.considered import considered
from storage.customers import lock_customer
from storage.enrollments import open_enrollment
from storage.entry import Entry, enroll
from storage.erasure import erase_customer
from storage.holdout_arms import holdout_arms
from storage.ingest import lock_customers
from storage.merging import merge_customers
from storage.orders import OrderFacts, apply_order
from storage.publishing import publish
from storage.stopping import stop_everybody
from storage.stores import required_id, suppression_key
from storage.takeovers import report_external
from tests.worlds import DEFINITION, NOON, World, later

OVER = later(days=30)
"""When every horizon of these tests is over."""

NOBODY = Standing()


def lapsed(percent: int = 10, **changes: Any) -> WinBack:
    """The journey, with so many percent held out."""
    words = DEFINITION.model_dump(mode="json") | {"audience": {"inactive_days": 60, "control_percent": percent}}
    return WinBack.model_validate(words | changes)


class Entrants:
    """Customers who enter journeys of one world, in the arm that a test says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._made = 0

    async def new(self, *, control: bool, definition: WinBack | None = None, at: datetime = NOON) -> int:
        """A new customer who enters."""
        self._made += 1
        customer = await self.world.customer(f"+447700900{self._made:03}", external_id=str(self._made))
        assert await self.enter(customer, control=control, definition=definition, at=at) is not None
        return customer

    async def enter(
        self, customer: int, *, control: bool, definition: WinBack | None = None, at: datetime = NOON
    ) -> Enrollment | None:
        """The customer enters for an order that they have not entered for."""
        self._made += 1
        definition = definition or lapsed()
        async with self.world.database.write() as session:
            store = await session.get_one(Store, self.world.store_id)
            journey, version = await publish(session, self.world.store_id, definition, now=at)
            key = suppression_key(store, self.world.cipher)
            journey_id, version_id = required_id(journey.id), required_id(version.id)
            (who,) = await considered(session, journey_id, [customer], suppression_key=key, now=at, lock=True)
            inside = who.candidate.open_enrollment_priority
            if inside is not None and inside >= definition.priority:
                return None
            who.customer.last_order_external_id = f"entry-{self._made}"
            (who,) = await considered(session, journey_id, [customer], suppression_key=key, now=at)
            entry = Entry(store, journey, version_id, definition, None)
            return await enroll(session, entry, who, control=control, entered_at=at, now=at)

    async def buy(self, customer: int, at: datetime, minor: int = 2500, currency: str = "USD", **facts: Any) -> None:
        """An order of the customer."""
        self._made += 1
        order = OrderFacts(f"o-{self._made}", at, at, Money(minor, currency), **facts)
        async with self.world.database.write() as session:
            row = await lock_customer(session, customer)
            await apply_order(session, row, order, received_at=at, source="test")

    async def horizon(self, customer: int) -> datetime:
        """The end of what counts for a customer with one entry."""
        (end,) = [one.horizon_at for one in await self.world.rows(Enrollment) if one.customer_id == customer]
        assert isinstance(end, datetime)
        return end

    async def arms(self, now: datetime = OVER, name: str = "lapsed-60-days") -> tuple[Standing, Standing]:
        """How both arms stand."""
        found = await self._found(now, name)
        return found.treated, found.control

    async def strata(self, now: datetime = OVER) -> tuple[Stratum, ...]:
        """What may be compared."""
        return (await self._found(now, "lapsed-60-days")).strata

    async def _found(self, now: datetime, name: str) -> Arms:
        (journey,) = [one for one in await self.world.rows(Journey) if one.name == name]
        async with self.world.database.read() as session:
            return await holdout_arms(session, journey.id, now=now)


@pytest.fixture
def entrants(world: World) -> Entrants:
    """Customers of the world."""
    return Entrants(world)


async def test_orders_count_from_entry_until_the_horizon_in_both_arms(entrants: Entrants) -> None:
    """The first moment counts and the last one does not; tests and what was given back never do, a free order does."""
    treated, control = await entrants.new(control=False), await entrants.new(control=True)
    end = await entrants.horizon(treated)
    assert end == await entrants.horizon(control)
    for customer in (treated, control):
        await entrants.buy(customer, NOON, 1000)
        await entrants.buy(customer, end, 7777)
        await entrants.buy(customer, later(minutes=-1), 7777)
        await entrants.buy(customer, later(hours=1), 7777, test=True)
        await entrants.buy(customer, later(hours=1), 7777, financial_status="REFUNDED")
        await entrants.buy(customer, later(hours=2), 300, "EUR")
    free = await entrants.new(control=True)
    await entrants.buy(free, later(hours=1), 0)
    bought = {"USD": {1000: 1}, "EUR": {300: 1}}
    assert await entrants.strata() == (Stratum(10, Arm(1, 1, bought), Arm(2, 2, bought)),)


async def test_whose_horizon_is_not_over_is_told_and_not_compared(entrants: Entrants) -> None:
    """An early buyer does not count before those who have not bought yet do."""
    early = await entrants.new(control=False)
    await entrants.new(control=True)
    await entrants.buy(early, later(hours=1))
    end = await entrants.horizon(early)
    assert await entrants.arms(end - (OVER - NOON) / 1000) == (Standing(running=1), Standing(running=1))
    assert await entrants.strata(later(hours=2)) == (Stratum(10, Arm(), Arm()),)
    assert await entrants.arms(end) == (Standing(compared=1), Standing(compared=1))


async def test_who_buys_lapses_and_enters_again_is_one_customer_in_their_first_arm(entrants: Entrants) -> None:
    """Later draws change nothing; a later horizon counts as soon as it is over, and takes nobody out before."""
    customer = await entrants.new(control=False)
    await entrants.new(control=True)
    await entrants.buy(customer, later(hours=1), 1000)
    again = later(days=100)
    async with entrants.world.database.write() as session:
        row = await open_enrollment(session, customer)
        assert row is not None
        row.state = EnrollmentState.CLOSED
        session.add(row)
    assert await entrants.enter(customer, control=True, at=again) is not None
    await entrants.buy(customer, later(days=101), 500)
    await entrants.buy(customer, later(days=50), 7777)
    control = Arm(1, 0)
    assert await entrants.strata(later(days=101)) == (Stratum(10, Arm(1, 1, {"USD": {1000: 1}}), control),)
    assert await entrants.strata(later(days=200)) == (Stratum(10, Arm(1, 1, {"USD": {1500: 1}}), control),)


async def test_who_entered_while_nobody_was_held_out_is_compared_with_nobody(entrants: Entrants) -> None:
    """They had no chance to be in the other arm, and another percentage is a stratum of its own."""
    before = await entrants.new(control=False, definition=lapsed(0))
    await entrants.buy(before, later(hours=1), 7777)
    for percent, people in ((10, 3), (50, 2)):
        for number in range(people):
            await entrants.new(control=number == 0, definition=lapsed(percent))
    assert await entrants.arms() == (Standing(unheld=1, compared=3), Standing(compared=2))
    assert await entrants.strata() == (Stratum(10, Arm(2), Arm(1)), Stratum(50, Arm(1), Arm(1)))


async def test_an_order_from_before_the_draw_counts_for_nobody(entrants: Entrants) -> None:
    """Who was in the journey before anybody was held out is compared from their first draw on."""
    customer = await entrants.new(control=False, definition=lapsed(0))
    await entrants.buy(customer, later(hours=1), 7777)
    async with entrants.world.database.write() as session:
        row = await open_enrollment(session, customer)
        assert row is not None
        row.state = EnrollmentState.CLOSED
        session.add(row)
    assert await entrants.enter(customer, control=True, at=later(days=100)) is not None
    await entrants.new(control=False, at=later(days=100))
    assert await entrants.strata(later(days=200)) == (Stratum(10, Arm(1), Arm(1)),)


async def test_a_control_keeps_the_slot_until_the_horizon_and_the_arm_for_good(entrants: Entrants) -> None:
    """A journey of no higher priority waits for the horizon; when it enters then, the arm stays what it was."""
    customer = await entrants.new(control=True)
    await entrants.new(control=False)
    other = lapsed(0, name="other")
    end = await entrants.horizon(customer)
    assert await entrants.enter(customer, control=False, definition=other, at=end - (OVER - NOON) / 1000) is None
    assert await entrants.enter(customer, control=False, definition=other, at=end) is not None
    first, *_ = [one for one in await entrants.world.rows(Enrollment) if one.control]
    assert (first.state, first.exit_reason) == (EnrollmentState.CLOSED, ExitReason.COMPLETED)
    assert await entrants.arms() == (Standing(compared=1), Standing(compared=1))


async def test_a_control_that_a_stronger_journey_takes_over_stays_in_its_arm(entrants: Entrants) -> None:
    """Intention to treat: what takes people over takes them over in both arms, and both count to the horizon."""
    people = {control: await entrants.new(control=control) for control in (True, False)}
    for customer in people.values():
        assert await entrants.enter(customer, control=False, definition=lapsed(0, name="cart", priority=100))
        await entrants.buy(customer, later(days=2))
    assert await entrants.strata() == (Stratum(10, Arm(1, 1, {"USD": {2500: 1}}), Arm(1, 1, {"USD": {2500: 1}})),)
    assert await entrants.arms(name="cart") == (Standing(unheld=2), NOBODY)


async def test_erasing_stopping_and_others_automations_leave_a_control_where_it_is(entrants: Entrants) -> None:
    """Nothing of it was ever sent, so there is nothing to end; the slot stays taken and the purchases count."""
    world = entrants.world
    erased, told, stopped = [await entrants.new(control=True) for _ in range(3)]
    await entrants.new(control=False)
    async with world.database.write() as session:
        store = await session.get_one(Store, world.store_id)
        key = suppression_key(store, world.cipher)
        await erase_customer(session, await lock_customer(session, erased), suppression_key=key, now=NOON)
        row = await lock_customer(session, told)
        await report_external(session, row, name="other-tool", priority=100, until=later(days=1), now=NOON)
    (journey,) = await world.rows(Journey)
    await stop_everybody(world.database, journey.id, reason="enough", clock=world.clock)
    for customer in (erased, told, stopped):
        await entrants.buy(customer, later(hours=1))
    held = [one.state for one in await world.rows(Enrollment) if one.control]
    assert held == [EnrollmentState.CONTROL] * 3
    assert (await entrants.strata())[0].control == Arm(3, 3, {"USD": {2500: 3}})


@pytest.mark.parametrize("kept_is_in_a_journey", [False, True])
async def test_a_control_that_turns_out_to_be_somebody_else_stays_in_its_arm(
    entrants: Entrants, *, kept_is_in_a_journey: bool
) -> None:
    """It occupies the slot of the person that they are, or ends for want of one, and counts once either way."""
    world = entrants.world
    gone = await entrants.new(control=True)
    await entrants.new(control=False)
    kept = await world.customer("+447700900900", external_id="900")
    if kept_is_in_a_journey:
        assert await entrants.enter(kept, control=False, definition=lapsed(0, name="other"))
    async with world.database.write() as session:
        rows = await lock_customers(session, [kept, gone])
        await merge_customers(session, rows[kept], rows[gone], now=later(hours=1))
    await entrants.buy(kept, later(hours=2))
    (row,) = [one for one in await world.rows(Enrollment) if one.control]
    assert row.customer_id == kept
    assert (row.state is EnrollmentState.CONTROL) != kept_is_in_a_journey
    assert (await entrants.strata())[0].control == Arm(1, 1, {"USD": {2500: 1}})
    assert (await world.one(Customer, gone)).merged_into_id == kept


async def test_a_person_in_both_arms_is_in_the_one_that_they_were_drawn_into_first(entrants: Entrants) -> None:
    """Two customers, one of each arm, turn out to be one: one person, with what both of them bought."""
    treated = await entrants.new(control=False, at=later(hours=1))
    control = await entrants.new(control=True)
    await entrants.buy(treated, later(hours=2), 1000)
    await entrants.buy(control, later(minutes=30), 200)
    async with entrants.world.database.write() as session:
        rows = await lock_customers(session, [treated, control])
        await merge_customers(session, rows[treated], rows[control], now=later(hours=3))
    assert await entrants.arms() == (NOBODY, Standing(compared=1))
    assert (await entrants.strata())[0].control == Arm(1, 1, {"USD": {1200: 1}})


async def test_two_entries_for_the_same_that_are_one_persons_count_once(entrants: Entrants) -> None:
    """Where both of two customers entered for one thing, a row stays with the given-up one: still one person."""
    kept, gone = await entrants.new(control=False), await entrants.new(control=False)
    await entrants.new(control=True)
    async with entrants.world.database.write() as session:
        rows = await lock_customers(session, [kept, gone])
        entry = await open_enrollment(session, gone)
        same = await open_enrollment(session, kept)
        assert entry is not None
        assert same is not None
        entry.entry_key = same.entry_key
        await session.flush()
        await merge_customers(session, rows[kept], rows[gone], now=later(hours=1))
    await entrants.buy(kept, later(hours=2))
    assert {one.customer_id for one in await entrants.world.rows(Enrollment)} > {kept, gone}
    assert (await entrants.strata())[0].treated == Arm(1, 1, {"USD": {2500: 1}})


async def test_a_journey_without_anybody_has_empty_arms(world: World) -> None:
    """No version, no entry: nothing to divide by, and nothing to compare."""
    async with world.database.read() as session:
        found = await holdout_arms(session, 1, now=NOON)
    assert (found.treated, found.control, found.strata, found.currencies) == (NOBODY, NOBODY, (), ())
