"""A watch is woken for what it cannot know of, and for nothing else; what comes while it decides is not lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlmodel import select

from activities.watching import Seen
from models.tables import (
    Conversation,
    JourneyVersion,
    JourneyWatch,
)
from storage.customers import lock_customer
from storage.pausing import pause, resume
from storage.publishing import publish
from storage.watch_queue import lock_watch
from storage.watches import open_watch, wake_for_conversation
from tests.looking import forget, launch, look, looking, people, silent, woken
from tests.silences import follow_up
from tests.worlds import World, later


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
