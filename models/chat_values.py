"""What somebody else may tell of a conversation, by the API or in a file: moments, texts, a context of the deal.

What no database keeps, or would not give back as it was, is refused at the door with the reason.
"""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

LONGEST_CONTEXT: Final = 16_384
"""Longest context of a deal, in characters of its JSON."""

_DEEPEST: Final = 8
_YEARS: Final = range(2000, 2100)
_LARGEST_INT: Final = 2**53


def _as_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write the moment as RFC 3339 text, such as 2026-11-22T12:00:00Z")  # noqa: TRY004 - pydantic's
    return value


def _of_our_time(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError(f"the year must be between {_YEARS.start} and {_YEARS.stop - 1}")
    return at.astimezone(UTC)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text may not hold the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text holds half a character") from None
    return text


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"the context is nested more than {_DEEPEST} levels deep")
    match value:
        case dict():
            for key, inner in value.items():
                _storable(key)
                _check(inner, depth + 1)
        case list():
            for inner in value:
                _check(inner, depth + 1)
        case str():
            _storable(value)
        case bool():
            pass
        case int() if abs(value) > _LARGEST_INT:
            raise ValueError("a number in the context is too large; write it as text")
        case float() if not math.isfinite(value):
            raise ValueError("a number in the context is too large")
        case _:
            pass


def _fits(context: dict[str, Any]) -> dict[str, Any]:
    _check(context, 0)
    if len(repr(context)) > LONGEST_CONTEXT:
        raise ValueError(f"the context is longer than {LONGEST_CONTEXT} characters")
    return context


Moment = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_of_our_time)]
"""An instant of this century, told as text with its offset."""

StoredText = Annotated[str, AfterValidator(_storable)]
"""A text that every database keeps as it is."""

DealContext = Annotated[dict[str, Any], AfterValidator(_fits)]
"""What a merchant knows of the deal that a conversation is about: JSON, not too deep and not too long."""
