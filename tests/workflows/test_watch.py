"""Silences and carts become journeys on the real test server, on the virtual clock."""

from datetime import datetime, timedelta

from models.enums import ConsentState, EnrollmentState, ExitReason, JourneyState
from models.tables import (
    CustomerEvent,
    Enrollment,
    EntryDecision,
    Journey,
    JourneyWatch,
    SignalIntent,
    WatchAnswer,
)
from storage.customers import lock_customer
from storage.opt_outs import change_consent
from storage.stopping import close_entry
from storage.stores import required_id
from storage.watches import open_watch
from tests.quiet_chats import our_side_says, quiet
from tests.silences import cart_journey, follow_up, leave_cart, speak
from tests.stack import Person, Stack, journey
from tests.watching import handle, looked, silent, watch


async def replied(stack: Stack, person: Person) -> None:
    """The customer wrote."""
    await speak(stack.database, person.id, number_id=stack.store.number.id or 0, at=await stack.now(), by_customer=True)


async def entered(stack: Stack, count: int) -> list[Enrollment]:
    """Wait until so many have entered."""

    async def there() -> list[Enrollment] | None:
        rows = await stack.rows(Enrollment)
        return rows if len(rows) == count else None

    rows: list[Enrollment] = await stack.until(there)
    stack.started += [one.id for one in rows if one.id not in stack.started]
    return rows


async def outcomes(stack: Stack, journey_id: int) -> list[str]:
    """What is on record about those whom the journey asked about, oldest first."""
    return [one.outcome for one in await stack.rows(EntryDecision) if one.journey_id == journey_id]


async def test_a_silence_becomes_an_entry_when_it_is_long_enough(stack: Stack) -> None:
    """The customer who does not answer for two hours is in the journey then and not before, with a workflow."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up())
    at = await silent(stack, person)
    assert (await looked(stack, journey_id)).next_at == at + timedelta(hours=2)
    await stack.advance(minutes=119)
    assert await stack.rows(Enrollment) == []
    await stack.advance(minutes=2)
    (one,) = await entered(stack, 1)
    assert one.conversation_id is not None
    assert at + timedelta(hours=2) <= one.entered_at < at + timedelta(hours=2, minutes=1)
    assert await outcomes(stack, journey_id) == ["entered"]
    await stack.accepted(1)
    assert [message.recipient for message in stack.received()] == [person.phone]


async def _has_workflow(stack: Stack, enrollment_id: str) -> bool:
    row = await stack.enrollment(enrollment_id)
    return row.state is not EnrollmentState.STARTING


async def test_who_answers_in_time_is_never_in_the_journey(stack: Stack) -> None:
    """A reply before the silence is long enough leaves no enrollment and no decision."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up())
    await silent(stack, person)
    await stack.advance(minutes=60)
    await replied(stack, person)
    await stack.advance(hours=5)
    assert await stack.rows(Enrollment) == []
    assert await outcomes(stack, journey_id) == []
    assert (await looked(stack, journey_id)).next_at is None


async def test_another_message_of_ours_starts_the_silence_again(stack: Stack) -> None:
    """An agent who writes after an hour puts the entry off by an hour."""
    person = await stack.person()
    await watch(stack, follow_up())
    await silent(stack, person)
    await stack.advance(minutes=60)
    again = await silent(stack, person)
    await stack.advance(minutes=115)
    assert await stack.rows(Enrollment) == []
    await stack.advance(minutes=20)
    (one,) = await entered(stack, 1)
    assert one.entered_at >= again + timedelta(hours=2)


async def test_a_watch_costs_nothing_while_everybody_is_answered(stack: Stack) -> None:
    """A chat whose every message is answered at once wakes the watch once, not with every message."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up())
    for _ in range(20):
        await silent(stack, person)
        await stack.advance(minutes=1)
        await replied(stack, person)
    assert len([one for one in await stack.rows(SignalIntent) if one.signal == "wake"]) <= 3
    assert (await looked(stack, journey_id)).looked_at is not None


async def test_many_old_silences_are_paced_by_the_day(stack: Stack) -> None:
    """The longest silences go first, so many a day; the others are on record as paced, once, and enter later."""
    people = [await stack.person() for _ in range(5)]
    for number, person in enumerate(people):
        await silent(stack, person, ago=timedelta(days=10 - number))
    journey_id = await watch(stack, follow_up(sending={"max_per_day": 2}))
    rows = await entered(stack, 2)
    assert {row.customer_id for row in rows} == {people[0].id, people[1].id}
    assert sorted(await outcomes(stack, journey_id)) == ["entered"] * 2 + ["paced"] * 3
    assert (await looked(stack, journey_id)).next_at == datetime.fromisoformat("2030-01-08T00:00:00Z")
    await stack.advance(days=1)
    rows = await entered(stack, 4)
    assert {row.customer_id for row in rows} == {one.id for one in people[:4]}
    await stack.advance(days=1)
    await entered(stack, 5)
    assert sorted(await outcomes(stack, journey_id)) == ["entered"] * 5 + ["paced"] * 3


async def test_only_new_leaves_what_was_silent_before_alone(stack: Stack) -> None:
    """Launched with --only-new a journey answers silences from then on."""
    before, after = await stack.person(), await stack.person()
    await silent(stack, before, ago=timedelta(hours=1))
    journey_id = await watch(stack, follow_up(), only_new=True)
    await stack.advance(minutes=10)
    await silent(stack, after)
    await stack.advance(hours=3)
    (one,) = await entered(stack, 1)
    assert one.customer_id == after.id
    assert await outcomes(stack, journey_id) == ["entered"]


async def test_a_cart_takes_the_customer_over_from_a_follow_up(stack: Stack) -> None:
    """The journey of higher priority wins, the loser ends at once and names the winner."""
    person = await stack.person()
    await watch(stack, follow_up())
    await watch(stack, cart_journey())
    await silent(stack, person)
    await stack.advance(hours=2, minutes=15)
    (first,) = await entered(stack, 1)
    await stack.until(lambda: _has_workflow(stack, first.id))
    await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now())
    await stack.settle()
    await stack.advance(hours=1, minutes=15)
    rows = await entered(stack, 2)
    assert await stack.ends(first.id) is ExitReason.ENTERED_PRIORITY_JOURNEY
    (event,) = [one for one in await stack.rows(CustomerEvent) if one.enrollment_id == first.id]
    assert event.detail == "cart"
    (winner,) = [row for row in rows if row.id != first.id]
    assert winner.checkout_id is not None
    assert winner.entry_key == "cart-1"


async def test_a_journey_that_stood_back_is_asked_again_when_the_other_ends(stack: Stack) -> None:
    """Somebody left out because a stronger journey had them enters as soon as it ends, in the same silence."""
    person = await stack.person()
    other = await stack.begin(journey(("0d", _HELLO), name="stronger", priority=90), person)
    await stack.accepted(1)
    journey_id = await watch(stack, follow_up())
    await silent(stack, person)
    await stack.advance(hours=3)
    await looked(stack, journey_id)
    assert await outcomes(stack, journey_id) == ["in_other_journey"]
    assert [one for one in await stack.rows(WatchAnswer) if one.again_at is not None] == []
    await stack.stop(other)
    assert await stack.ends(other) is ExitReason.STOPPED_BY_STAFF
    await entered(stack, 2)
    assert await outcomes(stack, journey_id) == ["in_other_journey", "entered"]


_HELLO = {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}}


async def test_of_two_follow_ups_the_one_of_the_column_answers(stack: Stack) -> None:
    """A column with a follow-up of its own is no business of the one for all conversations."""
    quoted, other = await stack.person(), await stack.person()
    general = await watch(stack, follow_up(name="general"))
    own = await watch(stack, follow_up(name="own", column="quoted"))
    await silent(stack, quoted, board_column="quoted")
    await silent(stack, other)
    await stack.advance(hours=3)
    rows = {row.customer_id: row.journey_id for row in await entered(stack, 2)}
    assert rows == {quoted.id: own, other.id: general}


async def test_a_card_that_is_moved_begins_its_new_columns_journey(stack: Stack) -> None:
    """A conversation that has been silent for days enters at once when it is moved into the column."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up(column="quoted"))
    at = await silent(stack, person, ago=timedelta(days=3), board_column="new")
    await looked(stack, journey_id)
    assert await stack.rows(Enrollment) == []
    await speak(
        stack.database,
        person.id,
        number_id=stack.store.number.id or 0,
        at=at,
        now=await stack.now(),
        board_column="quoted",
    )
    await stack.settle()
    await entered(stack, 1)


async def test_a_stopped_journeys_watch_ends(stack: Stack) -> None:
    """Stopping the journey ends its watch, and a launch begins another."""
    definition = follow_up()
    journey_id = await watch(stack, definition)
    async with stack.database.write() as session:
        row = await session.get_one(Journey, journey_id)
        await close_entry(session, row, reason="test", now=await stack.now())
    await stack.settle()
    await stack.until(lambda: _is_over(stack, journey_id))
    person = await stack.person()
    await silent(stack, person, ago=timedelta(hours=3))
    assert await watch(stack, definition) == journey_id
    await entered(stack, 1)


async def _is_over(stack: Stack, journey_id: int) -> bool:
    return (await handle(stack, journey_id).describe()).close_time is not None


async def test_a_paused_journey_takes_nobody_in_and_keeps_its_watch(stack: Stack) -> None:
    """While it is paused nothing is asked; awake again it finds what has become due."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up())
    async with stack.database.write() as session:
        (await session.get_one(Journey, journey_id)).state = JourneyState.PAUSED
    await silent(stack, person)
    await stack.advance(hours=3)
    assert await stack.rows(Enrollment) == []
    async with stack.database.write() as session:
        row = await session.get_one(Journey, journey_id)
        row.state = JourneyState.ACTIVE
        await open_watch(session, row, since=None, now=await stack.now())
    await stack.settle()
    await entered(stack, 1)


async def test_closed_hours_put_an_entry_off_until_they_open(stack: Stack) -> None:
    """A silence that becomes long enough at night enters in the morning; who answers before is never in it."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up(sending={"hours": "08:00-10:00"}))
    await silent(stack, person)
    assert (await looked(stack, journey_id)).next_at == datetime.fromisoformat("2030-01-08T08:00:00Z")
    await stack.advance(hours=12)
    assert await stack.rows(Enrollment) == []
    await stack.advance(hours=12)
    await entered(stack, 1)


async def test_a_watchs_books_are_kept(stack: Stack) -> None:
    """The database says when the watch looks next, as the workflow does."""
    person = await stack.person()
    journey_id = await watch(stack, follow_up())
    at = await silent(stack, person)
    progress = await looked(stack, journey_id)
    (row,) = await stack.rows(JourneyWatch)
    assert required_id(row.journey_id) == journey_id
    assert row.next_at == progress.next_at == at + timedelta(hours=2)


async def test_a_reply_ends_the_follow_up_and_our_next_message_can_begin_another(stack: Stack) -> None:
    """From the customer's webhook over our answer and the silence to the message, the reply, and the next silence."""
    person = await stack.person()
    await watch(stack, follow_up())
    await quiet(stack, person)
    await stack.advance(hours=2, minutes=15)
    (first,) = await entered(stack, 1)
    await stack.accepted(1)
    assert stack.received()[0].kind == "text"
    await stack.write(person, "Yes please!")
    assert await stack.ends(first.id) is ExitReason.CUSTOMER_REPLIED
    await stack.advance(seconds=2)
    await our_side_says(stack, person, "Good, it is on its way.")
    await stack.advance(hours=2, minutes=15)
    rows = await entered(stack, 2)
    assert len({row.conversation_id for row in rows}) == 1
    await stack.accepted(2)


async def test_a_customer_who_hides_the_phone_is_followed_up_by_whatsapps_user_id(stack: Stack) -> None:
    """Whoever wrote to us under a user name can be answered there, though nobody knows their number."""
    person = await stack.person()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        customer.phone, customer.wa_user_id, customer.external_id = None, "US.hidden", None
    await replied(stack, person)
    await watch(stack, follow_up())
    await stack.advance(minutes=1)
    await silent(stack, person)
    await stack.advance(hours=2, minutes=1)
    await entered(stack, 1)


async def test_consent_that_comes_while_the_cart_is_open_is_heard(stack: Stack) -> None:
    """A cart that nobody might follow for want of consent is asked about again when consent comes."""
    person = await stack.person(consent=ConsentState.NEVER_SUBSCRIBED)
    journey_id = await watch(stack, cart_journey())
    await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now())
    await stack.settle()
    await stack.advance(hours=2)
    assert await outcomes(stack, journey_id) == ["no_consent"]
    now = await stack.now()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        await change_consent(
            session, customer, ConsentState.SUBSCRIBED, at=now, source="shopify", received_at=now, dedupe_key="yes"
        )
    await stack.settle()
    await entered(stack, 1)


async def test_of_two_carts_the_newer_one_is_followed(stack: Stack) -> None:
    """A customer with two open carts is one customer: asked about the one that they left last, once."""
    person = await stack.person()
    journey_id = await watch(stack, cart_journey())
    await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now(), token="old")
    await stack.advance(minutes=20)
    newer = await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now(), token="new")
    await stack.settle()
    await stack.advance(minutes=50)
    assert await stack.rows(Enrollment) == []
    await stack.advance(minutes=30)
    (one,) = await entered(stack, 1)
    assert one.checkout_id == newer
    assert await outcomes(stack, journey_id) == ["entered"]
