"""People and what they do: customers, orders, chats, opt-outs, and the events that journeys hear of."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.enums import AttributedBy, ConsentState, EventKind, ExitReason, MessageAuthor, PrivacyRequestKind
from models.tables.fields import moment, moment_or_none, word


class Customer(SQLModel, table=True):
    """A person at a store. Its row is the lock under which events are ingested and sends are claimed (promise 2).

    Whether somebody is opted out follows from facts that may arrive in any order, so these are kept: the newest word to
    ourselves (`stopped_at`), the newest stop and resume at Meta, and the newest consent. `opted_out_at` and
    `opt_out_source` are computed from them (`storage.opt_outs`).

    `shop_updated_at` is the time of the shop's newest word about name, phone and language. A row with `merged_into_id`
    stands for somebody who is another customer now: whoever looks it up goes on to that one.

    `unreachable_*` is WhatsApp's last word that messages do not reach this person, and until when it is believed
    (`storage.reachability`).
    """

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
    stopped_at: datetime | None = moment_or_none()
    stopped_source: str | None = Field(default=None, max_length=40)
    meta_stop_at: datetime | None = moment_or_none()
    meta_resume_at: datetime | None = moment_or_none()
    opted_out_at: datetime | None = moment_or_none()
    opt_out_source: str | None = None
    merged_into_id: int | None = Field(default=None, foreign_key="customer.id", index=True)
    shop_updated_at: datetime | None = moment_or_none()
    erased_at: datetime | None = moment_or_none()
    last_order_external_id: str | None = Field(default=None, max_length=64)
    last_order_at: datetime | None = moment_or_none()
    last_order_minor: int | None = Field(default=None, sa_type=BigInteger)
    last_order_currency: str | None = Field(default=None, max_length=3)
    last_inbound_at: datetime | None = moment_or_none()
    unreachable_code: int | None = None
    unreachable_at: datetime | None = moment_or_none()
    unreachable_until: datetime | None = moment_or_none()


class NumberMove(SQLModel, table=True):
    """Somebody changed their WhatsApp number or user id, as WhatsApp told; kept while older words may still come.

    Words from before the change belong to whoever is at the end of it now, and a change that is told late may be the
    way to one that was told early. `customer_id` is who is known to have made it: nobody yet, where the store has not
    heard of them.
    """

    __tablename__ = "number_move"
    __table_args__ = (
        Index("number_move_phone", "store_id", "old_phone"),
        Index("number_move_user", "store_id", "old_user_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True)
    old_phone: str | None = Field(default=None, max_length=20)
    old_user_id: str | None = Field(default=None, max_length=128)
    new_phone: str | None = Field(default=None, max_length=20)
    new_user_id: str | None = Field(default=None, max_length=128)
    at: datetime = moment(index=True)


class Order(SQLModel, table=True):
    """A purchase as the shop reported it, and the journey that it is attributed to, which may still change.

    `total_minor` is what is left of it: the smaller of the shop's current total (which nets out returned items) and
    the original total without the refunds, which are rows of their own because they may come before their order.

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
    current_minor: int | None = Field(default=None, sa_type=BigInteger)
    original_minor: int | None = Field(default=None, sa_type=BigInteger)
    currency: str = Field(max_length=3)
    checkout_token: str | None = Field(default=None, max_length=128)
    test: bool = False
    cancelled_at: datetime | None = moment_or_none()
    financial_status: str | None = None
    discount_codes: list[str] = Field(default_factory=list, sa_type=JSON)
    attributed_by: AttributedBy | None = word(AttributedBy, default=None)
    attributed_journey_id: int | None = Field(default=None, foreign_key="journey.id", index=True)
    attributed_enrollment_id: str | None = Field(default=None, max_length=40, index=True)
    attributed_send_id: int | None = None


class Refund(SQLModel, table=True):
    """Money given back for an order, which we may not know yet."""

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("store_id", "external_id"),
        Index("refund_of_order", "store_id", "order_external_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    external_id: str = Field(max_length=64)
    order_external_id: str = Field(max_length=64)
    minor: int = Field(sa_type=BigInteger)
    currency: str = Field(max_length=3)
    at: datetime = moment()


class Checkout(SQLModel, table=True):
    """A cart on its way to become an order, keyed by the shop's token; of two updates the later one stands.

    `idle_since` is the customer's last change while it is open and counts as left behind from then on; None once it is
    completed, deleted or ordered. `external_id` is the number by which the shop tells of its deletion; a row that has
    been deleted before it was ever told of holds nothing else.
    """

    __tablename__ = "checkout"
    __table_args__ = (
        UniqueConstraint("store_id", "token"),
        Index("checkout_external", "store_id", "external_id"),
        Index("checkout_idle", "store_id", "idle_since"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True)
    token: str = Field(max_length=128)
    external_id: str | None = Field(default=None, max_length=64)
    created_at: datetime = moment()
    updated_at: datetime = moment()
    completed_at: datetime | None = moment_or_none()
    deleted_at: datetime | None = moment_or_none()
    idle_since: datetime | None = moment_or_none()
    total_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(max_length=3)
    url: str | None = Field(default=None, sa_type=Text)
    items: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)


class ExternalJourney(SQLModel, table=True):
    """An automation of somebody else's that reported that it is writing to a customer; until then ours stay away."""

    __tablename__ = "external_journey"
    __table_args__ = (UniqueConstraint("store_id", "customer_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    name: str = Field(max_length=80)
    priority: int
    entered_at: datetime = moment()
    until: datetime = moment()


class Conversation(SQLModel, table=True):
    """A customer's WhatsApp chat with one number; `board_column` and `context` are the merchant's.

    Column, open or closed, and context each carry the time of the change that they come from, since changes arrive in
    any order. `last_spoken_*` is the newest message of customer, agent or bot (a journey's own do not count): its time,
    and a digest of its id. `silent_since` is the same time if our side wrote it, else None: it is what follow-up
    journeys look for. `customer_wrote_at` is the time of the customer's own newest message and `customer_heard_at` when
    the store heard of it, which may be long after: the daily review looks for both.
    """

    __tablename__ = "conversation"
    __table_args__ = (
        UniqueConstraint("number_id", "customer_id"),
        Index("conversation_silent", "store_id", "silent_since"),
        Index("conversation_wrote", "store_id", "customer_wrote_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    number_id: int = Field(foreign_key="number.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    is_open: bool = True
    open_at: datetime | None = moment_or_none()
    board_column: str | None = Field(default=None, max_length=80)
    column_at: datetime | None = moment_or_none()
    context: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    context_at: datetime | None = moment_or_none()
    last_spoken_at: datetime | None = moment_or_none()
    last_spoken_key: str | None = Field(default=None, max_length=40)
    silent_since: datetime | None = moment_or_none()
    customer_wrote_at: datetime | None = moment_or_none()
    customer_heard_at: datetime | None = moment_or_none()


class ConversationRef(SQLModel, table=True):
    """A chat tool's own id of a conversation; several may stand for one WhatsApp chat (one ticket after another).

    Until a message tells whose conversation it is, what the tool said of it waits here.
    """

    __tablename__ = "conversation_ref"
    __table_args__ = (UniqueConstraint("store_id", "external_id"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    external_id: str = Field(max_length=200)
    conversation_id: int | None = Field(default=None, foreign_key="conversation.id", index=True)
    is_open: bool | None = None
    open_at: datetime | None = moment_or_none()
    board_column: str | None = Field(default=None, max_length=80)
    column_at: datetime | None = moment_or_none()
    context: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    context_at: datetime | None = moment_or_none()


class ChatMessage(SQLModel, table=True):
    """One message of a conversation, in or out; `external_id` is the chat tool's own id of it."""

    __tablename__ = "chat_message"
    __table_args__ = (
        Index("chat_message_external", "conversation_id", "external_id", unique=True),
        Index("chat_message_latest", "conversation_id", "at"),
        Index(
            "chat_message_campaign",
            "conversation_id",
            "kind",
            "at",
            sqlite_where=text("kind = 'template' AND author <> 'journey' AND wamid IS NOT NULL"),
            postgresql_where=text("kind = 'template' AND author <> 'journey' AND wamid IS NOT NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    wamid: str | None = Field(default=None, unique=True, max_length=255)
    external_id: str | None = Field(default=None, max_length=200)
    inbound: bool
    author: MessageAuthor = word(MessageAuthor)
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
    `detail` names the winner of a take-over or the column that a conversation moved to.
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
    detail: str | None = Field(default=None, max_length=80)


class ConsentWriteBack(SQLModel, table=True):
    """A withdrawn consent that the shop must still be told of (its WhatsApp marketing consent)."""

    __tablename__ = "consent_write_back"
    __table_args__ = (
        Index(
            "consent_write_back_pending",
            "store_id",
            "next_try_at",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    state: ConsentState = word(ConsentState)
    at: datetime = moment()
    next_try_at: datetime = moment()
    tries: int = 0
    settled_at: datetime | None = moment_or_none()
    outcome: str | None = Field(default=None, max_length=80)


class PrivacyRequest(SQLModel, table=True):
    """A request of the law's that a shop passed on, with the time at which it was fulfilled; it names nobody."""

    __tablename__ = "privacy_request"
    __table_args__ = (UniqueConstraint("store_id", "dedupe_key"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    kind: PrivacyRequestKind = word(PrivacyRequestKind)
    dedupe_key: str = Field(max_length=200)
    customer_id: int | None = Field(default=None, foreign_key="customer.id")
    received_at: datetime = moment()
    fulfilled_at: datetime | None = moment_or_none()
