"""Everything that is stored about one person, for the person to read (the right of access)."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import inspect
from sqlmodel import SQLModel, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import (
    ChatMessage,
    Checkout,
    ConsentWriteBack,
    Conversation,
    ConversationAnalysis,
    ConversationRef,
    CouponIssue,
    Customer,
    CustomerEvent,
    Enrollment,
    EntryDecision,
    ExternalJourney,
    Journey,
    LaunchCandidate,
    NumberMove,
    Order,
    OutgoingEvent,
    Paced,
    PrivacyRequest,
    Refund,
    Review,
    Send,
    SendAttempt,
    TimelineEntry,
    WindowRecipient,
)
from storage.stores import required_id

Rows = list[dict[str, Any]]

_OF_CUSTOMER: Final[dict[str, type[SQLModel]]] = {
    "orders": Order,
    "checkouts": Checkout,
    "conversations": Conversation,
    "enrollments": Enrollment,
    "sends": Send,
    "coupons": CouponIssue,
    "reviews": Review,
    "conversation_analyses": ConversationAnalysis,
    "entry_decisions": EntryDecision,
    "considered_for": LaunchCandidate,
    "waiting_for_a_day": Paced,
    "events": CustomerEvent,
    "other_automations": ExternalJourney,
    "number_changes": NumberMove,
    "consents_told_to_the_shop": ConsentWriteBack,
    "privacy_requests": PrivacyRequest,
    "counted_recipients": WindowRecipient,
    "told_to_the_store": OutgoingEvent,
}


async def everything_about(session: AsyncSession, customer: Customer) -> dict[str, Rows]:
    """Every row about the customer and whoever was merged into them, by subject, in words that JSON has."""
    rows = await session.exec(
        select(Customer).where(or_(Customer.id == customer.id, Customer.merged_into_id == customer.id))
    )
    people = rows.all()
    ids = [required_id(one.id) for one in people]
    found: dict[str, Rows] = {"customer": _dump(people)}
    for subject, table in _OF_CUSTOMER.items():
        columns: Any = table
        theirs = select(table).where(col(columns.customer_id).in_(ids))
        kept = await session.exec(theirs.order_by(*inspect(table).primary_key))
        found[subject] = _dump(kept)
    enrollments = [one["id"] for one in found["enrollments"]]
    chats = [one["id"] for one in found["conversations"]]
    found["enrollment_notes"] = _dump(
        await session.exec(select(TimelineEntry).where(col(TimelineEntry.enrollment_id).in_(enrollments)))
    )
    found["send_attempts"] = _dump(
        await session.exec(
            select(SendAttempt).where(col(SendAttempt.send_id).in_([one["id"] for one in found["sends"]]))
        )
    )
    found["chat_messages"] = _dump(
        await session.exec(
            select(ChatMessage).where(col(ChatMessage.conversation_id).in_(chats)).order_by(col(ChatMessage.at))
        )
    )
    found["chat_tool_ids"] = _dump(
        await session.exec(select(ConversationRef).where(col(ConversationRef.conversation_id).in_(chats)))
    )
    found["refunds"] = _dump(
        await session.exec(
            select(Refund).where(
                Refund.store_id == customer.store_id,
                col(Refund.order_external_id).in_([one["external_id"] for one in found["orders"]]),
            )
        )
    )
    journeys = {one["journey_id"] for one in found["enrollments"]}
    found["journeys"] = [
        {"id": one.id, "name": one.name, "kind": one.kind.value}
        for one in await session.exec(select(Journey).where(col(Journey.id).in_(journeys)))
    ]
    return found


def _dump(rows: Iterable[Any]) -> Rows:
    return [row.model_dump(mode="json") for row in rows]
