"""The gateway's books: what came in, what of it was applied, and the signals that Temporal must still take."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.tables.fields import moment, moment_or_none


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
    received_at: datetime = moment(index=True)


class AppliedPiece(SQLModel, table=True):
    """The dedupe key of one piece of a batch (a message, a status): applied once however often it is delivered."""

    __tablename__ = "applied_piece"
    key: str = Field(primary_key=True, max_length=300)
    at: datetime = moment(index=True)


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
    created_at: datetime = moment()
    next_try_at: datetime = moment()
    tries: int = 0
    settled_at: datetime | None = moment_or_none()
    outcome: str | None = Field(default=None, max_length=40)
