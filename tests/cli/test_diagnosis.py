"""Why did this customer (not) get in? Each case as support types it: the answer, then its evidence."""

import json
from datetime import date, timedelta

import pytest

from models.enums import (
    ConsentState,
    EnrollmentState,
    JourneyState,
    LeftOut,
)
from models.tables import (
    Customer,
    EntryDecision,
    Journey,
    Paced,
    WatchAnswer,
)
from storage.customers import SuppressionReason, suppress
from storage.publishing import publish
from storage.stores import find_store, suppression_key
from tests.cli.conftest import Scene
from tests.silences import follow_up, speak
from tests.supporting import DAY, NOW, PHONE, START, Support, asked_about
from tests.worlds import DEFINITION


@pytest.fixture
async def support(scene: Scene) -> Support:
    """A store with an active win-back, and a customer whose last order is seventy days old."""
    return await asked_about(scene)


# --- nobody we know, or nobody who was considered --------------------------------------------------------------------


async def test_a_number_that_nobody_has(world: Scene) -> None:
    """The shop is asked as well; the sentence says what that means, and what to look at."""
    async with world.database.write() as session:
        journey, _ = await publish(session, 1, DEFINITION, now=START)
        journey.state = JourneyState.ACTIVE
    answer = await world.run("why-not", DEFINITION.name, PHONE)
    assert answer.code == 3
    assert "no customer of shop has the number" in answer.err
    assert "the shop's own list included" in answer.err
    assert "see that the number is written as the shop has it" in answer.err


async def test_a_number_that_nobody_has_while_the_shop_is_away(world: Scene) -> None:
    """Nobody is told to ask once more with the command that has just been typed."""
    async with world.database.write() as session:
        journey, _ = await publish(session, 1, DEFINITION, now=START)
        journey.state = JourneyState.ACTIVE
        world.shop.token = "another"
    answer = await world.run("why-not", DEFINITION.name, PHONE)
    assert answer.code == 3
    assert "the shop could not be asked" in answer.err
    assert "`store check`" in answer.err
    assert "`why-not JOURNEY PHONE`" not in answer.err


async def test_a_number_that_the_shop_knows_and_nobody_else(world: Scene) -> None:
    """The shop's customer of twelve days ago was never considered: the shop's own filter does not return them."""
    async with world.database.write() as session:
        journey, _ = await publish(session, 1, DEFINITION, now=START)
        journey.state = JourneyState.ACTIVE
    world.customer(123, days_ago=12)
    answer = await world.run("why-not", DEFINITION.name, PHONE, "--json")
    found = json.loads(answer.out)
    assert (found["refreshed"], found["answer"]["code"]) == (True, "shop_filter")
    assert "did not know this customer until now; the shop has just told of them" in found["answer"]["text"]
    assert "12 days since the last order; asked is at least 60 days" in found["answer"]["text"]
    assert found["answer"]["until"] is not None


async def test_a_number_on_the_suppression_list(support: Support) -> None:
    """Nobody has it any more, and it must not be written to: an erased customer's number says so."""
    async with support.world.database.write() as session:
        parts = await find_store(session, "shop")
        key = suppression_key(parts.store, support.scene.cipher)
        await suppress(session, parts.id, "+447700900999", reason=SuppressionReason.ERASED, key=key, now=START)
    answer = await support.scene.run("why-not", DEFINITION.name, "07700 900999")
    assert (answer.code, "on the list of those who must not be written to" in answer.err) == (3, True)


async def test_never_considered_since_the_order_was_too_fresh_then(support: Support) -> None:
    """The last selection is named with what its filter saw then; by now the next one takes them."""
    await support.change(Customer, support.customer, last_order_at=START - 59 * DAY)
    await support.selected(START)
    found = await support.why()
    assert (found["code"], found["since"]) == ("next_selection", None)
    assert "did not meet them, whose last order was then 59 days old and must be 60" in found["text"]
    assert found["advice"] == "`launch` the file again"


async def test_never_considered_and_a_rule_says_no_now(support: Support) -> None:
    """What would keep them out is told with its value, and what to do about it."""
    await support.change(Customer, support.customer, consent=ConsentState.PENDING)
    found = await support.why()
    assert found["code"] == "never_considered"
    assert "there is no consent to marketing (pending; asked is subscribed)" in found["text"]
    assert found["advice"].startswith("ask the customer for consent")


async def test_not_returned_by_the_shops_filter(support: Support) -> None:
    """The rule, its value, and from which day on it lets them in: the store's midnight."""
    await support.change(Customer, support.customer, last_order_at=NOW - 12 * DAY)
    found = await support.why()
    assert (found["code"], found["until"]) == ("shop_filter", "2026-04-20T23:00:00Z")
    assert "12 days since the last order; asked is at least 60 days" in found["text"]
    assert "from Tue 2026-04-21 00:00 Europe/London" in found["text"]


# --- considered ------------------------------------------------------------------------------------------------------


async def test_left_out_then_and_let_in_now(support: Support) -> None:
    """The answer is the one that was true then, with its value and its time; and that it would be another now."""
    word = LeftOut.FILTER_INACTIVE_DAYS.value
    await support.decided(word, "58 days since the last order", "at least 60 days")
    found = await support.why()
    assert (found["code"], found["since"]) == ("left_out", "2026-03-02T09:00:00Z")
    assert "Considered Mon 2026-03-02 09:00 Europe/London" in found["text"]
    assert "(58 days since the last order; asked is at least 60 days)" in found["text"]
    assert "Asked now, every rule lets them in." in found["text"]


async def test_left_out_and_still_so(support: Support) -> None:
    """The same rule says no now, until a moment that is told."""
    await support.change(Customer, support.customer, last_order_at=NOW - 14 * DAY)
    await support.decided(LeftOut.FILTER_INACTIVE_DAYS.value, "12 days since the last order", "at least 60 days")
    found = await support.why()
    assert (found["code"], found["until"]) == ("left_out", "2026-04-18T23:00:00Z")
    assert "Asked now, the rule says the same (14 days since the last order)." in found["text"]


async def test_left_out_of_a_journey_that_was_stopped_since(support: Support) -> None:
    """What was decided stays the answer, and that nobody enters any more is told with it."""
    await support.change(Journey, 1, state=JourneyState.STOPPED)
    await support.decided(LeftOut.NO_CONSENT.value, "never subscribed", "subscribed")
    found = await support.why()
    assert found["code"] == "left_out"
    assert "The journey is stopped now, so nobody enters it." in found["text"]


async def test_paced(support: Support) -> None:
    """The day, and how many come before them."""
    launch = await support.selected(START)
    others = [await support.world.customer(f"+4477009001{number}") for number in range(30, 33)]
    async with support.world.database.write() as session:
        for number, customer in enumerate([*others, support.customer]):
            day = date(2026, 3, 5) if number != 2 else date(2026, 3, 6)
            session.add(
                Paced(
                    store_id=1,
                    journey_id=1,
                    version_id=1,
                    launch_id=launch,
                    customer_id=customer,
                    day=day,
                    control=number == 1,
                )
            )
    await support.decided(LeftOut.PACED.value, "given 2026-03-05", "at most 1000 a day")
    found = await support.why()
    assert (found["code"], found["since"]) == ("paced", "2026-03-02T09:00:00Z")
    assert "waits for Thu 2026-03-05" in found["text"]
    assert "one waits before them" in found["text"]


async def test_waits_for_room(support: Support) -> None:
    """A follow-up whose day is full has no day to give: they are asked again when there is room, behind the others."""
    async with support.world.database.write() as session:
        silent, _ = await publish(session, 1, follow_up(sending={"max_per_day": 1}), now=START)
        silent.state = JourneyState.ACTIVE
    other = await support.world.customer("+447700900130")
    for number, customer in enumerate((other, support.customer)):
        at = START + number * timedelta(minutes=1)
        chat = await speak(support.world.database, customer, number_id=1, at=at, now=NOW)
        async with support.world.database.write() as session:
            session.add(WatchAnswer(journey_id=2, conversation_id=chat, since=at, outcome=LeftOut.PACED.value))
    found = await support.why(journey="silent")
    assert found["code"] == "paced"
    assert "waits for room: at most 1 customers enter silent a day, and one waits before them" in found["text"]


async def test_held_out_by_the_draw(support: Support) -> None:
    """Plainly: by the draw, on purpose, until when."""
    until = NOW + 8 * DAY
    await support.world.enroll(support.customer, state=EnrollmentState.CONTROL, control=True, horizon_at=until)
    found = await support.why()
    assert (found["code"], found["until"]) == ("control", "2026-03-12T09:00:00Z")
    assert found["text"].startswith("Held out until Thu 2026-03-12 09:00 Europe/London")
    assert "by the draw and on purpose" in found["text"]
    support.scene.clock = until + DAY
    assert (await support.why())["text"].startswith("Was held out until")


# --- the journey itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "code", "text"),
    [
        (JourneyState.DRAFT, "journey_draft", "was never launched"),
        (JourneyState.PENDING, "journey_pending", "for winback_hello (en)"),
        (JourneyState.PAUSED, "journey_paused", "winback_hello (en)"),
        (JourneyState.STOPPED, "journey_stopped", "was stopped"),
        (JourneyState.ARCHIVED, "journey_archived", "kept for its numbers"),
    ],
)
async def test_a_journey_that_takes_nobody(support: Support, state: JourneyState, code: str, text: str) -> None:
    """Draft, pending for which templates, paused and why, stopped, archived: since when, and what to do."""
    await support.change(Journey, 1, state=state, state_reason="winback_hello (en)", state_since=START)
    found = await support.why()
    assert (found["code"], found["since"]) == (code, "2026-03-02T09:00:00Z")
    assert text in found["text"]
    assert found["advice"]


# --- status, and the other kinds -------------------------------------------------------------------------------------


async def test_status_answers_for_every_journey(support: Support) -> None:
    """One sentence for each journey that is under way or had to do with them, before the evidence."""
    async with support.world.database.write() as session:
        silent, _ = await publish(session, 1, follow_up(), now=START)
        silent.state = JourneyState.ACTIVE
        await publish(session, 1, follow_up(name="never-launched"), now=START)
    await support.decided(LeftOut.NO_CONSENT.value, "never subscribed", "subscribed")
    await speak(support.world.database, support.customer, number_id=1, at=NOW - timedelta(hours=1), now=NOW)
    answer = await support.scene.run("status", PHONE, "--json")
    found = {one["journey"]: one["answer"] for one in json.loads(answer.out)["answers"]}
    assert {name: one["code"] for name, one in found.items()} == {
        DEFINITION.name: "left_out",
        "silent": "never_considered",
    }
    assert found["silent"]["until"] == "2026-03-04T10:00:00Z"
    shown = (await support.scene.run("status", PHONE)).out
    assert shown.startswith("silent: Never considered: no silence of theirs has come due.")
    assert shown.index("Considered Mon 2026-03-02") < shown.index("Ada, +44")


async def test_why_not_shows_the_answer_first(support: Support) -> None:
    """For a person the sentence comes first, then what to do, then every rule."""
    await support.decided(LeftOut.NO_CONSENT.value, "never subscribed", "subscribed")
    lines = (await support.scene.run("why-not", DEFINITION.name, PHONE)).out.splitlines()
    assert lines[0].startswith("Considered Mon 2026-03-02")
    assert lines[1].startswith("  [left out] ask the customer for consent")
    assert any("no_consent" in line for line in lines[2:])


async def test_asking_leaves_no_trace(support: Support) -> None:
    """Asking why changes nothing on record."""
    await support.why()
    assert await support.world.rows(EntryDecision) == []
