"""The daily review of conversations: its runs, what each came to about each conversation, and what the model found."""

from datetime import datetime

from sqlalchemy import Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.enums import BuyingIntent, LeftOut, ReviewOutcome, RunState, RunTrigger, SaleStanding
from models.tables.fields import moment, moment_or_none, word


class TrackingRun(SQLModel, table=True):
    """One run of a tracking journey; `run_key` is its workflow's id, so that a run that is begun twice is one.

    `since` is how far it looks back, by the customers' own messages; what the store heard of after `heard_since` counts
    too, though it was written earlier (None in a first run). `read_*` is how far selecting has come: conversations are
    read by the customers' newest messages, and once `read_window` is set what an earlier run left to this one by id.
    `selected_at` is when everybody has been considered, None while that goes on.
    """

    __tablename__ = "tracking_run"
    __table_args__ = (
        UniqueConstraint("journey_id", "run_key"),
        Index("tracking_run_latest", "journey_id", "started_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    run_key: str = Field(max_length=200)
    trigger: RunTrigger = word(RunTrigger)
    state: RunState = word(RunState)
    stop_reason: str | None = Field(default=None, max_length=60)
    started_at: datetime = moment()
    since: datetime = moment()
    heard_since: datetime | None = moment_or_none()
    read_window: bool = False
    read_at: datetime | None = moment_or_none()
    read_id: int = 0
    selected_at: datetime | None = moment_or_none()
    finished_at: datetime | None = moment_or_none()


class Review(SQLModel, table=True):
    """What a run came to about one conversation that it considered.

    `last_key` is the conversation's last message at that moment, `wrote_at` the customer's own last one. `position`
    is its place among those to be analysed, most recent first.
    """

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("run_id", "conversation_id"),
        Index("review_outcome", "run_id", "outcome"),
        Index("review_position", "run_id", "position"),
        Index("review_age", "outcome", "at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="tracking_run.id")
    store_id: int = Field(foreign_key="store.id")
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    customer_id: int = Field(foreign_key="customer.id", index=True)
    last_key: str = Field(max_length=40)
    wrote_at: datetime = moment()
    position: int | None = None
    outcome: ReviewOutcome = word(ReviewOutcome)
    left_out: LeftOut | None = word(LeftOut, default=None)
    seen: str = ""
    threshold: str = ""
    at: datetime = moment()
    analysis_id: int | None = Field(default=None, foreign_key="conversation_analysis.id", index=True)


class ConversationAnalysis(SQLModel, table=True):
    """The model's verdict about a conversation up to one message, asked for once; the texts are the customer's data.

    The row is written before the model is asked. `answered_at` is when a verdict, or the end of all tries (`failure`),
    was on record. `enrollment_id` has no foreign key: enrollments point here.
    """

    __tablename__ = "conversation_analysis"
    __table_args__ = (
        UniqueConstraint("conversation_id", "last_key"),
        Index("conversation_analysis_of_journey", "journey_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    run_id: int = Field(foreign_key="tracking_run.id", index=True)
    conversation_id: int = Field(foreign_key="conversation.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    last_key: str = Field(max_length=40)
    wrote_at: datetime = moment()
    asked_at: datetime = moment()
    answered_at: datetime | None = moment_or_none()
    failure: str | None = Field(default=None, max_length=80)
    model: str | None = Field(default=None, max_length=80)
    prompt_version: str | None = Field(default=None, max_length=40)
    intent: BuyingIntent | None = word(BuyingIntent, default=None)
    sale: SaleStanding | None = word(SaleStanding, default=None)
    asked_to_stop: bool = False
    language: str | None = Field(default=None, max_length=15)
    product: str | None = Field(default=None, sa_type=Text)
    objection: str | None = Field(default=None, sa_type=Text)
    suggestion: str | None = Field(default=None, sa_type=Text)
    quote: str | None = Field(default=None, sa_type=Text)
    verified_at: datetime | None = moment_or_none()
    order_found: bool | None = None
    attempt: int | None = None
    enrollment_id: str | None = Field(default=None, max_length=40, index=True)


class AnalysisCall(SQLModel, table=True):
    """One call of the model about one conversation with its usage, also when its answer could not be used."""

    __tablename__ = "analysis_call"
    __table_args__ = (UniqueConstraint("analysis_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    analysis_id: int = Field(foreign_key="conversation_analysis.id")
    number: int
    at: datetime = moment()
    model: str
    prompt_version: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    outcome: str = Field(max_length=80)
