"""Reads single values out of JSON that may hold anything: each function answers None for what it cannot read."""

import re
from datetime import UTC, date, datetime
from typing import Any

UNLIMITED = -1
"""What `limit_of` answers for no limit, which is not the same as a limit that it cannot read."""

_FIRST_MILLISECONDS = 10**11  # as seconds, this is the year 5138
_PHONE_DIGITS = range(7, 16)
_LIMIT = re.compile(r"(?:TIER_)?([1-9][0-9]{0,8})(K?)")
_PHONE_PUNCTUATION = str.maketrans("", "", " -().\u00a0")
_UNLIMITED_WORDS = frozenset({"-1", "TIER_UNLIMITED", "UNLIMITED"})
_WRITTEN_DAY = re.compile(r"([a-z]{3})[a-z]*\.? ([0-9]{1,2}),? ([0-9]{4})", re.IGNORECASE)
# Not `strptime`: what it takes for the name of a month depends on the machine's locale.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


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


def word_of(value: Any) -> str | None:
    """One of Meta's constants in upper case, which its own pages do not always use."""
    word = (text_of(value) or "").strip()
    return word.upper() or None


def phone_of(value: Any) -> str | None:
    """E.164 from WhatsApp's digits, or None: never an empty string that would merge strangers into one."""
    digits = (text_of(value) or "").removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdecimal() and len(digits) in _PHONE_DIGITS else None


def display_phone_of(value: Any) -> str | None:
    """The same from a number as people write it: display numbers stand with spaces and hyphens, or without."""
    return phone_of((text_of(value) or "").translate(_PHONE_PUNCTUATION))


def moment_of(value: Any) -> datetime | None:
    """Seconds or milliseconds since 1970, as a number or a string, in UTC."""
    word = text_of(value) or ""
    if not (word.isascii() and word.isdecimal() and len(word) <= len("9999999999999")) or int(word) == 0:
        return None
    number = int(word)
    return datetime.fromtimestamp(number / 1000 if number >= _FIRST_MILLISECONDS else number, UTC)


def expiry_of(value: Any) -> datetime | None:
    """A moment as `moment_of`, or in ISO 8601, where one without an offset is in UTC."""
    if (moment := moment_of(value)) is not None:
        return moment
    try:
        written = datetime.fromisoformat(text_of(value) or "")
        return written.astimezone(UTC) if written.tzinfo else written.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def day_of(value: Any) -> date | None:
    """A day as Meta writes it (`November 20, 2026`), in ISO 8601, or of a moment."""
    if (found := _WRITTEN_DAY.fullmatch(text_of(value) or "")) is None:
        moment = expiry_of(value)
        return None if moment is None else moment.date()
    month, day, year = found.groups()
    try:
        return date(int(year), _MONTHS.index(month.lower()) + 1, int(day))
    except ValueError:
        return None


def limit_of(value: Any) -> int | None:
    """A messaging limit: a number, its digits or a tier (`TIER_2K`); `UNLIMITED` for none, None for `TIER_NOT_SET`."""
    word = word_of(value) or ""
    if word in _UNLIMITED_WORDS:
        return UNLIMITED
    found = _LIMIT.fullmatch(word)
    return int(found[1]) * (1000 if found[2] else 1) if found else None
