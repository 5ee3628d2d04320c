"""A whole journey file for the tests of its reader, and ways to spoil it."""

from pathlib import Path

import pytest

from models.journey_file import JourneyFileError, Problem, read_journey

EXAMPLES = Path(__file__).parents[2] / "examples"

HEAD = """\
name: hello
kind: win_back
audience:
  inactive_days: 60
stages:
  - after: 0d
    message: {template: winback_hello, language: en, variables: {"1": "{customer.first_name|friend}"}}
"""
"""A whole journey of seven lines; tests append to it or replace in it."""

AI = """\
name: hello
kind: win_back
audience: {inactive_days: 60}
stages:
  - after: 0d
    message:
      ai: {mode: smart}
      template: {name: winback_note, language: en, variables: {"1": "{ai.text}"}}
      fallback: {template: winback_hello, language: en}
"""


def problems(text: str) -> list[Problem]:
    """What the reader says of a text that is no journey."""
    with pytest.raises(JourneyFileError) as raised:
        read_journey(text)
    return raised.value.problems


def only(text: str) -> Problem:
    """The one problem of a text that has one."""
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def changed(old: str, new: str, text: str = HEAD) -> str:
    """The text with one piece replaced, which must be there."""
    assert text.count(old) == 1
    return text.replace(old, new)


def message(body: str) -> str:
    """A journey whose one message is this flow mapping, in line 7."""
    return HEAD[: HEAD.index("    message:")] + f"    message: {body}\n"


def variables(body: str) -> str:
    """A journey whose one template has these variables, in line 7."""
    return message(f"{{template: a, language: en, variables: {body}}}")
