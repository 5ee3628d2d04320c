"""Writes a text from a prompt, as a model would: from the prompt's words and a seed, and from nothing else.

It reads what it can find: `name: value` lines and fenced JSON objects. What it does not find, it does without.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.llm.chat_phrases import CHATS, ChatPhrases
from sandbox.llm.phrases import LANGUAGES, Theme

_FENCE = re.compile(r"^```json\n(?P<inside>.*?)\n```$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^(?P<name>[a-z_]+): (?P<value>.+)$", re.MULTILINE)

_NO_DISCOUNT = re.compile(r"\b(no|without|not yet)\b[^.;]{0,20}\b(discount|coupon|code)", re.IGNORECASE)
_THEME_WORDS = (
    (Theme.QUESTION, re.compile(r"question|quote|answer|conversation|decid|think|feedback", re.IGNORECASE)),
    (Theme.REMINDER, re.compile(r"remind|liked|favou?rite|last (order|time)|bought|recuerd|lembr", re.IGNORECASE)),
)


_CODE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?")
_COMMON = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the and is are you we how much what when thanks hello hi please have it of for i to not my can",
        "es": "el los las y es hola gracias cuánto cuesta qué cuándo por favor tienes tienen una del la con quiero "
        "puedo muy pero",
        "pt": "o os as e é oi olá obrigado obrigada quanto custa você vocês tem não uma do da por com quero posso "
        "muito mas eu",
    }.items()
}
_CART = "abandoned_cart"
_CHAT_KINDS = frozenset({"follow_up", _CART})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the prompt says."""

    language: str = "en"
    goal: str = ""
    longest: int = 4096
    kind: str = ""
    first_name: str | None = None
    coupon_code: str | None = None
    topic: str | None = None
    link: str | None = None
    told_before: str = field(default="", repr=False)


def read_conversation(prompt: str) -> list[dict[str, str]]:
    """The messages of the conversation in the prompt, oldest first: `from` and `text`."""
    turns = (turn for turn in _list(_fenced(prompt), "conversation") if isinstance(turn, dict))
    return [{"from": str(turn.get("from") or ""), "text": str(turn.get("text") or "")} for turn in turns]


def read_facts(prompt: str) -> Facts:
    """What can be found in the prompt's text."""
    found = _fenced(prompt)
    for match in _LINE.finditer(_FENCE.sub("", prompt)):
        found[match["name"]] = _json(match["value"])
    longest = found.get("longest_text_in_characters")
    earlier = [text for text in _list(found, "earlier_messages") if isinstance(text, str)]
    conversation = [turn for turn in _list(found, "conversation") if isinstance(turn, dict)]
    turns = [turn.get("text") for turn in conversation]
    cart, deal = _dict(found, "cart"), _dict(found, "deal")
    return Facts(
        language=_language(found, conversation),
        kind=_text(found, "kind") or "",
        topic=_text(cart, "items") or _text(deal, "product"),
        link=_text(cart, "link"),
        goal=_text(found, "goal") or "",
        longest=longest if isinstance(longest, int) and longest > 0 else 4096,
        first_name=_text(found, "first_name"),
        coupon_code=_text(found, "coupon_code"),
        told_before="\n".join(text for text in (*earlier, *turns) if isinstance(text, str)),
    )


def _fenced(prompt: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for match in _FENCE.finditer(prompt):
        data = _json(match["inside"])
        if isinstance(data, dict):
            found |= data
    return found


def write(facts: Facts, *, language: str, choice: bytes) -> str:
    """A text in the language, not longer than asked for.

    Args:
        facts: what the prompt says.
        language: which may be another than the one asked for.
        choice: at least four bytes that decide between phrases.
    """
    if facts.kind in _CHAT_KINDS:
        return _write_on(facts, CHATS.get(plain_language(language), CHATS["en"]), choice)
    phrases = LANGUAGES.get(plain_language(language), LANGUAGES["en"])
    theme = _theme(facts)
    opening = _pick(phrases.named if facts.first_name else phrases.nameless, choice[0], facts)
    middle = _pick(phrases.middles[theme], choice[1], facts)
    closing = _pick(phrases.closings, choice[2], facts)
    return _fitted(opening, middle, closing, facts.longest)


def _write_on(facts: Facts, phrases: ChatPhrases, choice: bytes) -> str:
    """The next message of a conversation that went quiet, or about a cart that was left."""
    opening = _pick(phrases.named if facts.first_name else phrases.nameless, choice[0], facts)
    closing = _pick(phrases.closings, choice[2], facts)
    choices = phrases.middles if facts.topic is None else phrases.about
    if facts.kind == _CART and facts.topic is not None:
        choices = phrases.carts
    # What is known of the deal is spoken of until all of it is said.
    fresh = [one for one in choices if _filled(one, facts) not in facts.told_before]
    middle = _pick(fresh or phrases.middles, choice[1], facts)
    if facts.coupon_code is not None:
        middle = f"{middle} {_pick(phrases.coupons, choice[3], facts)}"
    if facts.link is not None:
        closing = facts.link
    return _fitted(opening, middle, closing, facts.longest)


def _fitted(opening: str, middle: str, closing: str, longest: int) -> str:
    # The middle carries the message, so it goes last when room runs out.
    for parts in ((opening, middle, closing), (opening, middle), (middle,)):
        text = " ".join(parts)
        if len(text) <= longest:
            return text
    return middle[:longest].rstrip()


def digest(seed: int, prompt: str) -> bytes:
    """The bytes that decide everything about the answer to a prompt."""
    return hashlib.sha256(f"{seed}\n{prompt}".encode()).digest()


def plain_language(code: str) -> str:
    """The language without its country: `pt` of `pt_BR`."""
    return re.split(r"[-_]", code)[0].lower()


def fill_schema(schema: dict[str, Any], answers: dict[str, Any]) -> Any:
    """A value after a JSON Schema; what `answers` knows by a property's name stands there."""
    return _fill(schema, answers, "")


def _theme(facts: Facts) -> Theme:
    if facts.coupon_code and not _NO_DISCOUNT.search(facts.goal):
        return Theme.COUPON
    return next((theme for theme, words in _THEME_WORDS if words.search(facts.goal)), Theme.HELLO)


def _pick(choices: Sequence[str], byte: int, facts: Facts) -> str:
    filled = [_filled(choice, facts) for choice in choices]
    fresh = [choice for choice in filled if choice not in facts.told_before] or filled
    return fresh[byte % len(fresh)]


def _filled(choice: str, facts: Facts) -> str:
    return choice.format(name=facts.first_name, code=facts.coupon_code, topic=facts.topic)


def _language(found: dict[str, Any], conversation: list[dict[str, Any]]) -> str:
    """The language asked for; where it is the customer's own, the one that most of their words are in."""
    asked = _text(found, "language")
    if asked is not None and _CODE.fullmatch(asked):
        return asked
    said = " ".join(str(turn.get("text") or "") for turn in conversation if turn.get("from") == "customer").lower()
    words = re.findall(r"\w+", said)
    votes = {code: sum(word in known for word in words) for code, known in _COMMON.items()}
    best = max(votes, key=lambda code: votes[code])
    return best if votes[best] > 0 else _text(found, "customer_language") or "en"


def _fill(schema: dict[str, Any], answers: dict[str, Any], name: str) -> Any:
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed:
        return answers[name] if answers.get(name) in allowed else allowed[0]
    declared = schema.get("type")
    kind = declared[0] if isinstance(declared, list) else declared
    if kind == "object":
        return {key: _fill(inner, answers, key) for key, inner in schema.get("properties", {}).items()}
    if name in answers and kind in {"string", "boolean"}:
        return answers[name]
    empty = {"array": [], "integer": schema.get("minimum", 0), "number": schema.get("minimum", 0), "boolean": False}
    return None if kind == "null" else empty.get(str(kind), answers.get("text", ""))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(found: dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    return value.strip() or None if isinstance(value, str) else None


def _dict(found: dict[str, Any], key: str) -> dict[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def _list(found: dict[str, Any], key: str) -> list[Any]:
    value = found.get(key)
    return value if isinstance(value, list) else []
