"""The words in code and the words in `docs/words.md` are the same."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from models import enums

WORDS = Path(__file__).parents[2] / "docs" / "words.md"
VOCABULARIES = [
    found
    for found in vars(enums).values()
    if isinstance(found, type) and issubclass(found, StrEnum) and found is not StrEnum
]


def documented() -> dict[str, list[str]]:
    """The words of each table in the document, by the vocabulary's name."""
    tables: dict[str, list[str]] = {}
    name = ""
    for line in WORDS.read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"`(\w+)`", line):
            name = heading[1]
            tables[name] = []
        elif row := re.match(r"\| `([^`]+)` \| (.+) \|$", line):
            tables[name].append(row[1])
    return tables


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda one: one.__name__)
def test_every_word_has_its_line_in_the_document(vocabulary: type[StrEnum]) -> None:
    """A word that is added, renamed or removed in code and not in the document is noticed."""
    assert documented()[vocabulary.__name__] == [word.value for word in vocabulary]


def test_the_document_knows_no_vocabulary_that_code_does_not() -> None:
    """A vocabulary that was removed from code is removed from the document."""
    assert set(documented()) == {vocabulary.__name__ for vocabulary in VOCABULARIES}
