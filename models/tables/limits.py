"""Who was written to in the last 24 hours: what WhatsApp's limits on new recipients are counted by."""

from datetime import date, datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from models.tables.fields import moment, moment_or_none


class RecipientWindow(SQLModel, table=True):
    """One moving count of recipients: a portfolio's, or a number's own. Its row is locked by whoever counts.

    A portfolio may span stores, so the row belongs to none; `key` names it (`storage.allowances`).

    Attributes:
        salt_secret: keys the hashes of the recipients; a number's count uses its portfolio's.
        counted_from: since when this count has been kept without a gap; None before it began.
        used: the rows of `WindowRecipient`, `used_kept` those of follow-ups and carts.
        newest_at: the time of the newest recipient; the count's clock, which never goes back.
        promised_until: the latest moment that was ever promised to somebody who waits for room.
        sending_days: store-local days on which the number wrote to somebody new; `last_day` is the latest.
    """

    __tablename__ = "recipient_window"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, max_length=100)
    salt_secret: str | None = None
    counted_from: datetime | None = moment_or_none()
    used: int = 0
    used_kept: int = 0
    newest_at: datetime | None = moment_or_none()
    promised_until: datetime | None = moment_or_none()
    sending_days: int = 0
    last_day: date | None = None


class WindowRecipient(SQLModel, table=True):
    """Somebody who was written to outside an open service window, and when that was last.

    `recipient` is a keyed hash of where the message went. Of an erased customer only the time stays: Meta goes on
    counting, and so must we.
    """

    __tablename__ = "window_recipient"
    __table_args__ = (Index("window_recipient_oldest", "window_id", "at"),)
    window_id: int = Field(foreign_key="recipient_window.id", primary_key=True)
    recipient: str = Field(primary_key=True, max_length=64)
    at: datetime = moment()
    kept: bool
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True)
