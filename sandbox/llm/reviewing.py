"""Judges a conversation from a prompt, as a model would, by the words that people use when they buy.

It knows English, Spanish and Portuguese and nothing of grammar: good enough to act every kind of verdict in tests and
demonstrations, always the same for the same prompt. How well it judges says nothing about any real model.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.enums import BuyingIntent, SaleStanding
from sandbox.llm.buying_words import (
    AFTER_SALE,
    COMPLETED,
    ELSEWHERE,
    LEVELS,
    LOST,
    OBJECTIONS,
    STOP,
    STOP_ALONE,
)
from sandbox.llm.writing import Facts, read_conversation, read_facts, write

FORMAT_NAME = "conversation_verdict"
"""Names the schema of a verdict in a request."""
_TOLD_APART_BY = '"asked_to_stop"'
"""Stands in the instructions of a request for a verdict, where no schema can say so."""


_PRODUCT = re.compile(
    r"\b(?:buy|order|price of|interested in|have|take|like|much (?:is|are)|cuestan?|vale|precio de|tienen|quiero"
    r"|comprar|busco|custam?|pre\u00e7o d[ao]|quero|t\u00eam|tem|procurando)\s+"
    r"(?:(?:the|a|an|one|those|these|this|el|la|los|las|un|una|ese|esa|o|os|as|um|uma|esse|essa|de)\s+)+"
    r"(?P<what>[^\W\d_]{3,}(?:\s(?:de\s|of\s)?[^\W\d_]{4,}){0,2})",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_SHORTEST_QUOTE = 6


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sentence of somebody's, as it is compared and as it was written."""

    plain: str
    words: str


def wants_verdict(name: str | None, instructions: str) -> bool:
    """Whether a request asks for a verdict: by its schema's name or, without a schema, by what it is told."""
    return name == FORMAT_NAME or (name is None and _TOLD_APART_BY in instructions)


def review(prompt: str, *, choice: bytes, language: str | None = None) -> dict[str, Any]:
    """The fields of a verdict about the conversation in the prompt.

    Args:
        prompt: all of it.
        choice: bytes that decide between phrases.
        language: the message's, where it is to be another than the right one.
    """
    conversation = read_conversation(prompt)
    theirs = [turn["text"] for turn in conversation if turn["from"] == "customer"]
    facts = read_facts(prompt)
    stop = _newest(theirs, STOP) or next((_Seen(_plain(t), t) for t in theirs if _plain(t) in STOP_ALONE), None)
    sale, shows = _sale([turn["text"] for turn in conversation], theirs)
    intent, wish = _intent(theirs)
    product = _product(theirs)
    open_sale = sale is SaleStanding.OPEN and stop is None and intent is not BuyingIntent.NONE
    quote = stop or (wish if open_sale else shows or wish)
    return {
        "quote": quote.words if quote is not None else None,
        "asked_to_stop": stop is not None,
        "sale": sale.value,
        "intent": intent.value,
        "product": product,
        "objection": _objection(theirs),
        "language": facts.language,
        "message": _message(facts, product, language or facts.language, choice) if open_sale else None,
    }


def _message(facts: Facts, product: str | None, language: str, choice: bytes) -> str:
    return write(replace(facts, kind="follow_up", topic=product, first_name=None), language=language, choice=choice)


def _sale(everybody: Sequence[str], theirs: Sequence[str]) -> tuple[SaleStanding, _Seen | None]:
    if (gone := _newest(theirs, ELSEWHERE)) is not None:
        return SaleStanding.ELSEWHERE, gone
    if (paid := _newest(everybody, COMPLETED)) is not None:
        return SaleStanding.COMPLETED, paid
    return SaleStanding.OPEN, None


def _intent(theirs: Sequence[str]) -> tuple[BuyingIntent, _Seen | None]:
    """The strongest wish since the customer last lost interest, and the newest words that show it."""
    found: tuple[BuyingIntent, _Seen | None] = (BuyingIntent.NONE, None)
    order = list(BuyingIntent)
    for text in reversed(theirs):
        plain = _plain(text)
        if LOST.search(plain):
            break
        if AFTER_SALE.search(plain):
            continue
        for seen in _sentences(text):
            level = next((level for level, words in LEVELS if words.search(seen.plain)), BuyingIntent.NONE)
            if order.index(level) > order.index(found[0]):
                found = (level, seen)
    return found


def _newest(texts: Sequence[str], words: re.Pattern[str]) -> _Seen | None:
    return next((seen for text in reversed(texts) for seen in _sentences(text) if words.search(seen.plain)), None)


def _sentences(text: str) -> Iterator[_Seen]:
    """The sentences of a text; one that is too short to be quoted brings the whole text with it."""
    for match in _SENTENCE.finditer(text):
        words = match[0].strip()
        yield _Seen(_plain(words), words if len(words) >= _SHORTEST_QUOTE else text.strip())


def _product(theirs: Sequence[str]) -> str | None:
    return next((match["what"] for text in reversed(theirs) if (match := _PRODUCT.search(text))), None)


def _objection(theirs: Sequence[str]) -> str | None:
    plain = [_plain(text) for text in theirs]
    return next((name for name, words in OBJECTIONS if any(words.search(text) for text in plain)), None)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "'"))
    return " ".join("".join(c for c in decomposed if unicodedata.category(c) != "Mn").split())
