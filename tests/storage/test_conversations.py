import asyncio
from datetime import datetime
from typing import Any

import pytest

from models.enums import EventKind, JourneyState, MessageAuthor
from models.journey import FollowUp
from models.tables import ChatMessage, Conversation, ConversationRef, CustomerEvent, JourneyWatch, SendAttempt
from storage.chats import Spoken, ensure_conversation, message_key, note_message
from storage.conversations import attach, bind_ref, keep_column, keep_open, move, set_context, set_open
from storage.customers import lock_customer
from storage.enrollments import enrollment_facts
from storage.ingest_messages import hear_customer
from storage.publishing import publish
from storage.sends import write_chat
from storage.stores import required_id
from tests.worlds import NOON, World, later

CUSTOMER, AGENT = MessageAuthor.CUSTOMER, MessageAuthor.AGENT


async def chat(world: World, customer_id: int) -> int:
    """The customer's conversation; its id."""
    async with world.database.write() as session:
        await lock_customer(session, customer_id)
        found = await ensure_conversation(
            session, store_id=world.store_id, number_id=world.number_id, customer_id=customer_id
        )
        return required_id(found.id)


async def say(world: World, conversation_id: int, *said: Spoken) -> list[bool]:
    """Note these messages, each in a transaction of its own."""
    new = []
    for spoken in said:
        async with world.database.write() as session:
            conversation = await session.get_one(Conversation, conversation_id)
            await lock_customer(session, conversation.customer_id)
            new.append(await note_message(session, conversation, spoken, now=world.now))
    return new


def spoken(author: MessageAuthor, minutes: int, wamid: str | None = None, **more: Any) -> Spoken:
    """A text, so many minutes after noon."""
    return Spoken(author, "text", "hi", later(minutes=minutes), wamid=wamid, **more)


async def state(world: World, conversation_id: int) -> tuple[datetime | None, str | None, datetime | None]:
    """Who spoke last."""
    row = await world.one(Conversation, conversation_id)
    return row.last_spoken_at, row.last_spoken_key, row.silent_since


async def watched(world: World, **conversations: Any) -> dict[str, int]:
    """An active follow-up journey; the ids of it and its version."""
    name = f"follow-{conversations.get('column', 'all')}"
    data = {"name": name, "kind": "follow_up", "conversations": conversations, "repeat": {"every": "2h", "times": 2}}
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, FollowUp.model_validate(data), now=NOON)
        journey.state = JourneyState.ACTIVE
        ids = {"journey_id": required_id(journey.id), "version_id": required_id(version.id)}
        if await session.get(JourneyWatch, ids["journey_id"]) is None:
            session.add(JourneyWatch(journey_id=ids["journey_id"], store_id=world.store_id))
        return ids


async def follow_up(world: World, customer_id: int, conversation_id: int, **conversations: Any) -> str:
    """A running follow-up of that conversation; its enrollment."""
    ids = await watched(world, **conversations)
    return await world.enroll(customer_id, conversation_id=conversation_id, **ids)


async def change(world: World, conversation_id: int, minutes: int, **to: Any) -> bool:
    """Move, close or reopen the conversation, as of so many minutes after noon."""
    async with world.database.write() as session:
        conversation = await session.get_one(Conversation, conversation_id)
        customer = await lock_customer(session, conversation.customer_id)
        at = later(minutes=minutes)
        if "column" in to:
            return await move(session, customer, conversation, to["column"], at=at, now=world.now)
        return await set_open(session, customer, conversation, is_open=to["is_open"], at=at, now=world.now)


async def ends(world: World) -> list[tuple[str, str | None, str | None]]:
    """How follow-ups were ended by changes of conversations."""
    rows = await world.rows(CustomerEvent)
    return [
        (one.exit_reason.value, one.enrollment_id, one.detail)
        for one in rows
        if one.kind is EventKind.CONVERSATION_CHANGED
    ]


async def test_our_sides_newest_word_is_a_silence(world: World) -> None:
    """It begins with our message, ends with the customer's, and late news of earlier ones changes neither."""
    world.now = later(hours=1)
    conversation = await chat(world, await world.customer())
    await say(world, conversation, spoken(CUSTOMER, 1, "a"), spoken(AGENT, 5, "b"), spoken(CUSTOMER, 3, "c"))
    assert await state(world, conversation) == (later(minutes=5), message_key("b"), later(minutes=5))
    await say(world, conversation, spoken(CUSTOMER, 6, "d"), spoken(AGENT, 4, "e"))
    assert await state(world, conversation) == (later(minutes=6), message_key("d"), None)


@pytest.mark.parametrize("turned", [False, True])
async def test_of_two_words_at_one_moment_the_customers_counts(world: World, turned: bool) -> None:  # noqa: FBT001
    """Whichever comes first, nobody is silent who spoke in the same second; of two of ours the key decides."""
    conversation = await chat(world, await world.customer())
    said = [spoken(AGENT, 0, "a"), spoken(AGENT, 0, "b")]
    await say(world, conversation, *(reversed(said) if turned else said))
    assert (await state(world, conversation))[1:] == (max(message_key("a"), message_key("b")), NOON)
    await say(world, conversation, spoken(CUSTOMER, 0, "c"), spoken(AGENT, 0, "d"))
    assert await state(world, conversation) == (NOON, message_key("c"), None)


async def test_a_message_told_twice_is_one(world: World) -> None:
    """By WhatsApp's id or the tool's, in any order; the second telling only adds the id that was missing."""
    conversation = await chat(world, await world.customer())
    first = [spoken(AGENT, 0, "a"), spoken(AGENT, 0, "a", external_id="m1"), spoken(AGENT, 0, external_id="m1")]
    other = [spoken(AGENT, -1, external_id="m2"), spoken(AGENT, -1, "b", external_id="m2"), spoken(AGENT, -1, "b")]
    assert await say(world, conversation, *first, *other) == [True, False, False] * 2
    rows = await world.rows(ChatMessage)
    assert [(row.wamid, row.external_id) for row in rows] == [("a", "m1"), ("b", "m2")]


async def test_a_clock_that_is_ahead_puts_no_silence_off(world: World) -> None:
    """A message from the future counts from now."""
    conversation = await chat(world, await world.customer())
    await say(world, conversation, spoken(AGENT, 90, "a"))
    assert (await state(world, conversation))[2] == NOON


async def test_an_echo_of_our_own_send_is_nobodys_word(world: World) -> None:
    """Known by its id, before or after our own record, a journey's message begins no silence and is no second line."""
    customer = await world.customer()
    conversation = await chat(world, customer)
    enrollment = await world.enroll(customer)
    attempts = [await world.claim(enrollment, stage) for stage in (0, 1)]
    await say(world, conversation, spoken(AGENT, -5, "before"), spoken(AGENT, -1, "wamid.0"))
    for wamid, attempt_id in zip(("wamid.0", "wamid.1"), attempts, strict=True):
        async with world.database.write() as session:
            facts = await enrollment_facts(session, enrollment)
            attempt = await session.get_one(SendAttempt, attempt_id)
            attempt.wamid = wamid
            await session.flush()
            options: dict[str, Any] = {"conversation_id": conversation, "text": "ours", "kind": "template"}
            await write_chat(session, facts, attempt, now=NOON, **options)
    assert await say(world, conversation, spoken(AGENT, 0, "wamid.1")) == [False]
    later_attempt = await world.claim(enrollment, 2)
    async with world.database.write() as session:
        (await session.get_one(SendAttempt, later_attempt)).wamid = "wamid.2"
    assert await say(world, conversation, spoken(AGENT, 0, "wamid.2")) == [False]
    lines = {row.wamid: (row.author.value, row.text, row.attempt_id) for row in await world.rows(ChatMessage)}
    assert lines["wamid.0"] == ("journey", "ours", attempts[0])
    assert len(lines) == 3
    assert await state(world, conversation) == (later(minutes=-5), message_key("before"), later(minutes=-5))


async def test_a_silence_wakes_the_watch_and_an_answer_does_not(world: World) -> None:
    """Only our side's word makes anything due."""
    customer = await world.customer()
    conversation = await chat(world, customer)
    await watched(world)
    await say(world, conversation, spoken(CUSTOMER, -5, "a"))
    assert await world.intents() == []
    await say(world, conversation, spoken(AGENT, -4, "b"))
    assert [signal for _, signal in await world.intents()] == ["wake"]


async def test_moving_the_card_ends_the_columns_follow_up(world: World) -> None:
    """The event names the new column; the same column again, or an older move, ends nothing."""
    customer = await world.customer()
    conversation = await chat(world, customer)
    assert await change(world, conversation, 1, column="quoted")
    enrollment = await follow_up(world, customer, conversation, column="quoted")
    assert await change(world, conversation, 2, column="quoted")
    assert not await change(world, conversation, 0, column="lost")
    assert await ends(world) == []
    assert await change(world, conversation, 3, column="won")
    assert await ends(world) == [("moved_column", enrollment, "won")]
    assert (await world.one(Conversation, conversation)).board_column == "won"


async def test_a_follow_up_for_all_columns_ends_only_where_another_begins(world: World) -> None:
    """Moving within what it covers does nothing; a column with a follow-up of its own takes the conversation."""
    customer = await world.customer()
    conversation = await chat(world, customer)
    enrollment = await follow_up(world, customer, conversation)
    await watched(world, column="quoted")
    await change(world, conversation, 1, column="talking")
    assert await ends(world) == []
    await change(world, conversation, 2, column="quoted")
    assert await ends(world) == [("moved_column", enrollment, "quoted")]


@pytest.mark.parametrize("include_closed", [False, True])
async def test_closing_ends_a_follow_up_that_leaves_closed_ones_out(world: World, *, include_closed: bool) -> None:
    """And no other; an older close than the reopening changes nothing."""
    customer = await world.customer()
    conversation = await chat(world, customer)
    enrollment = await follow_up(world, customer, conversation, include_closed=include_closed)
    assert await change(world, conversation, 2, is_open=True)
    assert not await change(world, conversation, 1, is_open=False)
    assert await ends(world) == []
    assert await change(world, conversation, 3, is_open=False)
    assert await ends(world) == ([] if include_closed else [("conversation_closed", enrollment, None)])


async def test_what_is_said_of_an_unknown_conversation_waits_for_it(world: World) -> None:
    """A tool's id is written down once, keeps the newest of each, and gives it to the chat that it turns out to be."""

    async def bound(at: int, column: str) -> int:
        async with world.database.write() as session:
            ref = await bind_ref(session, world.store_id, "ticket-1")
            keep_column(ref, column, at=later(minutes=at))
            keep_open(ref, is_open=False, at=later(minutes=1))
            set_context(ref, {"deal": at}, at=later(minutes=at))
            return required_id(ref.id)

    ids = await asyncio.gather(bound(2, "quoted"), bound(3, "won"), bound(1, "new"))
    assert len(set(ids)) == 1
    customer = await world.customer()
    conversation_id = await chat(world, customer)
    for _ in range(2):
        async with world.database.write() as session:
            ref = await bind_ref(session, world.store_id, "ticket-1")
            locked = await lock_customer(session, customer)
            conversation = await session.get_one(Conversation, conversation_id)
            await attach(session, ref, locked, conversation, now=world.now)
    row = await world.one(Conversation, conversation_id)
    assert (row.board_column, row.is_open, row.context) == ("won", False, {"deal": 3})
    [ref] = await world.rows(ConversationRef)
    assert (ref.conversation_id, ref.board_column, ref.context) == (conversation_id, None, None)


async def test_a_told_message_is_the_reply_that_whatsapp_tells(world: World) -> None:
    """The chat tool's word ends the journey once, and what was written before the journey began does not."""
    customer = await world.customer()
    conversation = await chat(world, customer)
    enrollment = await world.enroll(customer)
    for minutes, wamid in ((-9, "old"), (0, "new"), (0, "new")):
        async with world.database.write() as session:
            locked = await lock_customer(session, customer)
            row = await session.get_one(Conversation, conversation)
            told = spoken(CUSTOMER, minutes, wamid)
            await hear_customer(session, locked, row, told, source="chat_tool", now=world.now)
    assert await world.events() == [("customer_replied", "customer_replied")]
    assert await world.intents() == [(enrollment, "customer_replied")]
