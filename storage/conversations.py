"""Conversations as cards on the merchant's board: column, open or closed, about what; and a chat tool's ids of them.

Changes arrive in any order and more than once, so each carries its time and the newest stands; of two from the same
moment one is chosen by what they say. Callers hold the customer's lock (`storage.customers.lock_customer`). What is
said in a conversation is in `storage.chats`.
"""

import json
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.journey import FollowUp
from models.tables import Conversation, ConversationRef, Customer, Enrollment, JourneyVersion
from policies.watching import covers_column
from storage.chats import Spoken, ensure_conversation, note_message, recount
from storage.events import record_event
from storage.ingest import insert_new
from storage.journeys import parse_definition
from storage.stores import required_id
from storage.watches import OWNS_A_COLUMN, columns_taken, wake_for_conversation, watches_of

__all__ = [
    "Spoken",
    "attach",
    "bind_ref",
    "ensure_conversation",
    "keep_column",
    "keep_open",
    "move",
    "note_message",
    "recount",
    "set_context",
    "set_open",
]

_HAS_NO_WORKFLOW = (EnrollmentState.CLOSED, EnrollmentState.CONTROL)


async def move(
    session: AsyncSession,
    customer: Customer,
    conversation: Conversation,
    column: str | None,
    *,
    at: datetime,
    now: datetime,
) -> bool:
    """Put a locked customer's conversation into another column of the board.

    A follow-up that does not answer the new column's conversations ends with `moved_column`; one that does may begin.

    Returns:
        Whether the change stands; an older one than the newest known changes nothing.
    """
    before = conversation.board_column
    if not keep_column(conversation, column, at=at):
        return False
    if column == before:
        return True
    running = await _running_follow_up(session, conversation)
    if running is not None:
        enrollment_id, definition = running
        taken = columns_taken(await watches_of(session, conversation.store_id, OWNS_A_COLUMN))
        if not covers_column(definition, column, taken):
            await _end(session, customer, enrollment_id, ExitReason.MOVED_COLUMN, at=at, now=now, detail=column)
    await wake_for_conversation(session, conversation, now=now)
    return True


async def set_open(
    session: AsyncSession,
    customer: Customer,
    conversation: Conversation,
    *,
    is_open: bool,
    at: datetime,
    now: datetime,
) -> bool:
    """Close or reopen a locked customer's conversation.

    Closing ends a running follow-up with `conversation_closed`, unless its journey includes closed ones.

    Returns:
        Whether the change stands; an older one than the newest known changes nothing.
    """
    before = conversation.is_open
    if not keep_open(conversation, is_open=is_open, at=at):
        return False
    if is_open == before:
        return True
    running = None if is_open else await _running_follow_up(session, conversation)
    if running is not None:
        enrollment_id, definition = running
        if not definition.conversations.include_closed:
            await _end(session, customer, enrollment_id, ExitReason.CONVERSATION_CLOSED, at=at, now=now, detail=None)
    await wake_for_conversation(session, conversation, now=now)
    return True


def set_context(conversation: Conversation | ConversationRef, context: dict[str, Any], *, at: datetime) -> bool:
    """Keep what the merchant knows of the deal; whether it stands."""
    known = (conversation.context_at, _canonical(conversation.context or {}))
    if known[0] is not None and (at, _canonical(context)) <= known:
        return False
    conversation.context, conversation.context_at = context, at
    return True


def keep_column(holder: Conversation | ConversationRef, column: str | None, *, at: datetime) -> bool:
    """Write a column where nothing newer is known, without a journey hearing of it; whether it stands."""
    if holder.column_at is not None and (at, column or "") <= (holder.column_at, holder.board_column or ""):
        return False
    holder.board_column, holder.column_at = column, at
    return True


def keep_open(holder: Conversation | ConversationRef, *, is_open: bool, at: datetime) -> bool:
    """Write open or closed where nothing newer is known, without a journey hearing of it; whether it stands."""
    if holder.open_at is not None and (at, is_open) <= (holder.open_at, bool(holder.is_open)):
        return False
    holder.is_open, holder.open_at = is_open, at
    return True


def _canonical(context: dict[str, Any]) -> str:
    return json.dumps(context, sort_keys=True)


async def _running_follow_up(session: AsyncSession, conversation: Conversation) -> tuple[str, FollowUp] | None:
    row = (
        await session.exec(
            select(Enrollment.id, JourneyVersion.definition)
            .join(JourneyVersion, col(JourneyVersion.id) == Enrollment.version_id)
            .where(
                Enrollment.conversation_id == conversation.id,
                col(Enrollment.state).not_in(_HAS_NO_WORKFLOW),
            )
        )
    ).first()
    if row is None:
        return None
    definition = parse_definition(row[1])
    return (row[0], definition) if isinstance(definition, FollowUp) else None


async def _end(
    session: AsyncSession,
    customer: Customer,
    enrollment_id: str,
    reason: ExitReason,
    *,
    at: datetime,
    now: datetime,
    detail: str | None,
) -> None:
    await record_event(
        session,
        customer,
        kind=EventKind.CONVERSATION_CHANGED,
        exit_reason=reason,
        occurred_at=min(at, now),
        received_at=now,
        source="conversation",
        dedupe_key=f"{reason}:{enrollment_id}",
        enrollment_id=enrollment_id,
        detail=detail,
    )


# --- A chat tool's own ids -------------------------------------------------------------------------------------------


async def bind_ref(session: AsyncSession, store_id: int, external_id: str) -> ConversationRef:
    """A chat tool's id of a conversation, written down if it is new.

    One that stands for a conversation already is only read, and never changes its mind: the caller locks that
    conversation's customer next. One that does not is locked, because what is said of it must wait in its row; a
    message that tells whose conversation it is then binds it with `attach`, after the customer is locked.
    """
    wanted = select(ConversationRef).where(
        ConversationRef.store_id == store_id, ConversationRef.external_id == external_id
    )
    ref = (await session.exec(wanted.execution_options(populate_existing=True))).first()
    if ref is None:
        row = {"store_id": store_id, "external_id": external_id}
        await insert_new(session, ConversationRef, [row], returning="id")
    if ref is None or ref.conversation_id is None:
        ref = (await session.exec(wanted.with_for_update().execution_options(populate_existing=True))).one()
    return ref


async def attach(
    session: AsyncSession, ref: ConversationRef, customer: Customer, conversation: Conversation, *, now: datetime
) -> None:
    """Say whose conversation a chat tool's id stands for, and let what waited for that take effect."""
    if ref.conversation_id is not None:
        return
    ref.conversation_id = required_id(conversation.id)
    if ref.context_at is not None:
        set_context(conversation, ref.context or {}, at=ref.context_at)
    if ref.column_at is not None:
        await move(session, customer, conversation, ref.board_column, at=ref.column_at, now=now)
    if ref.open_at is not None:
        await set_open(session, customer, conversation, is_open=bool(ref.is_open), at=ref.open_at, now=now)
    ref.context = ref.board_column = ref.is_open = None
    ref.context_at = ref.column_at = ref.open_at = None
