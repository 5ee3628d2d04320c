"""What happened to a store's sending: the events that its people are told of, by mail and by webhook."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.enums import StoreEventKind
from models.tables.fields import moment, moment_or_none, word


class StoreEvent(SQLModel, table=True):
    """Something that happened to a journey, a number, a template or the store as a whole; it names no customer.

    It is written in the transaction of its cause. `detail` holds codes, names and figures for whoever renders it.
    `mail_next_at` is when a mail about it is to be tried, None when none is wanted or it has gone.
    """

    __tablename__ = "store_event"
    __table_args__ = (
        UniqueConstraint("store_id", "dedupe_key"),
        Index("store_event_latest", "store_id", "id"),
        Index(
            "store_event_mail",
            "store_id",
            "mail_next_at",
            sqlite_where=text("mail_next_at IS NOT NULL"),
            postgresql_where=text("mail_next_at IS NOT NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    kind: StoreEventKind = word(StoreEventKind)
    dedupe_key: str = Field(max_length=200)
    journey_id: int | None = Field(default=None, foreign_key="journey.id", index=True)
    number_id: int | None = Field(default=None, foreign_key="number.id")
    at: datetime = moment()
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    mail_next_at: datetime | None = moment_or_none()
    mail_tries: int = 0
    mailed_at: datetime | None = moment_or_none()
    mail_outcome: str | None = Field(default=None, max_length=120)
