"""What every document is made of: moments in UTC, money in major units."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from models.money import Money


def rfc3339(at: datetime) -> str:
    """The moment in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}),
]


class Document(BaseModel):
    """Base of everything that is printed as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Amount(Document):
    """Money in major units."""

    amount: str = Field(pattern=r"^-?\d+(\.\d+)?$")
    currency: str

    @classmethod
    def of(cls, money: Money) -> "Amount":
        """The amount as its currency is written."""
        return cls(amount=str(money.amount), currency=money.currency)
