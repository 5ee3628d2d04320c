"""Every table of the database, in the words of `docs/words.md`; the schema itself is made by Alembic (`migrations/`).

Rules that hold for all of them: a row belongs to one store; time is aware UTC (`UtcDateTime`); money is minor units
beside its currency; secrets are ciphertext (`*_secret`); phones, names and texts stand here and nowhere in Temporal.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.columns import UtcDateTime, Word
from models.enums import (
    AttemptStatus,
    AttributedBy,
    ConsentState,
    EnrollmentState,
    EventKind,
    ExitReason,
    HoldReason,
    JourneyKind,
    JourneyState,
    LaunchState,
    SendState,
    SkipReason,
    TemplateStatus,
)


def _moment(*, index: bool = False) -> Any:
    return Field(sa_type=UtcDateTime, index=index)


def _moment_or_none(*, index: bool = False) -> Any:
    return Field(default=None, sa_type=UtcDateTime, index=index)


def _word(vocabulary: Any, **options: Any) -> Any:
    return Field(sa_type=Word(vocabulary), **options)


# --- a merchant and what it sends with -------------------------------------------------------------------------------


class Store(SQLModel, table=True):
    """One merchant. `salt_secret` keys its holdout and its suppression hashes."""

    __tablename__ = "store"
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True, max_length=63)
    time_zone: str
    currency: str = Field(max_length=3)
    languages: list[str] = Field(default_factory=list, sa_type=JSON)
    default_region: str | None = Field(default=None, max_length=2)
    salt_secret: str
    created_at: datetime = _moment()


class Number(SQLModel, table=True):
    """A WhatsApp business number of a store, under its WABA and portfolio; `endpoint` is set for a sandbox's."""

    __tablename__ = "number"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", index=True)
    phone_number_id: str = Field(unique=True, max_length=64)
    waba_id: str = Field(index=True, max_length=64)
    portfolio_id: str | None = Field(default=None, max_length=64)
    token_secret: str
    app_secret: str
    verify_token_secret: str
    endpoint: str | None = None
    paused_reason: str | None = None
    credential_ok: bool = True
    quality: str | None = None
    checked_at: datetime | None = _moment_or_none()


class Shop(SQLModel, table=True):
    """A Shopify shop of a store. `webhook_secrets` holds one secret, or two during a rotation, newest first."""

    __tablename__ = "shop"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", unique=True)
    domain: str = Field(unique=True, max_length=255)
    token_secret: str
    webhook_secrets: list[str] = Field(default_factory=list, sa_type=JSON)
    endpoint: str | None = None
    credential_ok: bool = True
    sees_all_orders: bool | None = None
    checked_at: datetime | None = _moment_or_none()


class Template(SQLModel, table=True):
    """Our mirror of one of Meta's templates: one row per WABA, name and language."""

    __tablename__ = "template"
    __table_args__ = (UniqueConstraint("waba_id", "name", "language"),)
    id: int | None = Field(default=None, primary_key=True)
    waba_id: str = Field(max_length=64)
    name: str = Field(max_length=512)
    language: str = Field(max_length=15)
    status: TemplateStatus = _word(TemplateStatus)
    category: str | None = None
    named_variables: bool = False
    variables: list[str] = Field(default_factory=list, sa_type=JSON)
    copy_code_index: int | None = None
    body: str = Field(default="", sa_type=Text)
    synced_at: datetime = _moment()


# --- people and what they do -----------------------------------------------------------------------------------------


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
    consent: ConsentState = _word(ConsentState, default=ConsentState.NEVER_SUBSCRIBED)
    consent_source: str | None = None
    consent_at: datetime | None = _moment_or_none()
    opted_out_at: datetime | None = _moment_or_none()
    opt_out_source: str | None = None
    erased_at: datetime | None = _moment_or_none()
    last_order_external_id: str | None = Field(default=None, max_length=64)
    last_order_at: datetime | None = _moment_or_none()
    last_order_minor: int | None = Field(default=None, sa_type=BigInteger)
    last_order_currency: str | None = Field(default=None, max_length=3)
    last_inbound_at: datetime | None = _moment_or_none()


class Order(SQLModel, table=True):
    """A purchase as the shop reported it, and the journey that it is attributed to, which may still change."""

    __tablename__ = "customer_order"
    __table_args__ = (UniqueConstraint("store_id", "external_id"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    external_id: str = Field(max_length=64)
    ordered_at: datetime = _moment(index=True)
    updated_at: datetime = _moment()
    total_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(max_length=3)
    test: bool = False
    cancelled_at: datetime | None = _moment_or_none()
    financial_status: str | None = None
    discount_codes: list[str] = Field(default_factory=list, sa_type=JSON)
    attributed_by: AttributedBy | None = _word(AttributedBy, default=None)
    attributed_journey_id: int | None = Field(default=None, foreign_key="journey.id", index=True)
    attributed_enrollment_id: str | None = Field(default=None, foreign_key="enrollment.id", max_length=40, index=True)
    attributed_send_id: int | None = Field(default=None, foreign_key="send.id")


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
    at: datetime = _moment()
    attempt_id: str | None = Field(default=None, max_length=80)


class Suppression(SQLModel, table=True):
    """A keyed hash of a phone that must never be messaged again, kept also after the person is erased."""

    __tablename__ = "suppression"
    __table_args__ = (UniqueConstraint("store_id", "phone_hash"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    phone_hash: str = Field(max_length=64)
    reason: str
    at: datetime = _moment()


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
    kind: EventKind = _word(EventKind)
    exit_reason: ExitReason | None = _word(ExitReason, default=None)
    enrollment_id: str | None = Field(default=None, max_length=40)
    occurred_at: datetime = _moment()
    received_at: datetime = _moment()
    source: str = Field(max_length=40)
    dedupe_key: str = Field(max_length=200)
    order_id: int | None = Field(default=None, foreign_key="customer_order.id")


# --- journeys --------------------------------------------------------------------------------------------------------


class Journey(SQLModel, table=True):
    """A journey by name; what it does stands in its versions."""

    __tablename__ = "journey"
    __table_args__ = (UniqueConstraint("store_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    name: str = Field(max_length=63)
    kind: JourneyKind = _word(JourneyKind)
    priority: int
    state: JourneyState = _word(JourneyState)
    state_reason: str | None = None
    created_at: datetime = _moment()


class JourneyVersion(SQLModel, table=True):
    """One immutable definition (promise 5): its canonical JSON and the hash of it."""

    __tablename__ = "journey_version"
    __table_args__ = (UniqueConstraint("journey_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    journey_id: int = Field(foreign_key="journey.id")
    number: int
    content_hash: str = Field(max_length=64)
    definition: str = Field(sa_type=Text)
    created_at: datetime = _moment()


class Launch(SQLModel, table=True):
    """One selection of entrants for a journey, with its progress; the counts add up when `state` is `done`."""

    __tablename__ = "launch"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id", index=True)
    version_id: int = Field(foreign_key="journey_version.id")
    entrant_limit: int | None = None
    state: LaunchState = _word(LaunchState)
    requested_at: datetime = _moment()
    finished_at: datetime | None = _moment_or_none()
    considered: int = 0
    decided: int = 0
    started: int = 0
    error: str | None = None


class LaunchCandidate(SQLModel, table=True):
    """One considered customer of one launch and what was decided, the launch's own account of everybody."""

    __tablename__ = "launch_candidate"
    __table_args__ = (UniqueConstraint("launch_id", "customer_id"),)
    id: int | None = Field(default=None, primary_key=True)
    launch_id: int = Field(foreign_key="launch.id")
    customer_id: int = Field(foreign_key="customer.id")
    outcome: str | None = Field(default=None, max_length=60)
    day: date | None = None


class EntryDecision(SQLModel, table=True):
    """Why a customer entered a journey or did not: appended when the answer changes, so that the past stays told."""

    __tablename__ = "entry_decision"
    __table_args__ = (Index("entry_decision_latest", "journey_id", "customer_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    at: datetime = _moment()
    outcome: str = Field(max_length=60)
    seen: str = ""
    threshold: str = ""


class Paced(SQLModel, table=True):
    """A customer who qualified beyond the day's number and was given a later day, when all rules are asked again."""

    __tablename__ = "paced"
    __table_args__ = (UniqueConstraint("journey_id", "customer_id"), Index("paced_day", "journey_id", "day"))
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    launch_id: int = Field(foreign_key="launch.id")
    customer_id: int = Field(foreign_key="customer.id")
    day: date


class Enrollment(SQLModel, table=True):
    """One customer's passage through one version; its id is the workflow's id (`enr-<uuid5>`).

    Events with an id above `after_event_id` happened to the customer since the selection. `due_at` is when the next
    action happens. `stage` counts from 0 and equals the number of stages when only the
    watch is left. `horizon_at` ends a control enrollment's claim on the customer's slot.
    """

    __tablename__ = "enrollment"
    __table_args__ = (
        UniqueConstraint("journey_id", "customer_id", "entry_key"),
        Index(
            "enrollment_one_open",
            "store_id",
            "customer_id",
            unique=True,
            sqlite_where=text("state != 'closed'"),
            postgresql_where=text("state != 'closed'"),
        ),
        Index("enrollment_by_state", "journey_id", "state"),
        Index("enrollment_held_for", "hold_key"),
    )
    id: str = Field(primary_key=True, max_length=40)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    launch_id: int | None = Field(default=None, foreign_key="launch.id", index=True)
    entry_key: str = Field(max_length=128)
    priority: int
    state: EnrollmentState = _word(EnrollmentState)
    selected_at: datetime = _moment()
    after_event_id: int = 0
    entered_at: datetime = _moment()
    stage: int = 0
    due_at: datetime | None = _moment_or_none()
    hold_reason: HoldReason | None = _word(HoldReason, default=None)
    hold_key: str | None = Field(default=None, max_length=700)
    exit_reason: ExitReason | None = _word(ExitReason, default=None)
    exit_event_id: int | None = Field(default=None, foreign_key="customer_event.id")
    closed_at: datetime | None = _moment_or_none()
    horizon_at: datetime | None = _moment_or_none()


class TimelineEntry(SQLModel, table=True):
    """One line of an enrollment's story beyond its sends: holds, skips, and events heard after the first exit."""

    __tablename__ = "timeline_entry"
    id: int | None = Field(default=None, primary_key=True)
    enrollment_id: str = Field(foreign_key="enrollment.id", index=True, max_length=40)
    at: datetime = _moment()
    stage: int | None = None
    what: str = Field(max_length=40)
    reason: str | None = Field(default=None, max_length=60)


class CouponIssue(SQLModel, table=True):
    """A personal discount code that was created for one enrollment."""

    __tablename__ = "coupon_issue"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    enrollment_id: str = Field(foreign_key="enrollment.id", unique=True, max_length=40)
    customer_id: int = Field(foreign_key="customer.id", index=True)
    code: str = Field(max_length=40, index=True)
    valid_from: datetime = _moment()
    valid_until: datetime | None = _moment_or_none()


# --- sending ---------------------------------------------------------------------------------------------------------


class Send(SQLModel, table=True):
    """One stage's message to one customer. `attempt` is the number that a claim compares and sets (promise 1).

    The draft stands here: `template_*` and `parameters` for the template, `free_text` for the open service window.
    """

    __tablename__ = "send"
    __table_args__ = (UniqueConstraint("enrollment_id", "stage", "occurrence"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    enrollment_id: str = Field(foreign_key="enrollment.id", max_length=40)
    customer_id: int = Field(foreign_key="customer.id", index=True)
    stage: int
    occurrence: int = 0
    state: SendState = _word(SendState)
    attempt: int = 0
    checked_at: datetime | None = _moment_or_none()
    drafted_at: datetime | None = _moment_or_none()
    template_name: str | None = Field(default=None, max_length=512)
    template_language: str | None = Field(default=None, max_length=15)
    parameters: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    coupon_code: str | None = Field(default=None, max_length=40)
    free_text: str | None = Field(default=None, sa_type=Text)
    written_by: str | None = Field(default=None, max_length=80)
    prompt_version: str | None = Field(default=None, max_length=40)
    skip_reason: SkipReason | None = _word(SkipReason, default=None)
    declined: int = 0
    settled_at: datetime | None = _moment_or_none()
    received_at: datetime | None = _moment_or_none()


class SendAttempt(SQLModel, table=True):
    """One POST of a send, committed as claimed before it leaves; its id is Meta's `biz_opaque_callback_data`."""

    __tablename__ = "send_attempt"
    id: str = Field(primary_key=True, max_length=80)
    send_id: int = Field(foreign_key="send.id", index=True)
    number_id: int = Field(foreign_key="number.id")
    number: int
    status: AttemptStatus = _word(AttemptStatus)
    wamid: str | None = Field(default=None, unique=True, max_length=255)
    used_template: bool = True
    error_code: int | None = None
    claimed_at: datetime = _moment()
    accepted_at: datetime | None = _moment_or_none()
    sent_at: datetime | None = _moment_or_none()
    delivered_at: datetime | None = _moment_or_none()
    read_at: datetime | None = _moment_or_none()
    failed_at: datetime | None = _moment_or_none()


class UnmatchedStatus(SQLModel, table=True):
    """A status of a message that we do not know yet, kept because Meta can be faster than our own record."""

    __tablename__ = "unmatched_status"
    id: int | None = Field(default=None, primary_key=True)
    wamid: str = Field(index=True, max_length=255)
    status: str = Field(max_length=20)
    error_code: int | None = None
    at: datetime = _moment()


class ModelCall(SQLModel, table=True):
    """One call of the language model with its usage, also when its answer could not be used."""

    __tablename__ = "model_call"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    send_id: int = Field(foreign_key="send.id", index=True)
    at: datetime = _moment()
    model: str
    prompt_version: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    outcome: str = Field(max_length=80)


# --- the gateway's books ---------------------------------------------------------------------------------------------


class WebhookUpdate(SQLModel, table=True):
    """A webhook as it came in, stored with its effects in one transaction (promise 3)."""

    __tablename__ = "webhook_update"
    __table_args__ = (UniqueConstraint("source", "delivery_key"),)
    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(max_length=20)
    store_id: int | None = Field(default=None, foreign_key="store.id")
    topic: str = Field(max_length=80)
    delivery_key: str = Field(max_length=128)
    body: str = Field(sa_type=Text)
    received_at: datetime = _moment(index=True)


class AppliedPiece(SQLModel, table=True):
    """The dedupe key of one piece of a batch (a message, a status): applied once however often it is delivered."""

    __tablename__ = "applied_piece"
    key: str = Field(primary_key=True, max_length=300)
    at: datetime = _moment(index=True)


class SignalIntent(SQLModel, table=True):
    """A signal that Temporal must still accept: written with its cause, delivered by the relay.

    With `enrollment_id` it is for one workflow. With `broadcast_key` it is for everybody who holds for that key, and
    the relay replaces it by one intent each, page by page.
    """

    __tablename__ = "signal_intent"
    __table_args__ = (
        Index(
            "signal_intent_pending",
            "next_try_at",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    enrollment_id: str | None = Field(default=None, max_length=40, index=True)
    broadcast_key: str | None = Field(default=None, max_length=700)
    signal: str = Field(max_length=40)
    payload: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = _moment()
    next_try_at: datetime = _moment()
    tries: int = 0
    settled_at: datetime | None = _moment_or_none()
    outcome: str | None = Field(default=None, max_length=40)
