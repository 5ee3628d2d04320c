"""What support asks: one person, what they are in or were in, and everything that was sent or heard.

It all comes from the database (a query to Temporal would need a worker and replay a history for every question).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ExitReason, JourneyState
from models.journey import JourneyDefinition
from models.tables import (
    ChatMessage,
    Conversation,
    Customer,
    CustomerEvent,
    Enrollment,
    EntryDecision,
    Journey,
    JourneyVersion,
    Order,
    Send,
    SendAttempt,
    TimelineEntry,
)
from policies.phone_forms import same_line
from storage.chats import message_key
from storage.decisions import counts
from storage.journeys import latest_version, parse_definition
from storage.stores import required_id
from storage.subjects import NO_SUBJECT, Subject, subject_of


@dataclass(frozen=True, slots=True)
class Passage:
    """One enrollment with its whole story."""

    enrollment: Enrollment
    journey: Journey
    version: int
    definition: JourneyDefinition
    sends: list[Send] = field(default_factory=list)
    attempts: dict[int, list[SendAttempt]] = field(default_factory=dict)
    notes: list[TimelineEntry] = field(default_factory=list)
    events: list[CustomerEvent] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    subject: Subject = NO_SUBJECT

    @property
    def bought_elsewhere(self) -> bool:
        """Whether the purchase that ended it belongs to something else, as attribution sees it today."""
        return self.enrollment.exit_reason is ExitReason.PURCHASED and not any(
            order.attributed_enrollment_id == self.enrollment.id for order in self.orders
        )


async def find_person(session: AsyncSession, store_id: int, phone: str) -> Customer | None:
    """The customer with that E.164 number, also where WhatsApp writes the same line differently."""
    rows = await session.exec(
        select(Customer).where(Customer.store_id == store_id, col(Customer.phone).in_(same_line(phone)))
    )
    found = {customer.phone: customer for customer in rows}
    customer = next((found[form] for form in same_line(phone) if form in found), None)
    if customer is not None and customer.merged_into_id is not None:
        return await session.get(Customer, customer.merged_into_id)
    return customer


async def find_by_user_id(session: AsyncSession, store_id: int, user_id: str) -> Customer | None:
    """The customer with that business-scoped user id of WhatsApp's."""
    customer = (
        await session.exec(select(Customer).where(Customer.store_id == store_id, Customer.wa_user_id == user_id))
    ).first()
    if customer is not None and customer.merged_into_id is not None:
        return await session.get(Customer, customer.merged_into_id)
    return customer


async def find_by_shop_id(session: AsyncSession, store_id: int, external_id: str) -> Customer | None:
    """The customer with that number of the shop's."""
    customer = (
        await session.exec(select(Customer).where(Customer.store_id == store_id, Customer.external_id == external_id))
    ).first()
    if customer is not None and customer.merged_into_id is not None:
        return await session.get(Customer, customer.merged_into_id)
    return customer


async def customer_of_workflow(session: AsyncSession, store_id: int, workflow_id: str) -> Customer | None:
    """The customer whose enrollment the workflow is."""
    return (
        await session.exec(
            select(Customer).where(
                Enrollment.id == workflow_id, Enrollment.store_id == store_id, Customer.id == Enrollment.customer_id
            )
        )
    ).first()


async def passages(session: AsyncSession, customer_id: int) -> list[Passage]:
    """Everything that the customer is or was in, newest first."""
    rows = await session.exec(
        select(Enrollment, Journey, JourneyVersion)
        .join(Journey, col(Journey.id) == Enrollment.journey_id)
        .join(JourneyVersion, col(JourneyVersion.id) == Enrollment.version_id)
        .where(Enrollment.customer_id == customer_id)
        .order_by(col(Enrollment.selected_at).desc(), col(Enrollment.id))
    )
    found = [
        Passage(
            enrollment,
            journey,
            version.number,
            parse_definition(version.definition),
            subject=await subject_of(session, enrollment),
        )
        for enrollment, journey, version in rows.all()
    ]
    by_id = {passage.enrollment.id: passage for passage in found}
    await _add_sends(session, by_id)
    for note in await session.exec(
        select(TimelineEntry).where(col(TimelineEntry.enrollment_id).in_(by_id)).order_by(col(TimelineEntry.id))
    ):
        by_id[note.enrollment_id].notes.append(note)
    events = (
        await session.exec(
            select(CustomerEvent).where(CustomerEvent.customer_id == customer_id).order_by(col(CustomerEvent.id))
        )
    ).all()
    orders = (
        await session.exec(select(Order).where(Order.customer_id == customer_id).order_by(col(Order.ordered_at)))
    ).all()
    for passage in found:
        passage.events.extend(event for event in events if _concerns(event, passage.enrollment))
        heard = {event.order_id for event in passage.events}
        passage.orders.extend(
            order for order in orders if order.attributed_enrollment_id == passage.enrollment.id or order.id in heard
        )
    return found


async def _add_sends(session: AsyncSession, by_id: dict[str, Passage]) -> None:
    by_send: dict[int, Passage] = {}
    for send in await session.exec(
        select(Send)
        .where(col(Send.enrollment_id).in_(by_id))
        .order_by(col(Send.stage), col(Send.occurrence), col(Send.id))
    ):
        passage = by_id[send.enrollment_id]
        passage.sends.append(send)
        by_send[required_id(send.id)] = passage
    for attempt in await session.exec(
        select(SendAttempt).where(col(SendAttempt.send_id).in_(by_send)).order_by(col(SendAttempt.number))
    ):
        by_send[attempt.send_id].attempts.setdefault(attempt.send_id, []).append(attempt)


def _concerns(event: CustomerEvent, enrollment: Enrollment) -> bool:
    """Whether it happened to the customer while the enrollment was open, to this one or to whichever was."""
    if event.enrollment_id is not None:
        return event.enrollment_id == enrollment.id
    if required_id(event.id) <= enrollment.after_event_id:
        return False
    return enrollment.closed_at is None or event.received_at <= enrollment.closed_at


async def texts_of(session: AsyncSession, events: Sequence[CustomerEvent]) -> dict[int, str]:
    """What customers wrote in these events, by the event's id.

    An event's key ends with the digest of its message's id, and both have the same moment.
    """
    by_message = {event.dedupe_key.rsplit(":", 1)[-1]: required_id(event.id) for event in events}
    rows = await session.exec(
        select(ChatMessage.wamid, ChatMessage.external_id, ChatMessage.text)
        .join(Conversation, col(Conversation.id) == ChatMessage.conversation_id)
        .where(
            col(Conversation.customer_id).in_({event.customer_id for event in events}),
            col(ChatMessage.at).in_({event.occurred_at for event in events}),
            col(ChatMessage.inbound),
            col(ChatMessage.text).is_not(None),
        )
    )
    found = {}
    for wamid, external_id, text in rows:
        for message_id in (external_id, wamid):
            event_id = by_message.get(message_key(message_id)) if message_id is not None else None
            if event_id is not None and text is not None:
                found[event_id] = text
    return found


@dataclass(frozen=True, slots=True)
class Decided:
    """An entry decision on record, with its journey's name."""

    journey: str
    decision: EntryDecision


async def decisions_about(session: AsyncSession, customer_id: int, journey_id: int | None = None) -> list[Decided]:
    """Why the customer entered or did not, newest first; of one journey if one is named."""
    query = (
        select(Journey.name, EntryDecision)
        .join(Journey, col(Journey.id) == EntryDecision.journey_id)
        .where(EntryDecision.customer_id == customer_id, counts())
        .order_by(col(EntryDecision.id).desc())
    )
    if journey_id is not None:
        query = query.where(EntryDecision.journey_id == journey_id)
    return [Decided(name, decision) for name, decision in await session.exec(query)]


async def active_journeys(
    session: AsyncSession, store_id: int, states: Sequence[JourneyState] = (JourneyState.ACTIVE,)
) -> list[tuple[Journey, JourneyDefinition]]:
    """The journeys that take entrants, or are in other states, each with what its newest version says."""
    journeys = await session.exec(
        select(Journey)
        .where(Journey.store_id == store_id, col(Journey.state).in_(list(states)))
        .order_by(col(Journey.priority).desc(), col(Journey.name))
    )
    found: list[tuple[Journey, JourneyDefinition]] = []
    for journey in journeys.all():
        version = await latest_version(session, required_id(journey.id))
        if version is not None:
            found.append((journey, parse_definition(version.definition)))
    return found


async def count_attributed_exits(session: AsyncSession, journey_id: int) -> int:
    """How many of the journey's purchases belong to the enrollment that they ended."""
    query = select(func.count(func.distinct(Enrollment.id))).where(
        Enrollment.journey_id == journey_id,
        Enrollment.exit_reason == ExitReason.PURCHASED,
        Order.attributed_enrollment_id == Enrollment.id,
    )
    return (await session.exec(query)).one()


async def ever_entered(session: AsyncSession, journey_id: int, customer_ids: Sequence[int]) -> set[int]:
    """Which of the customers were in the journey before, control included."""
    return set(
        await session.exec(
            select(Enrollment.customer_id).where(
                Enrollment.journey_id == journey_id, col(Enrollment.customer_id).in_(list(customer_ids))
            )
        )
    )
