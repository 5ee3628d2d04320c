"""What an enrollment is about beyond its customer: a conversation, what a review found in it, or a checkout.

A win-back has none of them and pays no statement for it.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SendState
from models.tables import Checkout, Conversation, ConversationAnalysis, Customer, Enrollment, Send


@dataclass(frozen=True, slots=True)
class Subject:
    """The conversation of a follow-up, and its analysis in a tracking journey; the checkout of a cart journey."""

    conversation: Conversation | None = None
    checkout: Checkout | None = None
    analysis: ConversationAnalysis | None = None


_TICK = timedelta(seconds=1)
"""WhatsApp's times of messages have no fractions: a reply may seem to be older than what it answers."""

NO_SUBJECT: Final = Subject()


async def subject_of(session: AsyncSession, enrollment: Enrollment) -> Subject:
    """The enrollment's subject as it is now."""
    conversation, checkout, analysis = None, None, None
    if enrollment.conversation_id is not None:
        conversation = await session.get(Conversation, enrollment.conversation_id, populate_existing=True)
    if enrollment.checkout_id is not None:
        # Whoever fills another cart during the journey is reminded of that one.
        checkout = (
            await session.exec(
                select(Checkout)
                .where(Checkout.customer_id == enrollment.customer_id, col(Checkout.idle_since).is_not(None))
                .order_by(col(Checkout.idle_since).desc(), col(Checkout.id).desc())
                .limit(1)
                .execution_options(populate_existing=True)
            )
        ).first() or await session.get(Checkout, enrollment.checkout_id, populate_existing=True)
    if enrollment.analysis_id is not None:
        analysis = await session.get(ConversationAnalysis, enrollment.analysis_id, populate_existing=True)
    return Subject(conversation, checkout, analysis)


async def own_word_since(
    session: AsyncSession, enrollment: Enrollment, conversation: Conversation, stage: int
) -> datetime | None:
    """When our side last wrote by itself, if that was after the delay of this stage began; else None.

    The first stage's delay is the silence that the enrollment entered for, later ones count from the settlement of the
    stage before.
    """
    spoke_at = conversation.silent_since
    if spoke_at is None:
        return None
    if stage == 0:
        return spoke_at if conversation.last_spoken_key != enrollment.entry_key else None
    settled_at = (
        await session.exec(
            select(Send.settled_at).where(
                Send.enrollment_id == enrollment.id, Send.stage == stage - 1, Send.occurrence == 0
            )
        )
    ).first()
    return spoke_at if settled_at is None or spoke_at > settled_at else None


async def sent_in_a_row(session: AsyncSession, journey_id: int, customer_ids: Collection[int]) -> dict[int, int]:
    """How many messages of the journey each of the customers has got since they last wrote."""
    accepted = await session.exec(
        select(Send.customer_id, Send.settled_at, Customer.last_inbound_at)
        .join(Customer, col(Customer.id) == Send.customer_id)
        .where(
            col(Send.customer_id).in_(customer_ids),
            Send.journey_id == journey_id,
            col(Send.state).in_([SendState.ACCEPTED, SendState.PARKED]),
        )
    )
    counts: Counter[int] = Counter(
        customer_id
        for customer_id, settled_at, wrote_at in accepted
        if wrote_at is None or (settled_at is not None and settled_at >= wrote_at + _TICK)
    )
    return dict(counts)
