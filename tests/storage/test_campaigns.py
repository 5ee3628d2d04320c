"""Smart sending hears of templates that others sent on the store's number, on both databases."""

import pytest
from sqlalchemy import text

from models.enums import MessageAuthor
from models.tables import ChatMessage, Conversation
from storage.considered import considered
from storage.stages import locked_stage
from storage.stores import required_id
from tests.worlds import NOON, World

EXPLAIN = (
    "EXPLAIN QUERY PLAN SELECT max(at) FROM chat_message JOIN conversation ON conversation.id = "
    "chat_message.conversation_id WHERE conversation.customer_id = 1 AND (chat_message.kind = 'template' AND "
    "chat_message.author <> 'journey' AND chat_message.wamid IS NOT NULL)"
)


@pytest.mark.parametrize(
    ("author", "kind", "wamid", "counts"),
    [
        (MessageAuthor.AGENT, "template", "wamid.x", True),
        (MessageAuthor.BOT, "template", "wamid.x", True),
        (MessageAuthor.JOURNEY, "template", "wamid.x", False),
        (MessageAuthor.AGENT, "text", "wamid.x", False),
        (MessageAuthor.AGENT, "template", None, False),
    ],
)
async def test_a_template_of_somebody_elses_counts_at_entry_and_at_each_stage(
    world: World, author: MessageAuthor, kind: str, wamid: str | None, *, counts: bool
) -> None:
    """A campaign's template does; an answer of the team, our own message, and what might be our own do not."""
    customer_id = await world.customer()
    enrollment = await world.enroll(customer_id)
    async with world.database.write() as session:
        chat = Conversation(store_id=world.store_id, number_id=world.number_id, customer_id=customer_id)
        session.add(chat)
        await session.flush()
        session.add(
            ChatMessage(
                conversation_id=required_id(chat.id), wamid=wamid, inbound=False, author=author, kind=kind, at=NOON
            )
        )
    expected = NOON if counts else None
    async with world.database.write() as session:
        assert (await locked_stage(session, enrollment, 0, 0)).other_marketing_at == expected
        (who,) = await considered(session, 99, [customer_id], suppression_key=b"x" * 32, now=NOON)
    assert who.candidate.last_marketing_at == expected


async def test_a_long_chat_is_not_read_for_it(world: World) -> None:
    """SQLite looks into the small index of such messages."""
    if not world.database.is_sqlite:
        pytest.skip("the plan is SQLite's")
    async with world.database.read() as session:
        plan = (await (await session.connection()).execute(text(EXPLAIN))).all()
    assert any("chat_message_campaign" in str(line) for line in plan)
