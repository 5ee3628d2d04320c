"""A watch is woken for what it cannot know of, and for nothing else; its looks lose nothing and ask nobody twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlmodel import col, select

from activities.services import Services
from activities.watching import PAGE, Looking, Seen, WatchScene
from models.enums import ConsentState, EnrollmentState, ExitReason, JourneyState, SendState
from models.journey import AbandonedCart, FollowUp
from models.orchestration import WatchFound
from models.tables import (
    Checkout,
    Conversation,
    Enrollment,
    EntryDecision,
    ExternalJourney,
    Journey,
    JourneyVersion,
    JourneyWatch,
    Send,
    SignalIntent,
    WatchAnswer,
)
from providers.shopify.client import ShopifyClient
from storage.customers import lock_customer
from storage.enrollments import close_enrollment
from storage.entry import enroll
from storage.journeys import publish
from storage.pausing import pause, resume
from storage.stores import required_id, store_parts
from storage.takeovers import end_external, report_external
from storage.watch_queue import count_quiet, due_page, lock_watch, scope_of
from storage.watches import open_watch, wake_for_conversation, watch_workflow_id
from tests.silences import cart_journey, follow_up, leave_cart, speak
from tests.worlds import NOON, World, later

HOUR = timedelta(hours=1)


def _knows_nobody(request: httpx.Request) -> httpx.Response:
    """A shop without customers, at the network's edge."""
    asked = json.loads(request.content)["variables"]
    data = {"nodes": [None] * len(asked["ids"])} if "ids" in asked else {"customerByIdentifier": None}
    return httpx.Response(200, json={"data": data})


def looking(world: World) -> Looking:
    """The looks of the world's watches."""
    nothing: Any = None
    shop = ShopifyClient(httpx.AsyncClient(transport=httpx.MockTransport(_knows_nobody)))
    return Looking(
        Services(database=world.database, cipher=world.cipher, whatsapp=nothing, shopify=shop, temporal=nothing)
    )


async def look(world: World, journey_id: int) -> WatchFound:
    """One look, as the activity does it, but for the starting of workflows."""
    one = looking(world)
    return await one.settle(journey_id, await one.enter_due(journey_id, now=world.now), now=world.now)


async def launch(world: World, definition: FollowUp | AbandonedCart, *, since: datetime | None = None) -> int:
    """Activate the journey and let its watch look once; its id. Its wake-ups so far are forgotten."""
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, definition, now=world.now)
        journey.state = JourneyState.ACTIVE
        await open_watch(session, journey, since=since, now=world.now)
        journey_id = required_id(journey.id)
    await look(world, journey_id)
    await forget(world)
    return journey_id


async def forget(world: World) -> None:
    """Deliver what wakes there are."""
    async with world.database.write() as session:
        for intent in await session.exec(select(SignalIntent)):
            await session.delete(intent)


async def silent(world: World, customer_id: int, *, at: datetime | None = None, **changes: Any) -> int:
    """Our side wrote; the conversation's id."""
    return await speak(
        world.database, customer_id, number_id=world.number_id, at=at or world.now, now=world.now, **changes
    )


async def people(world: World, count: int) -> list[int]:
    """So many customers."""
    return [await world.customer(f"+447700900{number:03}", external_id=str(number)) for number in range(1, count + 1)]


async def woken(world: World, journey_id: int) -> int:
    """How often the watch is woken."""
    return [who for who, signal in await world.intents() if signal == "wake"].count(
        watch_workflow_id(world.store_id, journey_id)
    )


async def answers(world: World) -> list[tuple[str, datetime | None]]:
    """What the watches answered, and when they ask again."""
    return [(one.outcome, one.again_at) for one in await world.rows(WatchAnswer)]


async def decided(world: World) -> list[str]:
    """What is on record."""
    return [one.outcome for one in await world.rows(EntryDecision)]


# --- waking ----------------------------------------------------------------------------------------------------------


async def test_only_what_becomes_due_earlier_wakes_a_watch(world: World) -> None:
    """The first silence wakes it; later ones do not while it knows of an earlier look, nor do the customer's words."""
    first, second = await people(world, 2)
    journey_id = await launch(world, follow_up())
    await silent(world, first)
    assert await woken(world, journey_id) == 1
    assert (await look(world, journey_id)).next_at == later(hours=2)
    await forget(world)
    world.now = later(minutes=5)
    await silent(world, second)
    await silent(world, first)
    await silent(world, first, by_customer=True)
    assert await woken(world, journey_id) == 0
    await silent(world, second, at=later(minutes=-5))
    assert await woken(world, journey_id) == 1


async def test_other_columns_and_closed_chats_wake_nobody(world: World) -> None:
    """A watch hears of its own column's open conversations, closed ones only where they are included."""
    (one,) = await people(world, 1)
    own = await launch(world, follow_up(name="own", column="quoted"))
    closed = await launch(world, follow_up(name="closed", column="lost", conversations={"include_closed": True}))
    general = await launch(world, follow_up(name="general"))
    await silent(world, one, board_column="lost")
    assert [await woken(world, each) for each in (own, closed, general)] == [0, 1, 0]
    await forget(world)
    await silent(world, one, board_column="quoted", is_open=False)
    assert [await woken(world, each) for each in (own, closed, general)] == [0, 0, 0]
    await silent(world, one, board_column="quoted", is_open=True)
    assert [await woken(world, each) for each in (own, closed, general)] == [1, 0, 0]
    await forget(world)
    await silent(world, one, board_column="new")
    assert [await woken(world, each) for each in (own, closed, general)] == [0, 0, 1]


async def test_a_batch_wakes_a_watch_once(world: World) -> None:
    """Many changes of one transaction are one wake-up."""
    conversations = [await silent(world, one) for one in await people(world, 3)]
    journey_id = await launch(world, follow_up())
    async with world.database.write() as session:
        (await session.get_one(JourneyWatch, journey_id)).next_at = None
    async with world.database.write() as session:
        for conversation_id in conversations:
            await wake_for_conversation(session, await session.get_one(Conversation, conversation_id), now=world.now)
    assert await woken(world, journey_id) == 1


async def test_news_from_before_what_was_read_is_asked_about_all_the_same(world: World) -> None:
    """A card moved into the column after years of silence, and a message that arrives late, are both found."""
    moved, late = await people(world, 2)
    journey_id = await launch(world, follow_up(column="quoted"))
    await silent(world, moved, at=later(days=-300), board_column="new")
    assert (await look(world, journey_id)).entered == 0
    await silent(world, moved, at=later(days=-300), board_column="quoted")
    await silent(world, late, at=later(days=-2), board_column="quoted")
    assert await woken(world, journey_id) == 2
    assert (await look(world, journey_id)).entered == 2
    assert (await look(world, journey_id)).next_at is None


async def test_a_paused_watch_is_left_asleep_and_forgets_nothing(world: World) -> None:
    """While the journey is paused nobody wakes it; resumed it finds also what came in from before what it had read."""
    new, old = await people(world, 2)
    journey_id = await launch(world, follow_up(column="quoted"))
    async with world.database.write() as session:
        await pause(session, world.store_id, "silent", now=world.now)
    await look(world, journey_id)
    await silent(world, new, board_column="quoted")
    await silent(world, old, at=later(days=-9), board_column="quoted")
    assert await woken(world, journey_id) == 0
    world.now = later(hours=2)
    assert (await look(world, journey_id)).next_at is None
    async with world.database.write() as session:
        await resume(session, world.store_id, "silent", now=world.now)
    assert await woken(world, journey_id) == 1
    assert (await look(world, journey_id)).entered == 2


@asynccontextmanager
async def _ingesting(world: World, customer_id: int) -> AsyncIterator[None]:
    """A message of ours is stored when the block begins and committed when it ends."""
    async with world.database.write() as session:
        await lock_customer(session, customer_id)
        query = select(Conversation).where(Conversation.customer_id == customer_id)
        conversation = (await session.exec(query)).one()
        conversation.silent_since, conversation.last_spoken_at = world.now, world.now
        conversation.last_spoken_key = "b" * 40
        await wake_for_conversation(session, conversation, now=world.now)
        yield


async def test_a_message_that_is_being_stored_while_the_watch_decides_is_seen_by_it(world: World) -> None:
    """The decision waits for the message's transaction, and then knows of it."""
    (one,) = await people(world, 1)
    await silent(world, one, by_customer=True)
    journey_id = await launch(world, follow_up())
    async with world.database.write() as session:
        (await session.get_one(JourneyWatch, journey_id)).next_at = later(hours=1)
    async with _ingesting(world, one):
        deciding = asyncio.create_task(looking(world).settle(journey_id, Seen(), now=world.now))
        done, _ = await asyncio.wait([deciding], timeout=0.3)
        assert not done
    assert (await deciding).next_at == later(hours=2)
    assert await woken(world, journey_id) == 0


async def test_a_message_that_comes_while_the_watch_decides_wakes_it(world: World) -> None:
    """The message waits for the decision, which cannot know of it, and writes a wake-up."""
    (one,) = await people(world, 1)
    await silent(world, one, by_customer=True)
    journey_id = await launch(world, follow_up())
    async with world.database.write() as session:
        (await session.get_one(JourneyWatch, journey_id)).next_at = later(hours=1)

    async def ingest() -> None:
        async with _ingesting(world, one):
            pass

    async with world.database.write() as session:
        row = await lock_watch(session, journey_id)
        ingesting = asyncio.create_task(ingest())
        done, _ = await asyncio.wait([ingesting], timeout=0.3)
        assert not done
        row.next_at = None
    await ingesting
    assert await woken(world, journey_id) == 1


async def test_no_order_of_messages_and_looks_loses_a_silence(world: World) -> None:
    """However ingest and looks fall together, the watch knows of the earliest silence or is told of it."""
    everybody = await people(world, 12)
    journey_id = await launch(world, follow_up())
    for number, one in enumerate(everybody):
        world.now = later(seconds=number)
        await forget(world)
        await asyncio.gather(silent(world, one), look(world, journey_id))
        row = await world.one(JourneyWatch, journey_id)
        known = row.next_at is not None and row.next_at <= later(hours=2)
        assert known or await woken(world, journey_id) == 1


async def test_a_journey_is_launched_anew_while_messages_are_being_stored(world: World) -> None:
    """A message that marks an answer of the journey and a launch that begins its watch do not wait for each other."""
    (one,) = await people(world, 1)
    await silent(world, one, by_customer=True)
    world.now = later(days=1)
    await launch(world, follow_up())
    world.now = later(hours=1)  # the message is older than what the watch has read

    async def launch_anew() -> None:
        async with world.database.write() as session:
            journey, _ = await publish(session, world.store_id, follow_up(times=2), now=world.now)
            await open_watch(session, journey, since=None, now=world.now)

    async with _ingesting(world, one):
        launching = asyncio.create_task(launch_anew())
        done, _ = await asyncio.wait([launching], timeout=0.3)
        assert not done
    await launching
    (version, _) = await world.rows(JourneyVersion)
    assert version.number == 1


# --- looking ---------------------------------------------------------------------------------------------------------


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
