"""What the merchant's chat tool tells of its conversations: messages, moves of the card, the deal, closing.

The tool has ids of its own, and what it says may come in any order, twice, and also from WhatsApp itself. Each call is
one transaction. While nobody has said whose conversation it is, everything but messages waits with the tool's id.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import MessageAuthor
from models.tables import Conversation, ConversationRef, Customer
from storage.conversations import (
    Spoken,
    attach,
    bind_ref,
    ensure_conversation,
    keep_column,
    keep_open,
    move,
    note_message,
    set_context,
    set_open,
)
from storage.customers import lock_customer
from storage.ingest_messages import hear_customer
from storage.people import Address, Sighting, resolve
from storage.stores import StoreParts, required_id

_LONGEST_ID = 200


class WhoseConversationError(LookupError):
    """The conversation is new and nobody said with whom it is."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a call did.

    Attributes:
        ref: the tool's id of the conversation, with what waits for it.
        conversation: None while nobody knows whose it is.
        applied: how many messages were new, or whether the change stands.
    """

    ref: ConversationRef
    conversation: Conversation | None
    applied: int


async def tell_messages(
    session: AsyncSession,
    parts: StoreParts,
    external_id: str,
    messages: Sequence[Spoken],
    *,
    who: Address | None,
    now: datetime,
) -> Told:
    """Write messages down; a customer's is a reply, or a stop, as one from WhatsApp's webhook is.

    Args:
        session: a writing transaction.
        parts: the store.
        external_id: the tool's id of the conversation.
        messages: in any order; known ones change nothing.
        who: with whom it is; needed the first time, and not heeded later.
        now: the time.

    Raises:
        WhoseConversationError: it is new and `who` is missing.
    """
    ref = await bind_ref(session, parts.id, external_id)
    if ref.conversation_id is None:
        # The tool names one address for all that was said: that of the oldest word.
        first_at = min((told.at for told in messages), default=now)
        sighting = Sighting(who, first_at) if who is not None else None
        customer, conversation = await _begin(session, parts, ref, sighting, now=now)
    else:
        customer, conversation = await _found(session, ref)
    new = 0
    for told in messages:
        if customer.erased_at is not None:
            break
        spoken = replace(told, external_id=_id_of_message(external_id, told))
        if spoken.author is MessageAuthor.CUSTOMER:
            new += await hear_customer(session, customer, conversation, spoken, source="chat_tool", now=now)
        else:
            new += await note_message(session, conversation, spoken, now=now)
    await session.flush()
    return Told(ref, conversation, new)


async def tell_column(
    session: AsyncSession, parts: StoreParts, external_id: str, column: str | None, *, at: datetime, now: datetime
) -> Told:
    """The card was put into a column of the board, or off it with None."""
    ref = await bind_ref(session, parts.id, external_id)
    if ref.conversation_id is None:
        return await _waits(session, ref, stands=keep_column(ref, column, at=at))
    customer, conversation = await _found(session, ref)
    stands = await move(session, customer, conversation, column, at=at, now=now)
    return await _done(session, ref, conversation, stands=stands)


async def tell_open(
    session: AsyncSession, parts: StoreParts, external_id: str, *, is_open: bool, at: datetime, now: datetime
) -> Told:
    """The conversation was closed or reopened."""
    ref = await bind_ref(session, parts.id, external_id)
    if ref.conversation_id is None:
        return await _waits(session, ref, stands=keep_open(ref, is_open=is_open, at=at))
    customer, conversation = await _found(session, ref)
    stands = await set_open(session, customer, conversation, is_open=is_open, at=at, now=now)
    return await _done(session, ref, conversation, stands=stands)


async def tell_context(
    session: AsyncSession, parts: StoreParts, external_id: str, context: dict[str, Any], *, at: datetime
) -> Told:
    """What the tool knows of the deal, whole."""
    ref = await bind_ref(session, parts.id, external_id)
    if ref.conversation_id is None:
        return await _waits(session, ref, stands=set_context(ref, context, at=at))
    customer, conversation = await _found(session, ref)
    stands = customer.erased_at is None and set_context(conversation, context, at=at)
    return await _done(session, ref, conversation, stands=stands)


def _id_of_message(conversation_id: str, told: Spoken) -> str:
    """A message's id among all of a customer's chat: the tool may count anew in each of its conversations."""
    # No id of a conversation has a slash in it.
    known_as = f"{conversation_id}/{told.external_id}"
    return known_as if len(known_as) <= _LONGEST_ID else hashlib.sha256(known_as.encode()).hexdigest()


async def _begin(
    session: AsyncSession, parts: StoreParts, ref: ConversationRef, who: Sighting | None, *, now: datetime
) -> tuple[Customer, Conversation]:
    if who is None:
        raise WhoseConversationError
    people = await resolve(session, [who])
    customer = await lock_customer(session, people.ids[who])
    people.complete({people.ids[who]: customer})
    conversation = await ensure_conversation(
        session,
        store_id=parts.id,
        number_id=required_id(parts.number.id),
        customer_id=required_id(customer.id),
    )
    await attach(session, ref, customer, conversation, now=now)
    return customer, conversation


async def _found(session: AsyncSession, ref: ConversationRef) -> tuple[Customer, Conversation]:
    while True:
        customer_id = (
            await session.exec(select(Conversation.customer_id).where(Conversation.id == ref.conversation_id))
        ).one()
        customer = await lock_customer(session, customer_id)
        # Read again under the lock: until then the customer may have been merged into another, and the chat with it.
        await session.refresh(ref)
        conversation = await session.get(Conversation, ref.conversation_id, populate_existing=True)
        if conversation is not None and conversation.customer_id == customer.id:
            return customer, conversation


async def _waits(session: AsyncSession, ref: ConversationRef, *, stands: bool) -> Told:
    session.add(ref)
    await session.flush()
    return Told(ref, None, int(stands))


async def _done(session: AsyncSession, ref: ConversationRef, conversation: Conversation, *, stands: bool) -> Told:
    session.add(conversation)
    await session.flush()
    return Told(ref, conversation, int(stands))
