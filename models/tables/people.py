"""People and what they do: customers, orders, chats, opt-outs, and the events that journeys hear of."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.enums import AttributedBy, ConsentState, EventKind, ExitReason
from models.tables.fields import moment, moment_or_none, word


class Customer(SQLModel, table=True):
    """A person at a store. Its row is the lock under which events are ingested and sends are claimed (promise 2)."""

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("store_id", "external_id"),
        Index("customer_phone", "store_id", "phone", unique=True),
        Index("customer_wa_user", "store_id", "wa_user_id", unique=True),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    external_id: str | None = Field(default=None, max_length=64)
    phone: str | None = Field(default=None, max_length=20)
    phone_synthetic: bool = False
    wa_user_id: str | None = Field(default=None, max_length=128)
    first_name: str | None = None
    language: str | None = Field(default=None, max_length=15)
    time_zone: str | None = Field(default=None, max_length=64)
    consent: ConsentState = word(ConsentState, default=ConsentState.NEVER_SUBSCRIBED)
    consent_source: str | None = None
    consent_at: datetime | None = moment_or_none()
    opted_out_at: datetime | None = moment_or_none()
    opt_out_source: str | None = None
    erased_at: datetime | None = moment_or_none()
    last_order_external_id: str | None = Field(default=None, max_length=64)
    last_order_at: datetime | None = moment_or_none()
    last_order_minor: int | None = Field(default=None, sa_type=BigInteger)
    last_order_currency: str | None = Field(default=None, max_length=3)
    last_inbound_at: datetime | None = moment_or_none()


class Order(SQLModel, table=True):
    """A purchase as the shop reported it, and the journey that it is attributed to, which may still change.

    What is computed (`attributed_*`) names enrollment and send without a foreign key: enrollments point to events and
    events to orders, and a circle of keys could not be created in one go.
    """

    __tablename__ = "customer_order"
    __table_args__ = (UniqueConstraint("store_id", "external_id"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    external_id: str = Field(max_length=64)
    ordered_at: datetime = moment(index=True)
    updated_at: datetime = moment()
    total_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(max_length=3)
    test: bool = False
    cancelled_at: datetime | None = moment_or_none()
    financial_status: str | None = None
    discount_codes: list[str] = Field(default_factory=list, sa_type=JSON)
    attributed_by: AttributedBy | None = word(AttributedBy, default=None)
    attributed_journey_id: int | None = Field(default=None, foreign_key="journey.id", index=True)
    attributed_enrollment_id: str | None = Field(default=None, max_length=40, index=True)
    attributed_send_id: int | None = None


class Conversation(SQLModel, table=True):
    """A customer's WhatsApp chat with one number; `board_column` and `context` are the merchant's."""

    __tablename__ = "conversation"
    __table_args__ = (UniqueConstraint("number_id", "customer_id"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    number_id: int = Field(foreign_key="number.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    is_open: bool = True
    board_column: str | None = None
    context: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class ChatMessage(SQLModel, table=True):
    """One message of a conversation, in or out."""

    __tablename__ = "chat_message"
    id: int | None = Field(default=None, primary_key=True)
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    wamid: str | None = Field(default=None, unique=True, max_length=255)
    inbound: bool
    kind: str = Field(max_length=40)
    text: str | None = Field(default=None, sa_type=Text)
    at: datetime = moment()
    attempt_id: str | None = Field(default=None, max_length=80)


class Suppression(SQLModel, table=True):
    """A keyed hash of a phone that must never be messaged again, kept also after the person is erased."""

    __tablename__ = "suppression"
    __table_args__ = (UniqueConstraint("store_id", "phone_hash"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    phone_hash: str = Field(max_length=64)
    reason: str
    at: datetime = moment()


class CustomerEvent(SQLModel, table=True):
    """Something that happened to a customer that journeys must hear of; `exit_reason` is what it does to a journey.

    `enrollment_id` narrows an event to one enrollment (a staff stop); without it it concerns whichever is open.
    """

    __tablename__ = "customer_event"
    __table_args__ = (
        UniqueConstraint("store_id", "dedupe_key"),
        Index("customer_event_since", "customer_id", "received_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int = Field(foreign_key="customer.id")
    kind: EventKind = word(EventKind)
    exit_reason: ExitReason | None = word(ExitReason, default=None)
    enrollment_id: str | None = Field(default=None, max_length=40)
    occurred_at: datetime = moment()
    received_at: datetime = moment()
    source: str = Field(max_length=40)
    dedupe_key: str = Field(max_length=200)
    order_id: int | None = Field(default=None, foreign_key="customer_order.id")
