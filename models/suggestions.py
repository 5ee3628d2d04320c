"""The "did you mean" of error texts, one wording for keys, values and placeholders."""

import difflib
from collections.abc import Collection

_LONGEST_WORTH_COMPARING = 100


def closest(written: str, known: Collection[str]) -> str:
    """`; did you mean X?` for the nearest known word, else `; known are ...`, to stand at a sentence's end."""
    names = sorted(known)
    if len(written) <= _LONGEST_WORTH_COMPARING:
        lowered = written.lower().replace("-", "_")
        if near := difflib.get_close_matches(lowered, names, n=1, cutoff=0.6):
            return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(names)}"
