"""The report's columns, which spreadsheets and programs depend on: added at the end, never renamed or taken away.

`docs/report.md` says what each of them holds.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from models.enums import AttributedBy


class RowKind(StrEnum):
    """What a row tells of."""

    MESSAGE = "message"
    """A message that WhatsApp took, or may have taken."""
    ORDER = "order"
    """An order of somebody who is or was in the journey, or one that belongs to it."""
    NOT_RECEIVED = "not_received"
    """A message that did not reach somebody, or somebody whom the journey never wrote to."""


class Arm(StrEnum):
    """On which side of the holdout somebody is."""

    TREATED = "treated"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One row; a column that has nothing to say is None.

    Attributes:
        at: when it happened, which a period and the order of a customer's rows go by; no column.
    """

    at: datetime
    kind: RowKind
    contact: str | None
    customer_id: str | None
    first_name: str | None
    journey: str
    version: int | None = None
    arm: Arm | None = None
    stage: int | None = None
    message: str | None = None
    message_status: str | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    read_at: datetime | None = None
    order_id: str | None = None
    order_date: datetime | None = None
    order_amount: Decimal | None = None
    currency: str | None = None
    amount_usd: Decimal | None = None
    attributed: bool | None = None
    attributed_by: AttributedBy | None = None
    why: str | None = None
    coupon: str | None = None
    reason: str | None = None
    reason_words: str | None = None
    decided_at: datetime | None = None


COLUMNS: Final = tuple(one.name for one in fields(ReportRow) if one.name != "at")
