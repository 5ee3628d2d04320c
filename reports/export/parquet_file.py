"""The report as parquet for programs: typed columns, numbers as they are, one row group for some thousands of rows."""

from collections.abc import Sequence
from typing import Any, Final, cast

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from reports.export.columns import COLUMNS, ReportRow
from reports.export.formats import Sink

_GROUP: Final = 50_000
"""Rows a group: large enough to be packed well, small enough to keep in memory."""
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_TYPES: Final[dict[str, Any]] = {
    "version": pa.int32(),
    "stage": pa.int32(),
    "sent_at": _MOMENT,
    "received_at": _MOMENT,
    "read_at": _MOMENT,
    "order_date": _MOMENT,
    "decided_at": _MOMENT,
    "order_amount": pa.decimal128(22, 3),  # no ISO 4217 currency in use has more than three decimals
    "amount_usd": pa.decimal128(38, 2),
    "attributed": pa.bool_(),
}
SCHEMA: Final = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])


class ParquetEncoder:
    """Writes rows as row groups."""

    def __init__(self) -> None:
        self._sink = Sink()
        self._writer = pq.ParquetWriter(cast("Any", self._sink), SCHEMA, compression="zstd")
        self._waiting: list[ReportRow] = []

    def rows(self, rows: Sequence[ReportRow]) -> bytes:
        """What is ready to be written of the rows so far."""
        self._waiting.extend(rows)
        # Groups of one size, so that the bytes do not depend on how the rows were handed in.
        while len(self._waiting) >= _GROUP:
            self._write_group()
        return self._sink.take()

    def end(self) -> bytes:
        """The last group, and the file's own description, which stands at its end."""
        if self._waiting:
            self._write_group()
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        columns = [pa.array([_plain(getattr(row, name)) for row in group], kind) for name, kind in _FIELDS]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))


_FIELDS: Final = [(field.name, field.type) for field in SCHEMA]


def _plain(value: Any) -> Any:
    """Words of a vocabulary as their values; half a character, which no encoding has, as a mark of its loss."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    return value
