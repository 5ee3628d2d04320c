"""What a store's chat tool knows of a conversation: values for placeholders, and as much of it as a model is shown.

It is the merchant's own JSON, of any shape and size.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from models.placeholders import CONTEXT

_DEEPEST = 6
_LONGEST_TEXT = 500
_LONGEST_LIST = 20


def context_values(context: Mapping[str, Any]) -> dict[str, str]:
    """What `{context.<key>}` stands for, by path; nested keys are joined by dots, lists and empty values left out."""
    return dict(_leaves(context, CONTEXT.removesuffix("."), _DEEPEST))


def bounded(context: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The context's first keys, with long texts and lists cut, so that its JSON has at most `most` characters."""
    shown: dict[str, Any] = {}
    for key, value in context.items():
        added = shown | {key: _cut(value, _DEEPEST)}
        if len(json.dumps(added, ensure_ascii=False)) <= most:
            shown = added
    return shown


def _leaves(value: Any, path: str, deepest: int) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            if deepest > 0:
                for key, inner in value.items():
                    yield from _leaves(inner, f"{path}.{key}", deepest - 1)
        case bool():
            yield path, "yes" if value else "no"
        case str() | int() | float():
            yield path, str(value)
        case _:
            return


def _cut(value: Any, deepest: int) -> Any:
    match value:
        case str():
            return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}\u2026"
        case Mapping():
            return {key: _cut(inner, deepest - 1) for key, inner in value.items()} if deepest > 0 else None
        case list():
            return [_cut(inner, deepest - 1) for inner in value[:_LONGEST_LIST]] if deepest > 0 else None
        case _:
            return value
