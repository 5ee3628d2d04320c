"""What differs between two versions of a journey, field by field, in the journey file's own words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models.journey import JourneyDefinition


@dataclass(frozen=True, slots=True)
class Change:
    """A field that says something else; None where it is not set. Stages count from 1."""

    field: str
    before: str | None
    after: str | None


def changes(before: JourneyDefinition, after: JourneyDefinition) -> list[Change]:
    """The fields that differ, in the order of the file, those that are gone last."""
    old, new = dict(_fields(before.model_dump(mode="json"))), dict(_fields(after.model_dump(mode="json")))
    return [
        Change(field, old.get(field), new.get(field))
        for field in dict.fromkeys([*new, *old])
        if old.get(field) != new.get(field)
    ]


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value at the end of a path; a list of plain values is one value."""
    match value:
        case dict():
            for key, part in value.items():
                yield from _fields(part, f"{path}.{key}" if path else str(key))
        case list() if any(isinstance(part, dict | list) for part in value):
            for number, part in enumerate(value, start=1):
                yield from _fields(part, f"{path}[{number}]")
        case list():
            yield path, ", ".join(map(str, value))
        case None:
            return
        case _:
            yield path, str(value)
