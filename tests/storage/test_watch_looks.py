"""What a watch's looks find: nobody is lost, nobody is asked twice, and the numbers are kept."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from activities.watching import PAGE, WatchScene
from models.enums import ConsentState, EnrollmentState, ExitReason, JourneyState, SendState
from models.tables import (
    Checkout,
    Enrollment,
    EntryDecision,
    ExternalJourney,
    Journey,
    Send,
    WatchAnswer,
)
from storage.customers import lock_customer
from storage.enrollments import close_enrollment
from storage.entry import enroll
from storage.publishing import publish
from storage.stores import required_id, store_parts
from storage.takeovers import end_external, report_external
from storage.watch_queue import count_quiet, due_page, scope_of
from storage.watches import open_watch
from tests.looking import answers, decided, forget, launch, look, looking, people, silent, woken
from tests.silences import cart_journey, follow_up, leave_cart, speak
from tests.worlds import NOON, World, later


async def test_nobody_is_asked_twice_about_the_same_silence(world: World) -> None:
    """Somebody without consent is left out once; the next silence asks again, and the record says it once."""
    customer = await world.customer(consent=ConsentState.UNSUBSCRIBED, opted_out_at=NOON)
    journey_id = await launch(world, follow_up())
    await silent(world, customer)
    world.now = later(hours=3)
    assert (await look(world, journey_id)).next_at is None
    assert await answers(world) == [("unsubscribed", None)]
    assert await decided(world) == ["unsubscribed"]
    await silent(world, customer)
    world.now = later(hours=6)
    assert (await look(world, journey_id)).next_at is None
    assert await decided(world) == ["unsubscribed"]
    assert (await world.rows(WatchAnswer))[0].since == later(hours=3)


async def test_a_recent_order_is_asked_about_again_when_it_is_old_enough(world: World) -> None:
    """The watch sleeps until the reason can have passed, and the customer enters then."""
    customer = await world.customer(last_order_at=later(days=-1))
    journey_id = await launch(world, follow_up(sending={"recent_order_days": 3}))
    await silent(world, customer)
    world.now = later(hours=2)
    assert (await look(world, journey_id)).next_at == later(days=2)
    assert await answers(world) == [("recent_order", later(days=2))]
    world.now = later(days=2)
    assert (await look(world, journey_id)).entered == 1


async def test_somebody_elses_automation_counts_until_it_ends(world: World) -> None:
    """A customer of a stronger external automation is left out until its end; a weaker one does not matter."""
    strong, weak = await people(world, 2)
    async with world.database.write() as session:
        for customer_id, priority in ((strong, 100), (weak, 10)):
            session.add(
                ExternalJourney(
                    store_id=world.store_id,
                    customer_id=customer_id,
                    name="other-tool",
                    priority=priority,
                    entered_at=NOON,
                    until=later(days=1),
                )
            )
    journey_id = await launch(world, follow_up())
    await silent(world, strong)
    await silent(world, weak)
    world.now = later(hours=2)
    found = await look(world, journey_id)
    assert (found.entered, found.next_at) == (1, later(days=1))
    (out,) = [one for one in await world.rows(EntryDecision) if one.outcome == "in_other_journey"]
    assert (out.customer_id, out.seen) == (strong, "in other-tool, priority 100")
    world.now = later(days=1)
    assert (await look(world, journey_id)).entered == 1


async def test_an_automation_that_ends_early_makes_room_at_once(world: World) -> None:
    """Reported over, or for a shorter time, it wakes those that stood back for it."""
    (one,) = await people(world, 1)
    journey_id = await launch(world, follow_up())

    async def report(*, until: datetime) -> None:
        async with world.database.write() as session:
            customer = await lock_customer(session, one)
            await report_external(session, customer, name="other-tool", priority=100, until=until, now=world.now)

    await report(until=later(days=9))
    await silent(world, one)
    world.now = later(hours=2)
    assert (await look(world, journey_id)).next_at == later(days=9)
    await forget(world)
    await report(until=later(days=1))
    assert await woken(world, journey_id) == 1
    assert (await look(world, journey_id)).next_at == later(days=1)
    await forget(world)
    async with world.database.write() as session:
        await end_external(session, await lock_customer(session, one), name="other-tool", now=world.now)
    assert await woken(world, journey_id) == 1
    assert (await look(world, journey_id)).entered == 1


async def test_an_entry_is_known_again_when_the_shop_has_named_the_customer(world: World) -> None:
    """Its id was made before the shop's own id was known; an older silence that comes to light is no new entry."""
    customer = await world.customer()
    journey_id = await launch(world, follow_up())
    for hours in (0, 3):
        await silent(world, customer, at=later(hours=hours))
        world.now = later(hours=hours + 2)
        assert (await look(world, journey_id)).entered == 1
        async with world.database.write() as session:
            await lock_customer(session, customer)
            open_now = select(Enrollment).where(Enrollment.state != EnrollmentState.CLOSED)
            row = (await session.exec(open_now)).one()
            await close_enrollment(session, row, reason=ExitReason.COMPLETED, now=world.now)
    async with world.database.write() as session:
        (await lock_customer(session, customer)).external_id = "7001"
    await silent(world, customer, at=NOON)
    assert (await look(world, journey_id)).entered == 0
    assert (await decided(world))[-1] == "re_entry"


async def test_hours_that_move_between_reading_and_asking_put_the_question_off(world: World) -> None:
    """Who turns out to live where it is night is asked about in the morning, and not never."""
    customer = await world.customer(time_zone="Europe/London")
    journey_id = await launch(world, follow_up(sending={"hours": "08:00-22:00"}))
    await silent(world, customer)
    world.now = later(hours=3)
    async with world.database.write() as session:
        scope = await scope_of(session, journey_id)
        assert scope is not None
        (waiting,) = await due_page(session, scope, now=world.now, room=True, limit=9)
        (await lock_customer(session, customer)).time_zone = "Asia/Tokyo"
        await session.flush()
        scene = WatchScene(scope, await store_parts(session, world.store_id), looking(world)._services)
        (asked,) = await scene.ask(session, [waiting], now=world.now)
        outcome = scene.left_out(asked, now=world.now)
    assert outcome is not None
    assert outcome.outcome == "filter:silence"
    assert outcome.again_at is not None
    assert outcome.again_at.astimezone(ZoneInfo("Asia/Tokyo")).hour == 8


async def test_no_more_than_the_messages_in_a_row(world: World) -> None:
    """Who got every message since they last wrote is left out, whoever of ours writes meanwhile."""
    customer = await world.customer(last_inbound_at=later(days=-1))
    journey_id = await launch(world, follow_up(times=2))
    enrollment_id = await world.enroll(customer)
    async with world.database.write() as session:
        row = await session.get_one(Enrollment, enrollment_id)
        for stage in range(2):
            session.add(
                Send(
                    store_id=world.store_id,
                    journey_id=journey_id,
                    enrollment_id=enrollment_id,
                    customer_id=customer,
                    stage=stage,
                    state=SendState.ACCEPTED,
                    settled_at=later(hours=-1),
                )
            )
        await lock_customer(session, customer)
        await close_enrollment(session, row, reason=ExitReason.COMPLETED, now=world.now)
    await silent(world, customer)
    world.now = later(hours=2)
    await look(world, journey_id)
    assert await decided(world) == ["re_entry"]
    await speak(world.database, customer, number_id=world.number_id, at=world.now, by_customer=True)
    await silent(world, customer, at=later(hours=3))
    world.now = later(hours=6)
    assert (await look(world, journey_id)).entered == 1


async def test_a_look_that_dies_between_pages_goes_on_where_it_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the finished pages enrolled stays, what the broken one began is undone, and the next look does the rest."""
    everybody = await people(world, PAGE + 10)
    for number, one in enumerate(everybody):
        await silent(world, one, at=later(days=-3, minutes=number))
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, follow_up(), now=world.now)
        journey.state = JourneyState.ACTIVE
        await open_watch(session, journey, since=None, now=world.now)
        journey_id = required_id(journey.id)
    calls = 0

    async def breaking(*words: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == PAGE + 5:
            raise ConnectionError
        return await enroll(*words, **options)

    monkeypatch.setattr("activities.watching.enroll", breaking)
    with pytest.raises(ConnectionError):
        await look(world, journey_id)
    assert len(await world.rows(Enrollment)) == PAGE
    found = await look(world, journey_id)
    assert (found.entered, found.more, found.next_at) == (10, False, None)
    rows = await world.rows(Enrollment)
    assert len(rows) == len({row.customer_id for row in rows}) == PAGE + 10
    assert await decided(world) == ["entered"] * (PAGE + 10)


async def test_the_days_number_is_kept_over_looks_and_the_held_out_take_no_place(world: World) -> None:
    """Room is counted from the day's entries whatever look made them; control comes beside it."""
    everybody = await people(world, 30)
    for number, one in enumerate(everybody):
        await silent(world, one, at=later(days=-3, minutes=number))
    journey_id = await launch(world, follow_up(sending={"max_per_day": 5}, conversations={"control_percent": 50}))
    states = [row.state for row in await world.rows(Enrollment)]
    assert states.count(EnrollmentState.STARTING) == 5
    assert states.count(EnrollmentState.CONTROL) > 0
    found = await look(world, journey_id)
    assert (found.entered, found.more, found.next_at) == (0, False, datetime.fromisoformat("2026-11-23T00:00:00Z"))


async def test_carts_enter_by_their_token_once(world: World) -> None:
    """A cart enters when it has been left for the journey's time; changed afterwards it does not enter again."""
    customer = await world.customer()
    journey_id = await launch(world, cart_journey(cart={"minimum": "30"}))
    await leave_cart(world.database, customer, store_id=world.store_id, at=NOON)
    assert await woken(world, journey_id) == 1
    world.now = later(hours=1)
    assert (await look(world, journey_id)).entered == 1
    (row,) = await world.rows(Enrollment)
    assert (row.entry_key, row.checkout_id, row.conversation_id) == ("cart-1", 1, None)
    async with world.database.write() as session:
        await lock_customer(session, customer)
        await close_enrollment(
            session, await session.get_one(Enrollment, row.id), reason=ExitReason.COMPLETED, now=world.now
        )
    await leave_cart(world.database, customer, store_id=world.store_id, at=later(hours=2))
    world.now = later(hours=4)
    assert (await look(world, journey_id)).entered == 0
    assert await decided(world) == ["entered", "re_entry"]


async def test_a_cart_below_the_minimum_or_of_nobody_does_not_enter(world: World) -> None:
    """The total is on record; a checkout without a customer is no business of ours, and an order takes it away."""
    customer, other = await people(world, 2)
    journey_id = await launch(world, cart_journey(cart={"minimum": "50"}))
    await leave_cart(world.database, customer, store_id=world.store_id, at=NOON)
    await leave_cart(world.database, None, store_id=world.store_id, at=NOON, token="cart-2")
    ordered = await leave_cart(
        world.database, other, store_id=world.store_id, at=NOON, token="cart-3", total_minor=9000
    )
    async with world.database.write() as session:
        (await session.get_one(Checkout, ordered)).idle_since = None
    async with world.database.read() as session:
        scope = await scope_of(session, journey_id)
        assert scope is not None
        assert await count_quiet(session, scope) == 1
    world.now = later(hours=1)
    assert (await look(world, journey_id)).next_at is None
    (decision,) = await world.rows(EntryDecision)
    assert (decision.outcome, decision.seen, decision.threshold) == (
        "filter:cart_total",
        "40.00 USD",
        "at least 50 USD",
    )


async def test_an_unknown_watch_is_no_reason_to_fail(world: World) -> None:
    """A store without follow-ups hears its conversations all the same."""
    (one,) = await people(world, 1)
    await silent(world, one)
    assert await world.intents() == []
    async with world.database.read() as session:
        assert (await session.exec(select(Journey).where(col(Journey.id).is_not(None)))).first() is None
