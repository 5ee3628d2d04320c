"""Calls of the language model, for what they cost and how often they were of no use."""

from datetime import datetime

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import ChatMessage, Conversation, ModelCall, Send
from storage.stores import required_id


def record_model_call(
    session: AsyncSession,
    send: Send,
    *,
    at: datetime,
    model: str,
    prompt_version: str,
    tokens: tuple[int, int] | None,
    outcome: str,
) -> None:
    """Write one call down with its input and output tokens, also when nothing usable came."""
    session.add(
        ModelCall(
            store_id=send.store_id,
            send_id=required_id(send.id),
            at=at,
            model=model,
            prompt_version=prompt_version,
            prompt_tokens=tokens[0] if tokens else None,
            completion_tokens=tokens[1] if tokens else None,
            outcome=outcome,
        )
    )


async def count_model_calls(session: AsyncSession, send_id: int) -> int:
    """How often the model was asked for this message."""
    return (await session.exec(select(func.count()).where(ModelCall.send_id == send_id))).one()


async def conversation_tail(session: AsyncSession, customer_id: int, *, limit: int) -> list[ChatMessage]:
    """The customer's last messages in and out, oldest first."""
    rows = await session.exec(
        select(ChatMessage)
        .join(Conversation, ChatMessage.conversation_id == Conversation.id)  # type: ignore[arg-type]
        .where(Conversation.customer_id == customer_id)
        .order_by(ChatMessage.at.desc(), ChatMessage.id.desc())  # type: ignore[attr-defined,union-attr]
        .limit(limit)
    )
    return list(reversed(rows.all()))
