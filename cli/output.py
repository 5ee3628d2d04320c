"""What a command says: one JSON document, or text for a person; everything else goes to stderr."""

import os
import sys
from collections.abc import Sequence

from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_PIPED_WIDTH = 200
"""A pipe has no width of its own; a table folded at 80 columns could not be read by `grep`."""


class Output:
    """Where a command's words go.

    Attributes:
        as_json: print the document and nothing else.
        text: stdout for a person; keeps silent with `as_json`.
        notes: stderr.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.text = _console(stderr=False, quiet=as_json)
        self.notes = _console(stderr=True)

    def document(self, document: BaseModel) -> None:
        """The JSON document, if that is what was asked for."""
        if self.as_json:
            _write(document.model_dump_json(indent=2, by_alias=True))

    def line(self, text: str = "", *, style: str | None = None) -> None:
        """A line of the answer for a person."""
        self.text.print(shown(text), style=style, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
        """A table for a person; columns whose name ends in `#` hold numbers."""
        table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column.removesuffix("#"), justify="right" if column.endswith("#") else "left")
        for row in rows:
            table.add_row(*(shown(cell) for cell in row))
        self.text.print(table)

    def note(self, text: str) -> None:
        """A remark on stderr."""
        self.notes.print(shown(text), soft_wrap=True)


def write_failure(lines: Sequence[str], code: int, *, as_json: bool) -> None:
    """A failed command: plain lines on stderr, and with `--json` the document that says the same."""
    from cli.documents import FailureDocument  # noqa: PLC0415 - documents use this module's neighbours

    for line in lines:
        sys.stderr.write(f"{shown(line)}\n")
    sys.stderr.flush()
    if as_json:
        _write(FailureDocument(exit_code=code, problems=list(lines)).model_dump_json(indent=2))


def shown(text: str) -> str:
    """The text without what could steer a terminal: customers choose their own names."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def _write(document: str) -> None:
    sys.stdout.write(f"{document}\n")
    sys.stdout.flush()


def _console(*, stderr: bool, quiet: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH
    return Console(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False, width=width)
