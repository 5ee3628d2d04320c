"""Whom a journey may write to: the consent that it asks of everybody, and a win-back's filters."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, ValidationInfo, field_validator

from models.definition import INVALID, Amount, Strict


class ConsentRule(StrEnum):
    """Whose marketing consent is enough to enter."""

    SUBSCRIBED = "subscribed"
    NOT_UNSUBSCRIBED = "not_unsubscribed"


class MoneyRange(Strict):
    """Inclusive bounds in the store's currency, in major units as written (`20`, `19.90`)."""

    min: Amount | None = Field(default=None, ge=0)
    max: Amount | None = Field(default=None, ge=0, validate_default=True)

    @field_validator("max")
    @classmethod
    def _check_bounds(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        low = info.data.get("min", INVALID)
        if low is None and value is None:
            raise ValueError("the range is empty; give min, max or both")
        if isinstance(low, Decimal) and value is not None and value < low:
            raise ValueError(f"max ({value}) is below min ({low}), so nobody can qualify")
        return value


class Audience(Strict):
    """Who may enter a win-back."""

    inactive_days: int = Field(ge=1, le=3650)
    inactive_days_max: int | None = Field(default=None, ge=1, le=3650)
    last_order_total: MoneyRange | None = None
    consent: ConsentRule = ConsentRule.SUBSCRIBED
    control_percent: int = Field(default=0, ge=0, le=90)
    re_entry_days: int = Field(default=90, ge=1, le=3650)

    @field_validator("inactive_days_max")
    @classmethod
    def _check_longest(cls, value: int | None, info: ValidationInfo) -> int | None:
        shortest = info.data.get("inactive_days")
        if value is not None and shortest is not None and value < shortest:
            raise ValueError(f"inactive_days_max ({value}) is below inactive_days ({shortest}), so nobody can qualify")
        return value
