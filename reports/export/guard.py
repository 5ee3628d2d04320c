"""Text that is safe in a spreadsheet: people choose their own names, and a cell may be taken for a formula.

A spreadsheet that opens a CSV file evaluates cells that begin with `=`, `+`, `-` or `@`, also behind blanks or quotes,
and one whose list separator is a semicolon cuts a cell at each of those, whatever the file's own quoting says. So every
place where a formula could begin is given an apostrophe, and what is not printable becomes a blank. The rule has no
exception, so that it has no gap: a telephone number in E.164 gets its apostrophe too, which also keeps the spreadsheet
from turning it into a number and showing 4.477E+11. Programs take one apostrophe off, or read the parquet file.

Sources: OWASP, "CSV Injection"; OWASP ASVS 5.0, 1.2.10.
"""

import re
from functools import lru_cache
from typing import Final

# Full-width forms are read as their plain ones by spreadsheets of East Asian locales.
_FORMULA: Final = re.compile(r"""(^|[;,|])(?=[\s"'`]*[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_STARTS: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")


@lru_cache(maxsize=4096)
def guarded(text: str) -> str:
    """The text as it may stand in a cell."""
    if text.isalnum():
        return text
    shown = text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)
    return shown if _STARTS.isdisjoint(shown) else _FORMULA.sub(r"\1'", shown)
