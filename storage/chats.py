"""What was said in a chat, and who spoke last: the silence that follow-up journeys answer.

Messages arrive in any order, by several ways and more than once. So the newest by its own time counts, and of two from
the same moment one is chosen by what they are, never by which came first. Callers hold the customer's lock
(`storage.customers.lock_customer`), which orders everything here.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, insert
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import MessageAuthor
from models.tables import ChatMessage, Conversation, SendAttempt
from storage.stores import required_id
from storage.watches import wake_for_conversation

_INSERT = insert(cast("Table", ChatMessage.__table__))  # type: ignore[attr-defined]
_OPEN = insert(cast("Table", Conversation.__table__))  # type: ignore[attr-defined]
_SPEAKERS = (MessageAuthor.CUSTOMER, MessageAuthor.AGENT, MessageAuthor.BOT)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message of a chat.

    Attributes:
        author: who wrote it; a journey's own are written by `storage.sends`.
        kind: WhatsApp's type, `text` and so on.
        text: its words, where it has any.
        at: when it was written.
        wamid: WhatsApp's id of it. One of this and `external_id` is needed.
        external_id: the chat tool's own id of it.
    """

    author: MessageAuthor
    kind: str
    text: str | None
    at: datetime
    wamid: str | None = None
    external_id: str | None = None

    @property
    def key(self) -> str:
        """What the message is known by in entry keys and dedupe keys: a digest, because WhatsApp's ids hold numbers."""
        return message_key(self.wamid or self.external_id or "")


def message_key(message_id: str) -> str:
    """The digest of a message's id, 40 hexadecimal characters."""
    return hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest()[:40]


async def ensure_conversation(
    session: AsyncSession, *, store_id: int, number_id: int, customer_id: int
) -> Conversation:
    """The customer's chat with a number, opened if it is their first word."""
    found = await conversations_of(session, {(number_id, customer_id): store_id})
    return found[number_id, customer_id]


async def conversations_of(
    session: AsyncSession, wanted: Mapping[tuple[int, int], int]
) -> dict[tuple[int, int], Conversation]:
    """The chats of these numbers with these customers, opened where there is none yet.

    Args:
        session: a writing transaction that holds the customers' locks.
        wanted: the store of each pair of number and customer.
    """
    if not wanted:
        return {}
    found = await _existing(session, wanted)
    missing = [
        {"store_id": store_id, "number_id": number_id, "customer_id": customer_id, "is_open": True, "context": {}}
        for (number_id, customer_id), store_id in sorted(wanted.items())
        if (number_id, customer_id) not in found
    ]
    if missing:
        await (await session.connection()).execute(_OPEN, missing)
        found = await _existing(session, wanted)
    return found


async def _existing(
    session: AsyncSession, wanted: Mapping[tuple[int, int], int]
) -> dict[tuple[int, int], Conversation]:
    rows = await session.exec(
        select(Conversation)
        .where(
            col(Conversation.number_id).in_({number_id for number_id, _ in wanted}),
            col(Conversation.customer_id).in_({customer_id for _, customer_id in wanted}),
        )
        .execution_options(populate_existing=True)
    )
    return {(one.number_id, one.customer_id): one for one in rows}


async def note_message(session: AsyncSession, conversation: Conversation, spoken: Spoken, *, now: datetime) -> bool:
    """Write down a message that customer, agent or bot wrote, and wake the journeys that watch for silence.

    Our own sends come back as echoes; they are known by WhatsApp's id and are nobody's new word.

    Returns:
        Whether it was new. A known one only gains the id that it lacked.
    """
    rows = await _known(session, conversation, spoken)
    if rows:
        # WhatsApp's ids are the world's: one that stands in somebody else's chat is left as it is.
        if len(rows) == 1 and rows[0].conversation_id == conversation.id:
            rows[0].wamid = rows[0].wamid or spoken.wamid
            rows[0].external_id = rows[0].external_id or spoken.external_id
        return False
    if spoken.wamid is not None and await own_sends(session, [spoken.wamid]):
        return False
    changed = take_word(conversation, spoken, now=now)
    await write_messages(session, [(conversation, spoken)], now=now)
    if changed:
        await wake_for_conversation(session, conversation, now=now)
    return True


async def write_messages(session: AsyncSession, said: Sequence[tuple[Conversation, Spoken]], *, now: datetime) -> None:
    """Add messages that are known to be new to their chats, in one statement."""
    if said:
        rows = [
            {
                "conversation_id": required_id(conversation.id),
                "wamid": spoken.wamid,
                "external_id": spoken.external_id,
                "inbound": spoken.author is MessageAuthor.CUSTOMER,
                "author": spoken.author,
                "kind": spoken.kind,
                "text": spoken.text,
                "at": min(spoken.at, now),
            }
            for conversation, spoken in said
        ]
        await (await session.connection()).execute(_INSERT, rows)


def take_word(conversation: Conversation, spoken: Spoken, *, now: datetime) -> bool:
    """Whether somebody else, or at another time, spoke last because of this message; written into the conversation.

    A sender's clock that is ahead must not hold a window open or put a silence off.
    """
    at = min(spoken.at, now)
    if spoken.author is MessageAuthor.CUSTOMER:
        wrote_at = conversation.customer_wrote_at
        if wrote_at is None or at > wrote_at:
            conversation.customer_wrote_at, conversation.customer_heard_at = at, now
    return _speak(conversation, spoken.author, spoken.key, at)


def _speak(conversation: Conversation, author: MessageAuthor, key: str, at: datetime) -> bool:
    ours = author is not MessageAuthor.CUSTOMER
    if conversation.last_spoken_at is not None:
        known = (conversation.last_spoken_at, conversation.silent_since is None, conversation.last_spoken_key or "")
        if (at, not ours, key) <= known:
            return False
    conversation.last_spoken_at, conversation.last_spoken_key = at, key
    conversation.silent_since = at if ours else None
    return True


async def _known(session: AsyncSession, conversation: Conversation, spoken: Spoken) -> list[ChatMessage]:
    same = []
    if spoken.wamid is not None:
        same.append(col(ChatMessage.wamid) == spoken.wamid)
    if spoken.external_id is not None:
        same.append(
            (col(ChatMessage.conversation_id) == required_id(conversation.id))
            & (col(ChatMessage.external_id) == spoken.external_id)
        )
    return list(await session.exec(select(ChatMessage).where(or_(*same)))) if same else []


async def stored_messages(session: AsyncSession, wamids: Collection[str]) -> set[str]:
    """Those of the ids under which a message stands in some chat already."""
    if not wamids:
        return set()
    found = await session.exec(select(ChatMessage.wamid).where(col(ChatMessage.wamid).in_(sorted(wamids))))
    return {wamid for wamid in found if wamid is not None}


async def own_sends(session: AsyncSession, wamids: Collection[str]) -> set[str]:
    """Those of the ids that are of sends of our journeys."""
    if not wamids:
        return set()
    found = await session.exec(select(SendAttempt.wamid).where(col(SendAttempt.wamid).in_(sorted(wamids))))
    return {wamid for wamid in found if wamid is not None}


async def make_own(
    session: AsyncSession,
    attempts: Mapping[str, str],
    *,
    now: datetime,
    text: str | None = None,
    kind: str | None = None,
) -> None:
    """Echoes that were faster than our own record turn out to be a journey's messages: nobody else spoke then.

    Args:
        session: a writing transaction that holds the customers' locks.
        attempts: the attempt of each of WhatsApp's ids.
        now: the time.
        text: what was sent, where the caller knows it better than the echo.
        kind: its type, likewise.
    """
    rows = (await session.exec(select(ChatMessage).where(col(ChatMessage.wamid).in_(sorted(attempts))))).all()
    if not rows:
        return
    for row in rows:
        row.author, row.inbound, row.attempt_id = MessageAuthor.JOURNEY, False, attempts[row.wamid or ""]
        row.text, row.kind = text or row.text, kind or row.kind
    await session.flush()
    for conversation_id in sorted({row.conversation_id for row in rows}):
        conversation = (await session.exec(select(Conversation).where(Conversation.id == conversation_id))).one()
        await recount(session, conversation)
        await wake_for_conversation(session, conversation, now=now)


async def recount(session: AsyncSession, conversation: Conversation) -> None:
    """Find out anew who spoke last, after messages were moved, erased or recognised as a journey's own."""
    latest = (
        select(ChatMessage.at)
        .where(ChatMessage.conversation_id == conversation.id, col(ChatMessage.author).in_(_SPEAKERS))
        .order_by(col(ChatMessage.at).desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = await session.exec(
        select(ChatMessage).where(
            ChatMessage.conversation_id == conversation.id,
            col(ChatMessage.author).in_(_SPEAKERS),
            col(ChatMessage.at) == latest,
        )
    )
    wrote_at = (
        await session.exec(
            select(ChatMessage.at)
            .where(ChatMessage.conversation_id == conversation.id, ChatMessage.author == MessageAuthor.CUSTOMER)
            .order_by(col(ChatMessage.at).desc())
            .limit(1)
        )
    ).first()
    heard_at = conversation.customer_heard_at or wrote_at
    conversation.customer_wrote_at, conversation.customer_heard_at = wrote_at, heard_at if wrote_at else None
    conversation.last_spoken_at = conversation.last_spoken_key = conversation.silent_since = None
    for row in rows:
        _speak(conversation, row.author, message_key(row.wamid or row.external_id or ""), row.at)
