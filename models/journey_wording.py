"""What pydantic found wrong, said to a marketer.

Texts that the models raise themselves are already in plain words and pass through; the rest is pydantic's own
vocabulary ("Input should be a valid integer"), which means nothing to somebody who writes a YAML file.
"""

from collections.abc import Collection
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from models.coupon import FixedCoupon, PersonalCoupon, PresetCoupon
from models.enums import JourneyKind
from models.journey import KINDS, Audience, Cart, Conversations, MoneyRange, Repeat, Stage
from models.journey_rules import Path
from models.message import AiInstruction, FallbackText, Message, TemplateRef
from models.sending import SendingRules
from models.suggestions import closest
from models.tracking import TrackedConversations

_TEMPLATE_KEYS = frozenset({*TemplateRef.model_fields, "template"})

_TOP_KEYS: Final[dict[JourneyKind, frozenset[str]]] = {
    kind: frozenset(form.model_fields) for kind, form in KINDS.items()
}
"""The keys of a file of each kind."""

_KEYS: Final[dict[tuple[str, ...], Collection[str]]] = {
    ("audience",): Audience.model_fields.keys(),
    ("conversations",): Conversations.model_fields.keys(),
    ("cart",): Cart.model_fields.keys(),
    ("repeat",): Repeat.model_fields.keys(),
    ("audience", "last_order_total"): MoneyRange.model_fields.keys(),
    ("coupon",): {key for form in (FixedCoupon, PersonalCoupon, PresetCoupon) for key in form.model_fields},
    ("stages",): Stage.model_fields.keys(),
    ("stages", "message"): {*Message.model_fields, "language", "variables"},
    ("stages", "message", "ai"): AiInstruction.model_fields.keys(),
    ("stages", "message", "template"): _TEMPLATE_KEYS,
    ("stages", "message", "fallback"): _TEMPLATE_KEYS | FallbackText.model_fields.keys(),
    ("template",): _TEMPLATE_KEYS,
    ("sending",): SendingRules.model_fields.keys(),
}
"""The keys that each mapping inside a file may hold, by its path without list positions."""

_ENTRY: Final[dict[JourneyKind, str]] = {
    JourneyKind.WIN_BACK: "audience says who enters",
    JourneyKind.FOLLOW_UP: "conversations says whose silence counts",
    JourneyKind.ABANDONED_CART: "cart says which checkouts count",
    JourneyKind.TRACKING: "window_hours says which conversations are reviewed",
}
"""What a kind has in the place of another kind's key."""

_SHAPES: Final[dict[tuple[str, str], str]] = {
    ("", "name"): "a journey's name is small letters, digits and hyphens, at most 63, such as lapsed-60-days",
    ("template", "name"): "a template's name is small letters, digits and underscores, such as winback_hello",
    ("fallback", "name"): "a template's name is small letters, digits and underscores, such as winback_hello",
    ("template", "language"): "a language is written as WhatsApp does, such as en, es or pt_BR",
    ("fallback", "language"): "a language is written as WhatsApp does, such as en, es or pt_BR",
    ("coupon", "code"): "a coupon's code is letters and digits, at most 15, so that WhatsApp can copy it",
    ("coupon", "prefix"): "a prefix is 1 to 7 capital letters and digits, so that 8 more make a code of at most 15",
}
"""What a text that breaks its pattern should look like, by its parent's key and its own."""

_MISSING: Final[dict[str, str]] = {
    "name": "such as name: lapsed-60-days",
    "audience": "it says who may enter, such as audience: {inactive_days: 60}",
    "inactive_days": "how many days without an order make a customer quiet, such as 60",
    "stages": "at least one delay and message",
    "after": "how long to wait before this message, such as 0d or 60h",
    "message": "what to send, such as message: {template: winback_hello, language: en}",
    "language": "the template's language, such as en or pt_BR",
    "every": "after how much silence each message goes, such as 2h",
    "times": "how many messages at most, such as 1",
}

_EXPECTED: Final[dict[str, str]] = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("decimal_parsing", "decimal_type", "finite_number"), "an amount such as 20 or 19.90"),
    **dict.fromkeys(
        ("decimal_max_digits", "decimal_whole_digits", "decimal_max_places"),
        "an amount of at most nine digits, and three behind the point",
    ),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list, each entry behind a hyphen"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys with values (key: value)"),
}
"""What a value of the wrong kind should have been, by pydantic's error type."""

_BOUNDS: Final[dict[str, tuple[str, str]]] = {
    "greater_than_equal": ("too little; the least is", "ge"),
    "greater_than": ("too little; it must be more than", "gt"),
    "less_than_equal": ("too much; the most is", "le"),
}
"""How to say that a number is out of bounds, and the name of the bound, by pydantic's error type."""

_LONGEST_SHOWN: Final = 60


def _unknown_key(path: Path, kind: JourneyKind) -> str:
    key = str(path[-1])
    parent = tuple(segment for segment in path[:-1] if isinstance(segment, str))
    if not parent:
        if key in SendingRules.model_fields:
            return f"{key} stands under sending"
        others = [other.value for other, keys in _TOP_KEYS.items() if key in keys]
        if others:
            return f"a journey of kind {kind} has no {key} ({', '.join(others)} has); here {_ENTRY[kind]}"
        unwritten = {"stages", "coupon"} if kind is JourneyKind.TRACKING else set()
        return f"unknown key{closest(key, _TOP_KEYS[kind] - unwritten)}"
    if parent[0] == "message":
        parent = ("stages", *parent)
    known = _KEYS.get(parent, ())
    if kind is JourneyKind.TRACKING and parent == ("conversations",):
        if key in known:
            return f"only a follow_up has {key}; a review looks at every conversation of its window"
        known = TrackedConversations.model_fields.keys()
    if key not in known:
        return f"unknown key{closest(key, known)}"
    if parent == ("coupon",):
        return f"this form of coupon has no {key}"
    if parent[-1] == "fallback" and key not in {"name", "template"}:
        return f"a fallback is a template or a text, and {key} belongs to the other one"
    if parent[-1] in {"template", "fallback"}:
        return f"the template has its name twice, as name and as {key}"
    return f"{key} goes with the short form, template: NAME; with the long form it stands inside template"


def describe(error: ErrorDetails, path: Path, kind: JourneyKind) -> str:
    """One sentence on the error for the author of the file.

    Args:
        error: as pydantic reports it.
        path: where it is in the file, as the author sees it.
        kind: the journey's.
    """
    given, context = error.get("input"), error.get("ctx", {})
    match error["type"]:
        case known if known in _EXPECTED:
            text = f"expected {_EXPECTED[known]}, found {_shown(given)}"
        case known if known in _BOUNDS:
            words, bound = _BOUNDS[known]
            text = f"{_shown(given)} is {words} {context[bound]}"
        case "extra_forbidden":
            text = _unknown_key(path, kind)
        case "missing":
            hint = _hint(path, kind)
            text = f"{path[-1]} is missing" + (f"; {hint}" if hint else "")
        case "enum" | "literal_error":
            text = _not_in_the_list(given, str(context["expected"]))
        case other if other.startswith("string_"):
            text = _wrong_text(error, path)
        case _:  # what the models say themselves
            text = str(context.get("error", error["msg"]))
    return text


def _hint(path: Path, kind: JourneyKind) -> str | None:
    if path == ("stages",) and kind is JourneyKind.FOLLOW_UP:
        return "at least one delay and message, or such as repeat: {every: 2h, times: 1} and a message"
    return _MISSING.get(str(path[-1]))


def _wrong_text(error: ErrorDetails, path: Path) -> str:
    given = error.get("input")
    if error["type"] == "string_type":
        return _not_a_text(given)
    if error["type"] == "string_too_short":
        return "the text is empty"
    if shape := _shape(path):
        return f"{_shown(given)} cannot be used: {shape}"
    return f"the text is {len(str(given))} characters long; the most is {error['ctx']['max_length']}"


def _shape(path: Path) -> str | None:
    words = ["", *(segment for segment in path if isinstance(segment, str))]
    parent, key = words[-2], words[-1]
    if key == "template":  # the short form, where the name stands under `template`
        return _SHAPES["template", "name"]
    return _SHAPES.get(("template" if parent == "message" else parent, key))


def _not_a_text(given: Any) -> str:
    if isinstance(given, dict) and len(given) == 1:
        (inside, value), *_ = given.items()
        if value is None:  # {customer.first_name|friend} without quotes
            return f'in YAML a bare {{ opens a mapping; put the text in quotes: "{{{_cut(inside)}}}"'
    return f"expected a text, found {_shown(given)}"


def _not_in_the_list(given: Any, expected: str) -> str:
    known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    suggestion = closest(given, known) if isinstance(given, str) else ""
    choice = f"write {known[0]}" if len(known) == 1 else f"write one of {', '.join(known)}"
    if "did you mean" in suggestion:
        return f"{_shown(given)} is not known here; {choice}{suggestion}"
    return f"{_shown(given)} is not known here; {choice}"


def _shown(given: Any) -> str:
    match given:
        case None:
            return "nothing"
        case dict() | BaseModel():
            return "keys with values"
        case list() | tuple():
            return "a list"
        case _:
            return repr(_cut(str(given)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
