"""Lengths of time as a journey file writes them."""

import re
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator, model_serializer, model_validator

from models.definition import Strict


class Unit(StrEnum):
    """Units of a `Span`: minutes and hours are elapsed time, days and months are calendar time."""

    MINUTES = "m"
    HOURS = "h"
    DAYS = "d"
    MONTHS = "mo"


_SPAN = re.compile(r"(?P<amount>-?\d{1,5})\s*(?P<unit>mo|m|h|d)", re.ASCII)
_LONGEST_SPAN: Final[dict[Unit, int]] = {Unit.MINUTES: 99_999, Unit.HOURS: 87_600, Unit.DAYS: 3650, Unit.MONTHS: 120}


class Span(Strict):
    """A length of time as a person writes it: `90m`, `60h`, `7d`, `1mo` (DESIGN section 5 says what each means)."""

    amount: int = Field(ge=0)
    unit: Unit

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, Span | dict):
            return value
        match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            shown = "nothing" if value is None else repr(value)[:60] if isinstance(value, str | int) else "this"
            raise ValueError(f"{shown} is no length of time; write a whole number and m, h, d or mo, such as 60h or 7d")
        if match["amount"].startswith("-"):
            raise ValueError(f"{value} is negative; a length of time starts at 0{match['unit']}")
        return {"amount": int(match["amount"]), "unit": match["unit"]}

    @field_validator("unit")
    @classmethod
    def _check_longest(cls, value: Unit, info: ValidationInfo) -> Unit:
        if info.data.get("amount", 0) > _LONGEST_SPAN[value]:
            raise ValueError(f"{info.data['amount']}{value} is too long; the longest is {_LONGEST_SPAN[value]}{value}")
        return value

    @model_serializer
    def _serialize(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit.value}"
