"""Who a daily review considers: everybody once, whatever is cut off, repeated or late, and nobody for nothing."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from models.enums import (
    ConsentState,
    EnrollmentState,
    JourneyState,
    LeftOut,
    ReviewOutcome,
    RunState,
    SaleStanding,
    SendState,
)
from models.money import Money
from models.tables import Conversation, ConversationAnalysis, Enrollment, Journey, Review, TrackingRun
from policies.eligibility import first_failure, rule_result
from storage.customers import lock_customer
from storage.orders import OrderFacts, apply_order
from storage.publishing import publish
from storage.reviews import ask_again, settle_review
from storage.stores import required_id, suppression_key
from storage.tracking_runs import run_before, tracked_by
from tests.reviewing import Reviews, tracking
from tests.silences import follow_up
from tests.worlds import NOON, World

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
async def reviews(world: World) -> Reviews:
    """A journey that is active."""
    found = Reviews(world)
    await found.launch(tracking())
    return found


async def people(world: World, count: int, **values: Any) -> list[int]:
    """Customers who can be written to."""
    return [await world.customer(f"+4477009{n:05}", external_id=f"c{n}", **values) for n in range(100, 100 + count)]


async def test_the_most_recent_come_first_and_the_rest_is_named(reviews: Reviews) -> None:
    """Positions follow the customers' newest messages; beyond the run's number everybody has a reason."""
    await reviews.launch(tracking(max_conversations=3))
    ids = await people(reviews.world, 6)
    chats = [await reviews.say(one, NOON - n * HOUR) for n, one in enumerate(ids, 1)]
    run = await reviews.consider("run-1", now=NOON, limit=2)
    rows = {one.conversation_id: one for one in await reviews.world.rows(Review)}
    assert [rows[one].position for one in chats] == [1, 2, 3, None, None, None]
    assert [rows[one].left_out for one in chats[3:]] == [LeftOut.LIMIT] * 3
    assert rows[chats[3]].threshold == "the 3 with the newest messages of a run"
    assert (await reviews.world.one(TrackingRun, run.id)).selected_at == NOON


async def test_a_run_that_dies_goes_on_where_it_was(reviews: Reviews) -> None:
    """Pages that were committed stand, one that was not is read again, and nobody is considered twice."""
    ids = await people(reviews.world, 5)
    chats = {await reviews.say(one, NOON - n * HOUR) for n, one in enumerate(ids, 1)}
    run = await reviews.begin("run-1", now=NOON)
    assert run is not None
    assert await reviews.page(run, now=NOON, limit=2)
    again = await reviews.begin("run-1", now=NOON + 3 * HOUR)
    assert again is not None
    assert (again.id, again.started_at) == (run.id, NOON)
    await reviews.say(ids[0], NOON + HOUR)
    await reviews.consider("run-1", now=NOON + 3 * HOUR, limit=2)
    assert not await reviews.page(run, now=NOON + 4 * HOUR)
    rows = await reviews.world.rows(Review)
    assert {one.conversation_id for one in rows} == chats
    assert sorted(one.position for one in rows) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("state", [JourneyState.PAUSED, JourneyState.STOPPED, JourneyState.PENDING])
async def test_a_journey_that_is_not_active_has_no_run(reviews: Reviews, state: JourneyState) -> None:
    """Whatever the schedule says; and one that is stopped during a run considers nobody more."""
    await reviews.say((await people(reviews.world, 1))[0], NOON - HOUR)
    run = await reviews.begin("run-1", now=NOON)
    assert run is not None
    async with reviews.world.database.write() as session:
        await session.exec(update(Journey).where(col(Journey.id) == reviews.journey_id).values(state=state))
    assert await reviews.begin("run-2", now=NOON) is None
    assert not await reviews.page(run, now=NOON)
    assert await reviews.world.rows(Review) == []
    await reviews.finish(run, now=NOON)
    ended = await reviews.world.one(TrackingRun, run.id)
    assert (ended.state, ended.stop_reason) == (RunState.STOPPED, "not everybody was considered")


async def test_a_journey_of_another_kind_has_no_run(world: World) -> None:
    """A run of a follow-up is never begun."""
    reviews = Reviews(world)
    async with world.database.write() as session:
        journey, _ = await publish(session, world.store_id, follow_up(), now=NOON)
        journey.state = JourneyState.ACTIVE
        reviews.journey_id = required_id(journey.id)
    assert await reviews.begin("run-1", now=NOON) is None


async def test_days_off_and_stopped_runs_are_covered_by_the_next(reviews: Reviews) -> None:
    """What a stopped run did not get to waits for the next one, with what was written in the meantime."""
    monday, friday = NOON + 3 * DAY, NOON
    first, second, third, fourth = await people(reviews.world, 4)
    one = await reviews.say(first, friday - HOUR)
    two = await reviews.say(second, friday - 2 * HOUR)
    run = await reviews.consider("friday", now=friday)
    await reviews.analyse(run, now=friday, most=1)
    await reviews.finish(run, now=friday, stop_reason="no_credits")
    three = await reviews.say(third, friday + HOUR)
    four = await reviews.say(fourth, friday - 23 * HOUR, heard=friday + HOUR)
    after = await reviews.consider("monday", now=monday)
    assert (after.since, after.heard_since) == (friday - DAY, friday - 10 * MINUTE)
    assert await reviews.told(after) == {one: "analysed", two: "waiting", three: "waiting", four: "waiting"}
    assert (await reviews.told(run))[one] == "not_detected"


async def test_a_message_that_was_told_late_is_seen_by_the_next_run(reviews: Reviews) -> None:
    """A gateway that was down hands on what was written before the run after it; a first run looks at its window."""
    first, second = await people(reviews.world, 2)
    await reviews.say(first, NOON - 30 * HOUR, heard=NOON - HOUR)
    assert await reviews.run("run-1", now=NOON) == []
    late = await reviews.say(second, NOON - 2 * HOUR, heard=NOON + 2 * HOUR)
    run = await reviews.consider("run-2", now=NOON + DAY)
    assert await reviews.told(run) == {late: "waiting"} or run.since <= NOON - 2 * HOUR


async def test_who_wrote_again_within_the_day_is_carried_over(reviews: Reviews) -> None:
    """Where the clocks go forward the next run leaves it out, and the one after it has it although it is old."""
    (who,) = await people(reviews.world, 1)
    await reviews.launch(tracking(window_hours=12))
    chat = await reviews.say(who, NOON - HOUR)
    assert len(await reviews.run("run-1", now=NOON)) == 1
    await reviews.say(who, NOON + HOUR)
    early = await reviews.consider("run-2", now=NOON + 23 * HOUR)
    assert await reviews.told(early) == {chat: "analysed_lately"}
    await reviews.finish(early, now=NOON + 23 * HOUR)
    stopped = await reviews.begin("run-3", now=NOON + 46 * HOUR)
    assert stopped is not None
    await reviews.finish(stopped, now=NOON + 46 * HOUR, stop_reason="stopped by staff")
    late = await reviews.consider("run-4", now=NOON + 47 * HOUR)
    assert late.since > NOON + HOUR
    assert await reviews.told(late) == {chat: "waiting"}


async def test_a_finding_that_was_not_followed_up_is_the_next_runs(reviews: Reviews) -> None:
    """What a run has paid for and could not act upon any more is handed on, without another analysis."""
    (who,) = await people(reviews.world, 1)
    chat = await reviews.say(who, NOON - HOUR)
    run = await reviews.consider("run-1", now=NOON)
    await reviews.analyse(run, now=NOON, outcome=ReviewOutcome.DETECTED)
    await reviews.finish(run, now=NOON, stop_reason="no_credits")
    after = await reviews.consider("run-2", now=NOON + 2 * HOUR)
    assert await reviews.told(after) == {chat: "waiting"}
    assert await reviews.analyse(after, now=NOON + 2 * HOUR, outcome=ReviewOutcome.ENROLLED) == []
    await reviews.finish(after, now=NOON + 2 * HOUR)


async def test_what_came_to_no_end_is_tried_again_while_it_is_news(reviews: Reviews) -> None:
    """A finding that nobody could verify and a conversation that the model was away for: for three days."""
    found, unread, over = await people(reviews.world, 3)
    await reviews.launch(tracking(window_hours=12))
    chats = {one: await reviews.say(one, NOON - n * HOUR) for n, one in enumerate((found, unread, over), 1)}
    run = await reviews.consider("run-0", now=NOON)
    await reviews.analyse(run, now=NOON)
    unverified = rule_result(LeftOut.NOT_VERIFIED, passed=False, seen="no answer", threshold="an answer")
    async with reviews.world.database.write() as session:
        for row in (await session.exec(select(Review).order_by(col(Review.position)))).all()[:2]:
            analysis = await session.get_one(ConversationAnalysis, row.analysis_id)
            if row.customer_id == found:
                settle_review(session, row, ReviewOutcome.LEFT_OUT, failed=unverified, now=NOON)
            else:
                settle_review(session, row, ReviewOutcome.UNREADABLE, now=NOON)
                analysis.answered_at = None
    await reviews.finish(run, now=NOON)
    for day in (1, 2):
        run = await reviews.consider(f"run-{day}", now=NOON + day * DAY)
        assert await reviews.told(run) == {chats[found]: "waiting", chats[unread]: "waiting"}
        async with reviews.world.database.write() as session:
            for row in (await session.exec(select(Review).where(Review.run_id == run.id))).all():
                row.analysis_id = (
                    await session.exec(
                        select(ConversationAnalysis.id).where(
                            ConversationAnalysis.conversation_id == row.conversation_id
                        )
                    )
                ).one()
                failed = unverified if row.customer_id == found else None
                outcome = ReviewOutcome.LEFT_OUT if failed is not None else ReviewOutcome.UNREADABLE
                settle_review(session, row, outcome, failed=failed, now=NOON)
        await reviews.finish(run, now=NOON + day * DAY)
    for key in ("run-5", "run-9"):
        # Days off are no news; a run after them has the last say.
        now = NOON + int(key[-1]) * DAY
        run = await reviews.consider(key, now=now)
        known = {chats[found]: "waiting", chats[unread]: "waiting"}
        assert await reviews.told(run) == (known if key == "run-5" else {})
        async with reviews.world.database.write() as session:
            for row in (await session.exec(select(Review).where(Review.run_id == run.id))).all():
                settle_review(session, row, ReviewOutcome.LEFT_OUT, failed=unverified, now=now)
        await reviews.finish(run, now=now)


async def test_what_keeps_out_is_on_record_with_its_value(reviews: Reviews) -> None:
    """Opted out, bought, in a journey, without words, analysed: each with what was seen and what is asked."""
    world = reviews.world
    gone, buyer, busy, mute, cancelled = await people(world, 5)
    chats = {one: await reviews.say(one, NOON - HOUR) for one in (gone, buyer, busy, cancelled)}
    chats[mute] = await reviews.say(mute, NOON - HOUR, text=None)
    async with world.database.write() as session:
        (await lock_customer(session, gone)).opted_out_at = NOON
        for who, cancelled_at in ((buyer, None), (cancelled, NOON)):
            facts = OrderFacts(
                external_id=f"o{who}",
                ordered_at=NOON - 24 * HOUR,
                updated_at=NOON,
                total=Money(4000, "USD"),
                cancelled_at=cancelled_at,
            )
            await apply_order(session, await lock_customer(session, who), facts, source="test", received_at=NOON)
    await world.enroll(busy, state=EnrollmentState.WAITING, priority=60)
    run = await reviews.consider("run-1", now=NOON)
    assert await reviews.told(run) == {
        chats[gone]: "unsubscribed",
        chats[buyer]: "already_bought",
        chats[busy]: "in_other_journey",
        chats[mute]: "no_text",
        chats[cancelled]: "waiting",
    }
    rows = {one.conversation_id: one for one in await world.rows(Review)}
    bought = rows[chats[buyer]]
    assert (bought.seen, bought.threshold) == ("an order 2026-11-21 12:00 UTC", "no order since 2026-11-21 11:00 UTC")


async def test_more_contacts_than_the_file_allows_are_none(reviews: Reviews) -> None:
    """Only what may have reached the customer, or was told of, counts; their long silence begins it anew."""
    world = reviews.world
    await reviews.launch(tracking(max_attempts=1, restart_days=30))
    quick, failed, told, back = await people(world, 4)
    days = 0

    async def contact(who: int, *, state: SendState | None) -> None:
        nonlocal days
        at = NOON + days * DAY
        await reviews.say(who, at - HOUR)
        run = await reviews.consider(f"run-{days}", now=at)

        def answered(analysis: ConversationAnalysis) -> None:
            analysis.sale, analysis.attempt = SaleStanding.OPEN, 1

        await reviews.analyse(run, now=at, outcome=ReviewOutcome.ENROLLED, on_answer=answered)
        await reviews.finish(run, now=at)
        if state is not None:
            enrollment = await world.enroll(who, state=EnrollmentState.WAITING)
            await world.claim(enrollment, state=state)
            async with world.database.write() as session:
                values: dict[str, Any] = {"enrollment_id": enrollment}
                newest = col(ConversationAnalysis.customer_id) == who
                await session.exec(update(ConversationAnalysis).where(newest).values(**values))
                closed: dict[str, Any] = {"state": EnrollmentState.CLOSED}
                await session.exec(update(Enrollment).where(col(Enrollment.id) == enrollment).values(**closed))
        days += 1

    await contact(quick, state=SendState.UNKNOWN)
    await contact(failed, state=SendState.FAILED)
    await contact(told, state=None)
    await contact(back, state=SendState.ACCEPTED)
    at = NOON + 5 * DAY
    chats = [await reviews.say(one, at - HOUR) for one in (quick, failed, told)]
    run = await reviews.consider("run-last", now=at)
    assert [(await reviews.told(run))[one] for one in chats] == ["max_attempts", "waiting", "max_attempts"]
    await reviews.finish(run, now=at)
    later = NOON + 40 * DAY
    chats = [await reviews.say(one, later - HOUR) for one in (quick, back)]
    run = await reviews.consider("run-later", now=later)
    assert [(await reviews.told(run))[one] for one in chats] == ["waiting", "waiting"]


async def test_the_rules_are_asked_again_under_the_lock(reviews: Reviews) -> None:
    """What has happened since the review counts, and which attempt it is; who has been erased is not asked about."""
    world = reviews.world
    (who,) = await people(world, 1)
    await reviews.say(who, NOON - HOUR)
    run = await reviews.consider("run-1", now=NOON)
    await reviews.analyse(run, now=NOON, outcome=ReviewOutcome.DETECTED)
    (analysis,) = await world.rows(ConversationAnalysis)

    async def ask() -> Any:
        async with world.database.write() as session:
            scope = await tracked_by(session, run)
            key = suppression_key(scope.store, world.cipher)
            return await ask_again(session, scope, analysis, suppression_key=key, now=NOON)

    asked = await ask()
    assert first_failure(asked.results) is None
    assert (asked.reviewed.attempt, asked.who.entry_key) == (1, f"analysis-{analysis.id}")
    async with world.database.write() as session:
        (await lock_customer(session, who)).consent = ConsentState.UNSUBSCRIBED
    failed = first_failure((await ask()).results)
    assert failed is not None
    assert failed.reason is LeftOut.UNSUBSCRIBED
    async with world.database.write() as session:
        await session.exec(
            update(Conversation).where(col(Conversation.customer_id) == who).values(customer_wrote_at=None)
        )
    assert await ask() is None


async def test_the_last_run_is_the_one_that_began_last(reviews: Reviews) -> None:
    """Of runs of one moment the later row is the later run, and a run is not before itself."""
    runs = [await reviews.begin(f"run-{n}", now=NOON) for n in range(3)]
    async with reviews.world.database.read() as session:
        assert runs[1] is not None
        before = await run_before(session, reviews.journey_id, runs[1])
        assert before is not None
        assert before.run_key == "run-0"
        assert await run_before(session, reviews.journey_id, selected=True) is None
