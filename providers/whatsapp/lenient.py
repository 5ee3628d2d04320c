"""Reads single values out of JSON that may hold anything: each function answers None for what it cannot read."""

from datetime import UTC, datetime
from typing import Any

_FIRST_MILLISECONDS = 10**11  # as seconds, this is the year 5138
_PHONE_DIGITS = range(7, 16)


def code_of(value: Any) -> int | None:
    """An error code, sent as a number or as its digits."""
    word = text_of(value) or ""
    return int(word) if word.isascii() and word.isdecimal() and len(word) < len("1000000000") else None


def member(holder: Any, key: str) -> Any:
    """What stands under the key, if this is an object that has it."""
    return holder.get(key) if isinstance(holder, dict) else None


def members(holder: Any, key: str) -> list[Any]:
    """The list under the key, or an empty one."""
    value = member(holder, key)
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    """A non-empty string that any database can keep; a number counts as its digits (Meta sends both)."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # more digits than Python converts
            return None
    if not isinstance(value, str) or not value:
        return None
    return value if value.isprintable() else value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def phone_of(value: Any) -> str | None:
    """E.164 from WhatsApp's digits, or None: never an empty string that would merge strangers into one."""
    digits = (text_of(value) or "").removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdecimal() and len(digits) in _PHONE_DIGITS else None


def moment_of(value: Any) -> datetime | None:
    """Seconds or milliseconds since 1970, as a number or a string, in UTC."""
    word = text_of(value) or ""
    if not (word.isascii() and word.isdecimal() and len(word) <= len("9999999999999")) or int(word) == 0:
        return None
    number = int(word)
    return datetime.fromtimestamp(number / 1000 if number >= _FIRST_MILLISECONDS else number, UTC)
