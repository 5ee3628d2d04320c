"""A journey file read from YAML: a checked definition, or every problem with its line, column and field.

A marketer mends a file in one go only if the reader names everything at once, in the words of the file; so problems
of the YAML itself, of single values and between values are collected, located and sorted together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from models.conversations import written_out
from models.enums import JourneyKind
from models.journey import KINDS, Definition
from models.journey_rules import Finding, Path, coupon_findings, path_findings
from models.journey_wording import describe
from models.message import FALLBACK_TAGS
from models.suggestions import closest
from models.tracking import NO_COUPON, NO_STAGES
from models.yaml_source import Listing, Mapping, Mark, Node, Scalar, plain, read_source

MAX_BYTES: Final = 256 * 1024
MAX_PROBLEMS: Final = 200
"""A file with more faults than this is not a journey file; the rest is counted only."""

_COUPON_TAGS: Final = frozenset({"fixed", "personal", "preset"})
_SHOWN: Final = 100
_LONGEST_SHOWN: Final = 60

_KINDS_BY_WORD: Final = {kind.value: kind for kind in KINDS}
_KEYS_OF_KIND: Final = {
    JourneyKind.TRACKING: frozenset(
        {
            *("run_at", "window_hours", "sensitivity", "wait_days", "max_conversations", "restart_days"),
            *("max_attempts", "act", "auto_send", "instructions"),
        }
    ),
    JourneyKind.WIN_BACK: frozenset({"audience"}),
    JourneyKind.FOLLOW_UP: frozenset({"conversations", "repeat", "message"}),
    JourneyKind.ABANDONED_CART: frozenset({"cart"}),
}
_DERIVED: Final = {"stages": NO_STAGES, "coupon": NO_COUPON}
"""Keys of every other kind that a tracking file must not have, each with the reason."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to change in the file.

    Attributes:
        line: counted from 1.
        column: counted from 1, in characters.
        field: path of the field, such as `stages[1].message.template`; empty for the file as a whole.
        text: what is wrong, in plain words, without the place.
    """

    line: int
    column: int
    field: str
    text: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"line {self.line}, column {self.column}: {field}{self.text}"


class JourneyFileError(Exception):
    """The text is no journey.

    Attributes:
        problems: everything that is wrong, in the order of the file; never empty.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def read_journey_bytes(data: bytes) -> Definition:
    """`read_journey` of a file's bytes, which must be UTF-8, with or without a byte order mark.

    Raises:
        JourneyFileError: with every problem.
    """
    _refuse_large(len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode(errors="replace")) + 1
        text = "the file is not UTF-8 from here on; save it as UTF-8"
        raise JourneyFileError([Problem(line, column, "", text)]) from None
    return read_journey(text)


def read_journey(text: str) -> Definition:
    """The journey that the YAML text describes.

    Raises:
        JourneyFileError: with every problem.
    """
    _refuse_large(len(text.encode(errors="replace")))
    source = read_source(text)
    problems = [_problem(fault.mark, fault.path, fault.text) for fault in source.faults]
    root = source.root
    if not isinstance(root, Mapping):
        if not problems:
            problems = [_not_a_journey(root)]
        raise JourneyFileError(_in_order(problems))
    data = plain(root)
    spoiled = {fault.path for fault in source.faults if fault.spoils}
    kind = _KINDS_BY_WORD.get(str(data.get("kind")))
    if kind is None:
        if ("kind",) not in spoiled:
            problems.append(_problem(_place(root, ("kind",)), ("kind",), _wrong_kind(root, data)))
        kind = _likely_kind(data)
    if kind is JourneyKind.TRACKING:
        for key in _DERIVED.keys() & data.keys():  # the definition has them; its author does not write them
            del data[key]
            problems.append(_problem(root.key_marks[key], (key,), _DERIVED[key]))
    try:
        definition = KINDS[kind].model_validate(data | {"kind": kind})
    except ValidationError as error:
        problems += _validation_problems(error, root, data, kind, spoiled)
    if problems:
        raise JourneyFileError(_in_order(problems))
    return definition


def _wrong_kind(root: Mapping, data: dict[str, Any]) -> str:
    if "kind" not in root.values:
        return f"kind is missing; write such as kind: {_likely_kind(data)}"
    given = data["kind"]
    words = [kind.value for kind in KINDS]
    choice = f"{', '.join(words[:-1])} or {words[-1]}"
    shown = repr(given)[:_LONGEST_SHOWN] if isinstance(given, str) else "this"
    near = closest(given, words) if isinstance(given, str) else ""
    return f"{shown} is no kind of journey; write {choice}" + (near if "did you mean" in near else "")


def _likely_kind(data: dict[str, Any]) -> JourneyKind:
    """Which kind the author of a file without a right one had in mind, by the keys that only that kind has."""
    for kind, keys in _KEYS_OF_KIND.items():
        if keys & data.keys():
            return kind
    return JourneyKind.WIN_BACK


def _refuse_large(size: int) -> None:
    if size > MAX_BYTES:
        text = f"the file is {size:,} bytes; a journey file has at most {MAX_BYTES:,}"
        raise JourneyFileError([Problem(1, 1, "", text)])


def _not_a_journey(root: Node | None) -> Problem:
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return Problem(1, 1, "", "the file is empty; examples/win_back_minimal.yaml is one to start from")
    found = "a list" if isinstance(root, Listing) else "a single text"
    return _problem(root.mark, (), f"a journey file is keys with values, such as name: lapsed-60-days; found {found}")


def _validation_problems(
    error: ValidationError, root: Mapping, data: dict[str, Any], kind: JourneyKind, spoiled: set[Path]
) -> Iterator[Problem]:
    errors = error.errors(include_url=False)
    for entry in errors:
        path = _document_path(root, entry["loc"])
        if path not in spoiled:
            text = describe(entry, path, kind)
            yield _problem(_place(root, path, of_key=entry["type"] == "extra_forbidden"), path, text)
    faulty = {entry["loc"][0] for entry in errors if entry["loc"]}
    if "stages" in faulty:
        # The model looks at the placeholders only in stages that are right; here the others are wrong.
        for finding in _placeholder_findings(data, kind, coupon_is_right="coupon" not in faulty):
            path = _document_path(root, ("stages", *finding.path))
            yield _problem(_place(root, path), path, finding.text)


def _placeholder_findings(data: dict[str, Any], kind: JourneyKind, *, coupon_is_right: bool) -> Iterator[Finding]:
    stages = (written_out(data) if kind is JourneyKind.FOLLOW_UP else data).get("stages")
    yield from path_findings(stages, kind)
    coupon = data.get("coupon")
    if coupon_is_right and (coupon is None or "code" in coupon):
        yield from coupon_findings(stages, fixed=coupon is not None)


def _document_path(root: Mapping, loc: Path) -> Path:
    """Pydantic's position as a path of the file: without its union tags, and short forms as they are written."""
    segments = [segment for segment in loc if segment not in FALLBACK_TAGS]
    if segments[:1] == ["coupon"] and segments[1:2] and segments[1] in _COUPON_TAGS:
        del segments[1]
    if segments[:1] == ["stages"] and "stages" not in root.values and segments[2:3] == ["message"]:
        segments = segments[2:]  # of a follow-up's `repeat`, whose one message stands beside it
    path: list[str | int] = []
    parent: Node | None = None
    node: Node | None = root
    for segment in segments:
        if isinstance(node, Scalar):
            if path[-1:] != ["template"] or segment == "name":
                break
            path.pop()
            node = parent
        step = segment
        if step == "name" and isinstance(node, Mapping) and "name" not in node.values and "template" in node.values:
            step = "template"
        path.append(step)
        parent, node = node, _child(node, step)
    return tuple(path)


def _child(node: Node | None, segment: str | int) -> Node | None:
    match node:
        case Mapping():
            return node.values.get(str(segment))
        case Listing() if isinstance(segment, int) and segment < len(node.items):
            return node.items[segment]
        case _:
            return None


def _place(root: Mapping, path: Path, *, of_key: bool = False) -> Mark:
    """Where the value stands; for a mapping, a list or nothing its key; for a key left out what it should stand in."""
    if path == ("watch_days",) and "watch_days" not in root.values:  # its default clashes with the neighbour's value
        path = ("attribution_days",)
    node: Node = root
    place = root.mark
    for segment in path:
        child = _child(node, segment)
        if child is None:
            return place
        place = node.key_marks[str(segment)] if isinstance(node, Mapping) else child.mark
        node = child
    return node.mark if isinstance(node, Scalar) and node.value is not None and not of_key else place


def _problem(mark: Mark, path: Path, text: str) -> Problem:
    field = ""
    for segment in path:
        shown = f"[{segment}]" if isinstance(segment, int) else segment if len(segment) <= _SHOWN else segment[:_SHOWN]
        field += shown if isinstance(segment, int) or not field else f".{shown}"
    return Problem(mark.line, mark.column, field, text)


def _in_order(problems: list[Problem]) -> list[Problem]:
    ordered = sorted(set(problems))
    if (more := len(ordered) - MAX_PROBLEMS) > 0:
        last = ordered[MAX_PROBLEMS - 1]
        rest = Problem(last.line, last.column, "", f"and {more} more problems from here on")
        ordered = [*ordered[:MAX_PROBLEMS], rest]
    return ordered
