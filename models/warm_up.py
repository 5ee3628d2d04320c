"""A warm-up: a young number writes to few people a day at first and to more on every day on which it has sent.

It belongs to a number, not to a journey: Meta judges the sender by what all its recipients do.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

NONE = "none"
"""What is written for a number that is not warmed up."""

_KEYS = ("start", "grow", "ceiling")
_HIGHEST_CEILING = 1_000_000


class WarmUp(BaseModel):
    """How many new recipients a number may have in 24 hours while it is young.

    Attributes:
        start: on the first day on which it sends.
        grow: the factor from one such day to the next.
        ceiling: where growth ends: a number, or `tier` for the portfolio's limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(default=50, ge=1, le=100_000)
    grow: Decimal = Field(default=Decimal("1.5"), ge=1, le=10, max_digits=4, decimal_places=2)
    ceiling: Literal["tier"] | int = "tier"

    @field_validator("grow", mode="before")
    @classmethod
    def _exactly_as_written(cls, value: Any) -> Any:
        """1.1 is 1.1, and not the floating-point number next to it."""
        return str(value) if isinstance(value, float) else value

    @field_validator("ceiling")
    @classmethod
    def _counts_people(cls, value: Literal["tier"] | int) -> Literal["tier"] | int:
        if value != "tier" and not 1 <= value <= _HIGHEST_CEILING:
            raise ValueError("ceiling is `tier` or a number from 1 on")
        return value

    @field_serializer("grow")
    def _as_text(self, value: Decimal) -> str:
        return f"{value.normalize():f}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `start=50,grow=1.5,ceiling=tier`, in which every part may be left out; None of `none`.

        Raises:
            ValueError: it is neither; the message says what is wrong.
        """
        if text.strip().lower() == NONE:
            return None
        found: dict[str, Any] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            key, _, value = (piece.strip() for piece in part.partition("="))
            if key not in _KEYS or key in found or not value:
                msg = f"a warm-up is written start=50,grow=1.5,ceiling=tier, or {NONE}; {part!r} is not understood"
                raise ValueError(msg)
            found[key] = value
        try:
            return cls.model_validate(found | ({"ceiling": _ceiling(found["ceiling"])} if "ceiling" in found else {}))
        except (ValueError, InvalidOperation) as exc:
            msg = "start counts people (1 to 100000), grow is 1 to 10, ceiling is `tier` or a number"
            raise ValueError(msg) from exc

    def __str__(self) -> str:
        return f"start={self.start},grow={self.grow.normalize():f},ceiling={self.ceiling}"


def _ceiling(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdecimal() else text
