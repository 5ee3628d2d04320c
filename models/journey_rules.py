"""Rules of a journey file that look at more than one value, or inside a text.

They are functions that yield what is wrong and where, so that one run names everything: a pydantic validator that
raises stops at the first fault, and a person who mends a file one error at a time gives up.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from models.enums import JourneyKind
from models.placeholders import (
    CHECKOUT_PATHS,
    CONTEXT,
    COUPON_CODE,
    COUPON_EXPIRES_ON,
    Placeholder,
    is_context_path,
    known_paths,
    parse,
    placeholders,
)
from models.suggestions import closest

MAX_PARAMETER = 1024
"""Longest text of one template variable, in characters (WhatsApp's limit for a body of a template)."""

_UNSENDABLE = re.compile(r"\n|\r|\t| {5,}")
_POSITION = re.compile(r"[1-9][0-9]{0,2}")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,63}")

Path = tuple[str | int, ...]
"""Keys and list positions from the value that is checked down to the fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: where it is and, in plain words, what it is."""

    path: Path
    text: str


def refuse(title: str, findings: Iterable[Finding]) -> None:
    """Raises every finding at once, in the form that a pydantic validator passes on with its own position in front.

    Raises:
        ValidationError: there is at least one finding.
    """
    details = [
        InitErrorDetails(
            type=PydanticCustomError("journey_rule", "{text}", {"text": finding.text}), loc=finding.path, input=None
        )
        for finding in findings
    ]
    if details:
        raise ValidationError.from_exception_data(title, details)


def variable_findings(variables: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with a template's variables: their names and their texts."""
    yield from _name_findings(list(variables))
    for name, text in variables.items():
        for wrong in _text_faults(text):
            yield Finding((name,), wrong)
        for wrong in _parameter_faults(text):
            yield Finding((name,), wrong)


def text_findings(text: str) -> Iterator[Finding]:
    """What is wrong with a free text's placeholders."""
    for wrong in _text_faults(text):
        yield Finding((), wrong)


def uses(text: str, *paths: str, without_default: bool = False) -> bool:
    """Whether a placeholder of the text names one of the paths; a broken text uses nothing."""
    try:
        found = placeholders(text)
    except ValueError:
        return False
    return any(
        placeholder.path in paths and not (without_default and placeholder.default is not None) for placeholder in found
    )


def coupon_findings(stages: object, *, fixed: bool) -> Iterator[Finding]:
    """Every `{coupon...}` in the stages that nothing fills: the journey has no coupon, or a fixed one without a date.

    Takes the stages as plain data, so that a file whose stages are wrong elsewhere hears of this as well.
    """
    for path, text in _strings(stages):
        if path[1:3] == ("message", "ai"):  # an instruction to the model is sent as it stands
            continue
        if not fixed and uses(text, COUPON_CODE, COUPON_EXPIRES_ON):
            yield Finding(path, "uses {coupon...}, but the journey has no coupon; add one, such as coupon: {code: ...}")
        elif fixed and uses(text, COUPON_EXPIRES_ON, without_default=True):
            yield Finding(path, "nothing fills {coupon.expires_on}: a fixed code has no date that is known here")


def path_findings(stages: object, kind: JourneyKind) -> Iterator[Finding]:
    """Every placeholder that nothing fills in a journey of this kind; takes plain data, as `coupon_findings` does."""
    for path, text in _strings(stages):
        if path[1:2] == ("message",) and ("variables" in path[2:-1] or path[2:] in {("text",), ("fallback", "text")}):
            for wrong in _unfilled(text, kind):
                yield Finding(path, wrong)


def _unfilled(text: str, kind: JourneyKind) -> Iterator[str]:
    try:
        found = placeholders(text)
    except ValueError:  # said where the text is checked by itself
        return
    for path in dict.fromkeys(placeholder.path for placeholder in found):
        if path in known_paths(kind) or (kind is JourneyKind.FOLLOW_UP and is_context_path(path)):
            continue
        if path in CHECKOUT_PATHS:
            yield f"nothing fills {{{path}}}: only a journey of kind abandoned_cart is about a checkout"
        elif path.startswith(CONTEXT) and kind is not JourneyKind.FOLLOW_UP:
            yield f"nothing fills {{{path}}}: only a journey of kind follow_up knows the context of a conversation"
        elif path.startswith(CONTEXT):
            yield f"nothing fills {{{path}}}; a key is letters, digits and _, such as {{context.product}}"
        else:
            yield f"nothing fills {{{path}}}{closest(path, known_paths(kind))}"


def _strings(value: object) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield (), value
        return
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, Mapping):
        inside = ((str(key), entry) for key, entry in value.items())
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    for key, entry in inside:
        for path, text in _strings(entry):
            yield (key, *path), text


def _name_findings(names: list[str]) -> Iterator[Finding]:
    positions = sorted(int(name) for name in names if _POSITION.fullmatch(name))
    wrong = [name for name in names if not _POSITION.fullmatch(name) and not _IDENTIFIER.fullmatch(name)]
    for name in wrong:
        yield Finding(
            (name,), f"{name!r} names no variable; a template counts them (1, 2, ...) or names them in small letters"
        )
    if wrong:
        return
    if positions and len(positions) < len(names):
        yield Finding((), "mixes counted variables (1, 2, ...) and named ones; a template has one kind or the other")
    elif positions and positions != list(range(1, len(positions) + 1)):
        gap = next(number for number in range(1, positions[-1] + 1) if number not in positions)
        yield Finding((), f"counts up to {positions[-1]} but leaves out variable {gap}")


def _text_faults(text: str) -> Iterator[str]:
    try:
        placeholders(text)
    except ValueError as error:
        yield str(error)


def _parameter_faults(text: str) -> Iterator[str]:
    if not text:
        yield "is empty, and WhatsApp refuses an empty variable"
    try:
        parts = parse(text)
    except ValueError:
        return
    literals = [part.default or "" if isinstance(part, Placeholder) else part for part in parts]
    if any(_UNSENDABLE.search(literal) for literal in literals):
        yield "has a line break, a tab or more than four spaces in a row, which WhatsApp refuses in a variable"
    if (length := sum(len(literal) for literal in literals)) > MAX_PARAMETER:
        yield f"is {length} characters long; WhatsApp takes at most {MAX_PARAMETER} in a variable"
