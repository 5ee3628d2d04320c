"""A conversation as the language model reads it: somebody else's words, in a fence that they cannot close."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

MOST_TURNS: Final = 50
"""How much of a conversation is shown: its last messages."""
_LONGEST_TURN: Final = 1000

_LANGUAGE_NAMES: Final = {
    "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "nl": "Dutch",
    "pl": "Polish", "pt": "Portuguese", "tr": "Turkish",
}  # fmt: skip
_COUNTRY_FORMS: Final = {"pt_BR": "Brazilian Portuguese", "es_MX": "Mexican Spanish", "en_GB": "British English"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation; `age` is how long ago it was written, if that is to be told."""

    sender: Literal["customer", "agent", "bot", "automatic"]
    text: str
    age: timedelta | None = None


def shown(turn: Turn) -> dict[str, str]:
    """The message as a line of the prompt's data."""
    told = {"from": turn.sender, "text": cut(turn.text)}
    return told | {"ago": how_long(turn.age)} if turn.age is not None else told


def cut(text: str) -> str:
    """The text, or as much of it as the model is shown."""
    return text if len(text) <= _LONGEST_TURN else f"{text[:_LONGEST_TURN]}\u2026"


def fence_safe(value: Any) -> str:
    """The value as JSON on one line that can stand inside a fence of backticks, whatever the texts in it say."""
    # A backtick is written as its JSON escape, so that no text can close the fence around it. JSON's own escapes
    # keep every value on one line.
    return (
        json.dumps(value, ensure_ascii=False)
        .replace("`", "\\u0060")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def how_long(span: timedelta) -> str:
    """A span in the words that a person would use, in its largest whole unit: `2 hours`."""
    seconds = max(span.total_seconds(), 0)
    for length, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if (number := int(seconds // length)) >= 1:
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return "less than a minute"


def language_name(code: str) -> str | None:
    """A language's English name with its country's form, where it is one that our customers speak."""
    plain = code.replace("-", "_")
    return _COUNTRY_FORMS.get(plain) or _LANGUAGE_NAMES.get(plain.partition("_")[0])
