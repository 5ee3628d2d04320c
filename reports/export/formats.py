"""The report's file formats; each turns pages of rows into bytes, so that a file and an answer of the API are alike."""

import io
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from reports.export.columns import ReportRow


class Format(StrEnum):
    """How a report is written."""

    CSV = "csv"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """What a mail and the API call it."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/vnd.apache.parquet"


class Encoder(Protocol):
    """Writes one report."""

    def rows(self, rows: Sequence[ReportRow]) -> bytes:
        """What the rows add to the file; whatever comes before the first row is in it too."""

    def end(self) -> bytes:
        """What closes the file."""


def encoder_for(form: Format, zone: ZoneInfo) -> Encoder:
    """A fresh encoder.

    Args:
        form: the format.
        zone: the store's, in which CSV writes times.
    """
    if form is Format.PARQUET:
        # pyarrow takes half a second to load, and only this format needs it.
        from reports.export.parquet_file import ParquetEncoder  # noqa: PLC0415 - see above

        return ParquetEncoder()
    from reports.export.csv_file import CsvEncoder  # noqa: PLC0415 - beside its sister

    return CsvEncoder(zone)


class Sink(io.RawIOBase):
    """A file to write to whose content is taken away as it grows."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: object) -> int:
        """Keep the bytes until they are taken."""
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        """How much was written, taken or not."""
        return self._written

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken
