"""The small language of `{customer.first_name|friend}` in texts and template variables.

It lives apart from the journey model because two rooms read it: the journey check, which refuses what nothing can
fill, and the composing of a message, which fills it.
"""

import re
from dataclasses import dataclass
from typing import Final

from models.enums import JourneyKind

AI_TEXT = "ai.text"
"""What the language model wrote for this stage; only a message with `ai` has it."""

COUPON_CODE = "coupon.code"
COUPON_EXPIRES_ON = "coupon.expires_on"

KNOWN_PATHS: frozenset[str] = frozenset(
    {
        "customer.first_name",
        "customer.last_order_total",
        "customer.last_order_date",
        "store.name",
        COUPON_CODE,
        COUPON_EXPIRES_ON,
        AI_TEXT,
    }
)
"""Every path that a placeholder may name in a journey of any kind."""

CHECKOUT_URL = "checkout.url"
CHECKOUT_ITEMS = "checkout.items"
CHECKOUT_TOTAL = "checkout.total"

CHECKOUT_PATHS: frozenset[str] = frozenset({CHECKOUT_URL, CHECKOUT_ITEMS, CHECKOUT_TOTAL})
"""What is known of the checkout that an abandoned-cart journey is about, and in no other kind."""

CONTEXT: Final = "context."
"""How the paths of a follow-up begin that name a value of the deal, as the store's chat tool gave it."""

_CONTEXT_PATH = re.compile(r"context(?:\.\w+)+")


def known_paths(kind: JourneyKind) -> frozenset[str]:
    """Every path that a placeholder may name in a journey of this kind; a follow-up's `{context.<key>}` aside."""
    return KNOWN_PATHS | CHECKOUT_PATHS if kind is JourneyKind.ABANDONED_CART else KNOWN_PATHS


def is_context_path(path: str) -> bool:
    """Whether the path names a value of the deal: letters, digits and `_`, with dots between nested keys."""
    return _CONTEXT_PATH.fullmatch(path) is not None


_PART = re.compile(r"(?P<literal>\{\{|\}\})|\{(?P<inner>[^{}]*)\}|(?P<stray>[{}])")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{path|default}`.

    Attributes:
        path: what fills it, such as `customer.first_name`; whether it is known is the caller's question.
        default: stands in when the path has no value; None means that the message cannot go without one.
    """

    path: str
    default: str | None


def parse(text: str) -> tuple[str | Placeholder, ...]:
    """The text's parts in order: literal strings, never empty and never two in a row, and placeholders.

    `{{` and `}}` are literal braces.

    Raises:
        ValueError: a brace is not closed or not opened, or nothing stands before or after the `|`.
    """
    parts: list[str | Placeholder] = []
    literal: list[str] = []
    position = 0

    def flush() -> None:
        if joined := "".join(literal):
            parts.append(joined)
        literal.clear()

    for match in _PART.finditer(text):
        literal.append(text[position : match.start()])
        position = match.end()
        if match["literal"] is not None:
            literal.append(match["literal"][0])
        elif match["stray"] is not None:
            raise ValueError(_stray(text, match.start()))
        else:
            flush()
            parts.append(_placeholder(match["inner"]))
    literal.append(text[position:])
    flush()
    return tuple(parts)


def placeholders(text: str) -> tuple[Placeholder, ...]:
    """Only the placeholders of the text, in order; raises as `parse` does."""
    return tuple(part for part in parse(text) if isinstance(part, Placeholder))


def _placeholder(inner: str) -> Placeholder:
    path, bar, default = inner.partition("|")
    path, default = path.strip(), default.strip()
    if not path:
        raise ValueError(f"'{{{inner}}}' names nothing to fill it with; write such as {{customer.first_name|friend}}")
    if bar and not default:
        raise ValueError(f"'{{{inner}}}' has nothing after the |; write a default there or leave the | out")
    return Placeholder(path=path, default=default if bar else None)


def _stray(text: str, at: int) -> str:
    around = text[at : at + 20]
    if text[at] == "{":
        return f"the brace that opens at {around!r} is not closed; write {{{{ for a plain brace"
    return f"the brace at {around!r} closes nothing; write }}}} for a plain brace"
