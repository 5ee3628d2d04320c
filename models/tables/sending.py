"""Sending: a stage's message, its attempts, and what writing it cost."""

from datetime import datetime

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.enums import AttemptStatus, SendState, SkipReason
from models.tables.fields import moment, moment_or_none, word


class Send(SQLModel, table=True):
    """One stage's message to one customer. `attempt` is the number that a claim compares and sets (promise 1).

    The draft stands here: `template_*` and `parameters` for the template, `free_text` for the open service window.
    `opt_out_at` is when the customer opted out because of it, as far as that can be told (`policies.stop_loss`).
    `revision` counts how often it was written: whoever approves a text says which one they have read.
    `substituted_for` is the template that the version names where another one stands for it.
    """

    __tablename__ = "send"
    __table_args__ = (
        UniqueConstraint("enrollment_id", "stage", "occurrence"),
        Index("send_of_journey", "journey_id", "id"),
        Index(
            "send_unsettled",
            "store_id",
            "id",
            sqlite_where=text("state IN ('parked', 'unknown')"),
            postgresql_where=text("state IN ('parked', 'unknown')"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    enrollment_id: str = Field(foreign_key="enrollment.id", max_length=40)
    customer_id: int = Field(foreign_key="customer.id", index=True)
    stage: int
    occurrence: int = 0
    state: SendState = word(SendState)
    attempt: int = 0
    revision: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    checked_at: datetime | None = moment_or_none()
    drafted_at: datetime | None = moment_or_none()
    template_name: str | None = Field(default=None, max_length=512)
    template_language: str | None = Field(default=None, max_length=15)
    substituted_for: str | None = Field(default=None, max_length=512)
    parameters: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    coupon_code: str | None = Field(default=None, max_length=40)
    free_text: str | None = Field(default=None, sa_type=Text)
    written_by: str | None = Field(default=None, max_length=80)
    prompt_version: str | None = Field(default=None, max_length=40)
    skip_reason: SkipReason | None = word(SkipReason, default=None)
    declined: int = 0
    settled_at: datetime | None = moment_or_none()
    received_at: datetime | None = moment_or_none()
    opt_out_at: datetime | None = moment_or_none()


class SendAttempt(SQLModel, table=True):
    """One POST of a send, committed as claimed before it leaves; its id is Meta's `biz_opaque_callback_data`.

    `settled_by` is who said what became of it, where WhatsApp did not.
    """

    __tablename__ = "send_attempt"
    __table_args__ = (Index("send_attempt_of_number", "number_id", "claimed_at"),)
    id: str = Field(primary_key=True, max_length=80)
    send_id: int = Field(foreign_key="send.id", index=True)
    number_id: int = Field(foreign_key="number.id")
    number: int
    status: AttemptStatus = word(AttemptStatus)
    wamid: str | None = Field(default=None, unique=True, max_length=255)
    used_template: bool = True
    error_code: int | None = None
    claimed_at: datetime = moment()
    accepted_at: datetime | None = moment_or_none()
    sent_at: datetime | None = moment_or_none()
    delivered_at: datetime | None = moment_or_none()
    read_at: datetime | None = moment_or_none()
    failed_at: datetime | None = moment_or_none()
    settled_by: str | None = Field(default=None, max_length=80)
    settled_by_at: datetime | None = moment_or_none()


class UnmatchedStatus(SQLModel, table=True):
    """A status of a message that we do not know yet, kept because Meta can be faster than our own record.

    `number_id` is the number that it was reported for: whoever may speak for one says nothing of another's messages.
    Rows of earlier releases lack it.
    """

    __tablename__ = "unmatched_status"
    id: int | None = Field(default=None, primary_key=True)
    number_id: int | None = Field(default=None, foreign_key="number.id")
    wamid: str = Field(index=True, max_length=255)
    status: str = Field(max_length=20)
    error_code: int | None = None
    at: datetime = moment()


class ModelCall(SQLModel, table=True):
    """One call of the language model with its usage, also when its answer could not be used."""

    __tablename__ = "model_call"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    send_id: int = Field(foreign_key="send.id", index=True)
    at: datetime = moment()
    model: str
    prompt_version: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    outcome: str = Field(max_length=80)
