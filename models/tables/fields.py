"""How tables write the columns that need a type of their own (`models.columns`)."""

from enum import StrEnum
from typing import Any

from sqlmodel import Field

from models.columns import UtcDateTime, Word


def moment(*, index: bool = False) -> Any:
    """An aware instant."""
    return Field(sa_type=UtcDateTime, index=index)


def moment_or_none(*, index: bool = False) -> Any:
    """An aware instant, or none yet."""
    return Field(default=None, sa_type=UtcDateTime, index=index)


def word(vocabulary: type[StrEnum], **options: Any) -> Any:
    """A word of a closed vocabulary."""
    return Field(sa_type=Word(vocabulary), **options)
