"""The numbers of journeys that no audience is selected for: who waits for room, and what reviewing cost."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from models.enums import CreditKind, CreditState, EnrollmentState, LeftOut
from models.journey import JourneyDefinition
from models.tables import CreditEntry, Enrollment, WatchAnswer
from policies.calendar import local_date
from storage.publishing import publish
from storage.statistics.grouping import By
from storage.statistics.lists import list_rows
from storage.statistics.period import Period
from storage.statistics.totals import totals, totals_by
from storage.stores import required_id
from tests.reviewing import Reviews, tracking
from tests.silences import cart_journey, follow_up, leave_cart, speak
from tests.worlds import NOON, World

LONDON = ZoneInfo("Europe/London")
BEGAN = NOON - timedelta(hours=5)


async def published(world: World, definition: JourneyDefinition) -> int:
    """A journey of that definition; its id."""
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, definition, now=NOON)
        return required_id(journey.id)


async def put_off(world: World, journey_id: int, **subject: Any) -> None:
    """The watch has no room for a silence or a cart today."""
    async with world.database.write() as session:
        answer = WatchAnswer(journey_id=journey_id, since=BEGAN, outcome=LeftOut.PACED.value, **subject)
        session.add(answer)


async def test_who_waits_for_room_is_paced_while_nothing_has_changed(world: World) -> None:
    """A silence that was put off counts; one that the customer has broken since does not."""
    journey_id = await published(world, follow_up(every="2h"))
    silent, spoke = await world.customer(first_name="Ann"), await world.customer("+447700900124")
    for customer_id in (silent, spoke):
        chat = await speak(world.database, customer_id, number_id=world.number_id, at=BEGAN)
        await put_off(world, journey_id, conversation_id=chat)
    await speak(world.database, spoke, number_id=world.number_id, at=NOON, by_customer=True)
    await _is_paced(world, journey_id)


async def test_a_cart_that_waits_for_room_is_paced(world: World) -> None:
    """As a silence is."""
    journey_id = await published(world, cart_journey())
    customer_id = await world.customer(first_name="Ann")
    cart = await leave_cart(world.database, customer_id, store_id=world.store_id, at=BEGAN)
    await put_off(world, journey_id, checkout_id=cart)
    await _is_paced(world, journey_id)


async def _is_paced(world: World, journey_id: int) -> None:
    today = local_date(BEGAN, LONDON)
    async with world.database.read() as session:
        assert (await totals(session, journey_id)).counts == {"paced": 1}
        [row] = await list_rows(session, journey_id, "paced", limit=5)
        assert (row.first_name, row.at, row.version) == ("Ann", BEGAN, 1)
        [(label, found)] = await totals_by(session, journey_id, By.DAY, zone=LONDON)
        assert (label.day, found.counts["paced"]) == (today, 1)
        assert (await totals(session, journey_id, Period(None, today, LONDON))).counts["paced"] == 0


async def test_a_review_counts_who_was_enrolled_and_what_the_model_cost(world: World) -> None:
    """A tracking journey has the same numbers; its calls of the model are charged to it."""
    reviews = Reviews(world)
    await reviews.launch(tracking())
    customer_id = await world.customer()
    chat = await reviews.say(customer_id, NOON - timedelta(hours=2))
    run = await reviews.consider("run-1", now=NOON)
    await reviews.analyse(run, now=NOON)
    async with world.database.write() as session:
        enrollment = Enrollment(
            id="enr-1",
            store_id=world.store_id,
            journey_id=reviews.journey_id,
            version_id=run.version_id,
            customer_id=customer_id,
            conversation_id=chat,
            entry_key="1",
            priority=55,
            state=EnrollmentState.WAITING,
            selected_at=NOON,
            entered_at=NOON,
        )
        session.add(enrollment)
        for number, state in enumerate((CreditState.SETTLED, CreditState.RESERVED, CreditState.RELEASED)):
            line = CreditEntry(
                store_id=world.store_id,
                cause=f"analysis:1:{number}",
                kind=CreditKind.ANALYSIS,
                state=state,
                amount=-2,
                analysis_id=1,
                at=NOON,
            )
            session.add(line)
    async with world.database.read() as session:
        found = await totals(session, reviews.journey_id)
        assert (dict(found.counts), found.credits) == ({"started": 1, "state:waiting": 1}, 4)
        [(label, row)] = await totals_by(session, reviews.journey_id, By.VERSION, zone=LONDON)
        assert (label.version, row.credits) == (1, 4)
