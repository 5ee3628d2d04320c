"""The report as CSV for spreadsheets: UTF-8 with its mark, CRLF, RFC 4180, and no cell that could be a formula."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from reports.export.columns import COLUMNS, ReportRow
from reports.export.guard import guarded

_MARK: Final = "\ufeff"
"""Without it spreadsheets take the file for one in the machine's old code page."""
_VALUES: Final = attrgetter(*COLUMNS)
Cell = str | int | bool | Decimal | datetime


class CsvEncoder:
    """Writes rows as lines.

    Args:
        zone: times are written in it, with their offset.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer)
        self._buffer.write(_MARK)
        self._writer.writerow(COLUMNS)

    def rows(self, rows: Sequence[ReportRow]) -> bytes:
        """The rows' lines."""
        self._writer.writerows(self._lines(rows))
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode("utf-8", "replace")

    def end(self) -> bytes:
        """What has not been taken yet: of a report without rows its heading."""
        return self.rows(())

    def _lines(self, rows: Sequence[ReportRow]) -> Iterator[list[str]]:
        cell = self._cell
        for row in rows:
            yield ["" if value is None else cell(value) for value in _VALUES(row)]

    def _cell(self, value: Cell) -> str:
        if isinstance(value, str):
            return guarded(value)
        if isinstance(value, datetime):
            return value.astimezone(self._zone).isoformat(timespec="seconds")
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
