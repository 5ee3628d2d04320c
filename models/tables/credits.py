"""What a store has paid in and what was charged to it."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.enums import CreditKind, CreditState
from models.tables.fields import moment, moment_or_none, word


class CreditEntry(SQLModel, table=True):
    """One line of a store's ledger; a charge has one for its cause, however often the cause is tried.

    `amount` counts whole credits: above zero for what was paid in, below zero for a charge. What is available stands
    on the store's row (`Store.credits`): the sum of all lines that are not released.
    """

    __tablename__ = "credit_entry"
    __table_args__ = (
        UniqueConstraint("store_id", "cause"),
        Index("credit_entry_latest", "store_id", "id"),
        Index(
            "credit_entry_reserved",
            "store_id",
            "id",
            sqlite_where=text("state = 'reserved'"),
            postgresql_where=text("state = 'reserved'"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    cause: str = Field(max_length=120)
    kind: CreditKind = word(CreditKind)
    state: CreditState = word(CreditState)
    amount: int
    send_id: int | None = Field(default=None, foreign_key="send.id", index=True)
    analysis_id: int | None = Field(default=None, foreign_key="conversation_analysis.id", index=True)
    note: str | None = Field(default=None, max_length=200)
    at: datetime = moment()
    settled_at: datetime | None = moment_or_none()
