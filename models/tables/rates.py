"""What a currency is worth, for reports that add up over currencies."""

from datetime import date

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel


class ExchangeRate(SQLModel, table=True):
    """What one unit of a currency was worth in US dollars from a day on, as a store wrote it down.

    `usd` is a decimal number as text: SQLite would keep a number as floating point.
    """

    __tablename__ = "exchange_rate"
    __table_args__ = (UniqueConstraint("store_id", "currency", "day"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    currency: str = Field(max_length=3)
    day: date
    usd: str = Field(max_length=40)
