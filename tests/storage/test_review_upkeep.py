"""When customers last wrote, and what becomes of reviews when they turn out to be one or time has passed."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from models.enums import BuyingIntent, MessageAuthor, ReviewOutcome
from models.tables import Conversation, ConversationAnalysis, Review
from storage.chats import recount
from storage.customers import lock_customer
from storage.merging import merge_customers
from storage.review_upkeep import LEFT_OUT_KEPT
from storage.upkeep import prune
from tests.reviewing import Reviews, tracking
from tests.worlds import NOON, PHONE, World

HOUR = timedelta(hours=1)


@pytest.fixture
async def reviews(world: World) -> Reviews:
    """A journey that is active."""
    found = Reviews(world)
    await found.launch(tracking())
    return found


async def test_a_chat_knows_when_its_customer_last_wrote(reviews: Reviews) -> None:
    """Our side's words change nothing, older news neither; when it was heard of is kept beside."""
    who = await reviews.world.customer()
    chat = await reviews.say(who, NOON, heard=NOON + HOUR)
    await reviews.say(who, NOON + 3 * HOUR, author=MessageAuthor.AGENT)
    await reviews.say(who, NOON - HOUR, heard=NOON + 4 * HOUR)
    found = await reviews.world.one(Conversation, chat)
    assert (found.customer_wrote_at, found.customer_heard_at) == (NOON, NOON + HOUR)
    await reviews.say(who, NOON + 5 * HOUR, heard=NOON + 2 * HOUR)
    found = await reviews.world.one(Conversation, chat)
    assert (found.customer_wrote_at, found.customer_heard_at) == (NOON + 2 * HOUR, NOON + 2 * HOUR)
    async with reviews.world.database.write() as session:
        row = await session.get_one(Conversation, chat)
        row.customer_wrote_at = None
        await recount(session, row)
    found = await reviews.world.one(Conversation, chat)
    assert (found.customer_wrote_at, found.customer_heard_at) == (NOON + 2 * HOUR, NOON + 2 * HOUR)


async def test_reviews_go_over_with_the_chat(reviews: Reviews) -> None:
    """Of two reviews of one run the one with an analysis stands; no last message is taken for another's."""
    world = reviews.world
    kept, gone = await world.customer(PHONE, external_id="1"), await world.customer("+447700900124")
    # A chat tool that counts anew in each conversation.
    await reviews.say(kept, NOON - 2 * HOUR, message_id="1")
    await reviews.say(gone, NOON - HOUR, message_id="1", heard=NOON)
    run = await reviews.consider("run-1", now=NOON)

    def answered(analysis: ConversationAnalysis) -> None:
        analysis.intent = BuyingIntent.HIGH

    await reviews.analyse(run, now=NOON, most=1, on_answer=answered)
    before = await reviews.world.rows(ConversationAnalysis)
    await reviews.finish(run, now=NOON, stop_reason="no_credits")
    again = await reviews.consider("run-2", now=NOON + HOUR)
    await reviews.analyse(again, now=NOON + HOUR)
    async with world.database.write() as session:
        first, second = await lock_customer(session, kept), await lock_customer(session, gone)
        await merge_customers(session, first, second, now=NOON + HOUR)
    async with world.database.read() as session:
        (chat,) = (await session.exec(select(Conversation))).all()
    analyses, rows = await world.rows(ConversationAnalysis), await world.rows(Review)
    assert {(one.customer_id, one.conversation_id) for one in (*analyses, *rows)} == {(kept, chat.id)}
    assert len(analyses) == len({one.last_key for one in analyses}) == 2
    assert [one.analysis_id for one in rows if one.run_id == run.id] == [before[0].id]
    assert (chat.customer_wrote_at, chat.customer_heard_at) == (NOON - 2 * HOUR, NOON)


async def test_why_somebody_was_left_out_is_told_for_a_while(reviews: Reviews) -> None:
    """Then it goes, if the conversation was looked at again since; the last word about each stays, however old."""
    world = reviews.world
    for number in range(2):
        await reviews.say(await world.customer(f"+44770090020{number}"), NOON - (number + 1) * HOUR)
    await reviews.launch(tracking(max_conversations=1))
    run = await reviews.consider("run-1", now=NOON)
    await reviews.analyse(run, now=NOON)
    beyond = NOON + LEFT_OUT_KEPT + HOUR

    async def left(at: datetime) -> list[ReviewOutcome]:
        async with world.database.write() as session:
            await prune(session, raw_before=NOON, now=at)
        return [one.outcome for one in await world.rows(Review)]

    both = [ReviewOutcome.NOT_DETECTED, ReviewOutcome.LEFT_OUT]
    assert sorted(await left(beyond)) == sorted(both)
    again = await reviews.consider("run-2", now=NOON + HOUR)
    assert {one.run_id for one in await world.rows(Review)} == {run.id, again.id}
    found = len(await world.rows(Review))
    assert len(await left(NOON + LEFT_OUT_KEPT)) == found
    assert ReviewOutcome.NOT_DETECTED in await left(beyond)
    gone = [one for one in await world.rows(Review) if one.run_id == run.id and one.outcome is ReviewOutcome.LEFT_OUT]
    assert (len(await world.rows(Review)), gone) == (found - 1, [])
