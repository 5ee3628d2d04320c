"""Conversations that go quiet and carts that are left behind, as the database sees them, and journeys that wait."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from models.journey import AbandonedCart, FollowUp
from models.tables import Checkout, Conversation
from storage.customers import lock_customer
from storage.engine import Database
from storage.stores import required_id
from storage.watches import wake_for_checkout, wake_for_conversation

ASK: dict[str, Any] = {
    "text": "Shall I keep it for you?",
    "template": {"name": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


def follow_up(
    *,
    name: str = "silent",
    every: str = "2h",
    times: int = 1,
    column: str | None = None,
    conversations: Mapping[str, Any] | None = None,
    sending: Mapping[str, Any] | None = None,
    **changes: Any,
) -> FollowUp:
    """A follow-up whose hours never close."""
    return FollowUp.model_validate(
        {
            "name": name,
            "kind": "follow_up",
            "conversations": ({} if column is None else {"column": column}) | dict(conversations or {}),
            "repeat": {"every": every, "times": times},
            "message": ASK,
            "sending": {"hours": "00:00-24:00", "smart_sending_days": 0, **(sending or {})},
        }
        | changes
    )


def cart_journey(
    *,
    name: str = "cart",
    cart: Mapping[str, Any] | None = None,
    sending: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AbandonedCart:
    """A cart journey whose hours never close."""
    return AbandonedCart.model_validate(
        {
            "name": name,
            "kind": "abandoned_cart",
            "cart": dict(cart or {}),
            "stages": [{"after": "0m", "message": ASK}],
            "sending": {"hours": "00:00-24:00", "smart_sending_days": 0, **(sending or {})},
        }
        | changes
    )


async def speak(
    database: Database,
    customer_id: int,
    *,
    number_id: int,
    at: datetime,
    now: datetime | None = None,
    by_customer: bool = False,
    **changes: Any,
) -> int:
    """Somebody writes in the customer's chat; `changes` are other columns of it. The conversation's id."""
    async with database.write() as session:
        customer = await lock_customer(session, customer_id)
        conversation = (
            await session.exec(
                select(Conversation).where(Conversation.number_id == number_id, Conversation.customer_id == customer_id)
            )
        ).first()
        if conversation is None:
            conversation = Conversation(store_id=customer.store_id, number_id=number_id, customer_id=customer_id)
            session.add(conversation)
        conversation.last_spoken_at = at
        conversation.last_spoken_key = hashlib.sha256(f"{customer_id} {at}".encode()).hexdigest()[:40]
        conversation.silent_since = None if by_customer else at
        if by_customer:
            customer.last_inbound_at = conversation.customer_wrote_at = conversation.customer_heard_at = at
        for name, value in changes.items():
            setattr(conversation, name, value)
        await session.flush()
        await wake_for_conversation(session, conversation, now=now or at)
        return required_id(conversation.id)


async def leave_cart(
    database: Database, customer_id: int | None, *, store_id: int, at: datetime, token: str = "cart-1", **changes: Any
) -> int:
    """A customer leaves a checkout open, or changes it; its id."""
    async with database.write() as session:
        if customer_id is not None:
            await lock_customer(session, customer_id)
        checkout = (
            await session.exec(select(Checkout).where(Checkout.store_id == store_id, col(Checkout.token) == token))
        ).first()
        if checkout is None:
            checkout = Checkout(
                store_id=store_id, token=token, created_at=at, updated_at=at, total_minor=4000, currency="USD"
            )
            session.add(checkout)
        checkout.customer_id, checkout.updated_at, checkout.idle_since = customer_id, at, at
        for name, value in changes.items():
            setattr(checkout, name, value)
        await session.flush()
        await wake_for_checkout(session, checkout, now=at)
        return required_id(checkout.id)
