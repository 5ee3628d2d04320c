"""YAML read into a tree that knows its lines, with no type guessed from how a value looks.

Every scalar stays the text that stands in the file (or None where nothing stands), so `no`, `08:00` or a code such as
`0123` mean what they look like and the model decides what is a number. Only the parser's events are used: anchors,
aliases and tags are refused as they pass, before anything could be expanded.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from models.journey_rules import Path

MAX_DEPTH: Final = 20

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNWANTED_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as written; None where nothing (or `null`) stands."""

    mark: Mark
    value: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A YAML sequence."""

    mark: Mark
    items: list["Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping; of a key that stands twice the first value counts."""

    mark: Mark
    values: dict[str, "Node"] = field(default_factory=dict)
    key_marks: dict[str, Mark] = field(default_factory=dict)


Node = Scalar | Listing | Mapping


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about the YAML itself; `spoils` when the value at `path` is not what its author meant."""

    mark: Mark
    path: Path
    text: str
    spoils: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A file's tree, None where there is none, and what was wrong with its YAML."""

    root: Node | None
    faults: list[Fault]


def read_source(text: str) -> Source:
    """Reads one YAML document; never raises."""
    text = text.removeprefix("\ufeff")
    if found := _UNPRINTABLE.search(text):
        character = f"U+{ord(found[0]):04X}"
        return Source(None, [Fault(_mark_at(text, found.start()), (), f"the character {character} cannot stand here")])
    faults: list[Fault] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a parser's remark about odd YAML is no business of the reader's
            root = _Builder(YAML(typ="safe", pure=True).parse(text), faults).document()
    except _Stop:
        root = None
    except MarkedYAMLError as error:
        faults.append(_syntax_fault(text, error))
        root = None
    except Exception as error:  # noqa: BLE001  # whatever a strange file makes the parser trip over is the file's fault
        faults.append(Fault(Mark(1, 1), (), f"this is not valid YAML ({type(error).__name__})"))
        root = None
    return Source(root, faults)


def plain(node: Node) -> Any:
    """The node as dicts, lists, texts and None."""
    match node:
        case Scalar():
            return node.value
        case Listing():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node.values.items()}


class _Stop(Exception):  # noqa: N818  # not an error: the reading ends here, its fault is already noted
    pass


class _Builder:
    """Turns events into nodes; one pass, as deep as `MAX_DEPTH`."""

    def __init__(self, events: Iterator[Event], faults: list[Fault]) -> None:
        self._events = events
        self._faults = faults

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self._stop(event, "a second document begins here (---); a file holds one journey")
                root = self._node(next(self._events), (), 1)
        return root

    def _node(self, event: Event, path: Path, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._stop(event, f"this is nested more than {MAX_DEPTH} deep; a journey file never is")
        mark = _mark(event)
        if isinstance(event, AliasEvent):
            self._spoil(mark, path, f"*{event.anchor} repeats a value from elsewhere; write the value out")
            return Scalar(mark, None)
        if not isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent):
            self._stop(event, "a value is missing here")
        if event.anchor is not None:
            self._spoil(mark, path, f"&{event.anchor} names a value for reuse, which a journey file does not have")
        if event.tag is not None:
            self._spoil(mark, path, f"{str(event.tag)[:60]!r} is a YAML tag, which a journey file does not have")
        if isinstance(event, MappingStartEvent):
            return self._mapping(mark, path, depth)
        if isinstance(event, SequenceStartEvent):
            return self._listing(mark, path, depth)
        return self._scalar(event, mark, path)

    def _scalar(self, event: ScalarEvent, mark: Mark, path: Path) -> Scalar:
        value: str = event.value
        is_plain = event.implicit[0]
        if is_plain and value in _NULLS:
            return Scalar(mark, None)
        try:  # JSON writes a character beyond U+FFFF as two escapes
            value = value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeError:
            self._spoil(mark, path, "an escape in this text is half a character")
            return Scalar(mark, None)
        if _UNWANTED_IN_TEXT.search(value):
            self._spoil(mark, path, "this text holds a control character, which no message can show")
            return Scalar(mark, None)
        return Scalar(mark, value)

    def _listing(self, mark: Mark, path: Path, depth: int) -> Listing:
        listing = Listing(mark)
        while not isinstance(event := next(self._events), SequenceEndEvent):
            listing.items.append(self._node(event, (*path, len(listing.items)), depth + 1))
        return listing

    def _mapping(self, mark: Mark, path: Path, depth: int) -> Mapping:
        mapping = Mapping(mark)
        while not isinstance(event := next(self._events), MappingEndEvent):
            key_mark = _mark(event)
            key = self._node(event, path, depth + 1)
            name = key.value if isinstance(key, Scalar) else None
            value = self._node(next(self._events), path if name is None else (*path, name), depth + 1)
            if name is None:
                self._faults.append(Fault(key_mark, path, "a key is a plain word before a colon"))
            elif (first := mapping.key_marks.get(name)) is not None:
                text = f"this key stands twice, here and in line {first.line}"
                self._faults.append(Fault(key_mark, (*path, name), text))
            else:
                mapping.key_marks[name] = key_mark
                mapping.values[name] = value
        return mapping

    def _spoil(self, mark: Mark, path: Path, text: str) -> None:
        self._faults.append(Fault(mark, path, text, spoils=True))

    def _stop(self, event: Event, text: str) -> NoReturn:
        self._faults.append(Fault(_mark(event), (), text))
        raise _Stop


def _mark(event: Event) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _mark_at(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _syntax_fault(text: str, error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Fault(Mark(1, 1), (), "this is not valid YAML")
    place = Mark(mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    problem = str(error.problem or "")
    if line[mark.column : mark.column + 1] == "\t" or "\t" in line[: mark.column + 1]:
        return Fault(place, (), "a tab stands here; YAML indents with spaces")
    hint = ""
    if "mapping values are not allowed" in problem:
        hint = "; a text that holds a colon and a blank must stand in quotes"
    elif re.search(r":\s+[{\[*&!%@`]", line):
        hint = "; a text that begins with a sign such as { or * must stand in quotes"
    return Fault(place, (), f"this is not valid YAML: {problem or 'it cannot be read here'}{hint}")
