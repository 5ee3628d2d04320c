"""The report's two formats, and the cells of one of them."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import AttributedBy
from reports.export import parquet_file
from reports.export.columns import COLUMNS, Arm, ReportRow, RowKind
from reports.export.formats import Format, encoder_for
from reports.export.guard import guarded
from tests.worlds import NOON

ZONE = ZoneInfo("America/Sao_Paulo")
DOCS = Path(__file__).parents[2] / "docs" / "report.md"


def row(name: str | None = "Ana", at: datetime = NOON) -> ReportRow:
    """An order's row."""
    return ReportRow(
        at=at,
        kind=RowKind.ORDER,
        contact="+447700900123",
        customer_id="7",
        first_name=name,
        journey="lapsed",
        version=1,
        arm=Arm.TREATED,
        order_id="1001",
        order_date=at,
        order_amount=Decimal("-5.00"),
        currency="USD",
        amount_usd=Decimal("-5.00"),
        attributed=True,
        attributed_by=AttributedBy.WINDOW,
    )


def as_csv(*rows: ReportRow) -> str:
    """The rows' file without its mark."""
    encoder = encoder_for(Format.CSV, ZONE)
    raw = encoder.rows(rows) + encoder.end()
    assert raw.startswith(b"\xef\xbb\xbf")
    return raw.decode("utf-8-sig")


def test_amounts_are_numbers_and_times_are_the_stores() -> None:
    """A negative amount is no formula and stays a number; a time carries its offset."""
    (line,) = csv.DictReader(io.StringIO(as_csv(row()), newline=""))
    assert (line["order_amount"], line["order_date"]) == ("-5.00", "2026-11-22T09:00:00-03:00")
    assert (line["contact"], line["attributed"], line["stage"]) == ("'+447700900123", "yes", "")


@given(st.text(max_size=30))
def test_no_name_can_be_a_formula(name: str) -> None:
    """Whatever somebody is called, no spreadsheet finds a formula where a cell begins, also cut at semicolons."""
    text = as_csv(row(name), row("Ben"))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [len(one) for one in rows] == [len(COLUMNS)] * 3
    cell = rows[1][COLUMNS.index("first_name")]
    assert cell.isprintable()
    for piece in cell.replace("|", ";").replace(",", ";").split(";"):
        bare = piece.strip().lstrip("\"'`").strip()
        assert not bare.startswith(("=", "+", "-", "@")) or piece.startswith("'")


@pytest.mark.parametrize("name", ["Ana", "O'Neil", "Jean-Luc", "Ng (Li)", "Ana & Ben", "李", "a@b.example", "3 + 4"])
def test_names_that_are_no_formula_are_left_alone(name: str) -> None:
    """The guard does nothing to what no spreadsheet would evaluate."""
    assert guarded(name) == name


def test_parquet_has_types_and_every_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Decimals are decimals, times are UTC, and rows beyond one group are there too; half a character is no fault."""
    monkeypatch.setattr(parquet_file, "_GROUP", 2)
    encoder = encoder_for(Format.PARQUET, ZONE)
    file = tmp_path / "report.parquet"
    parts = [encoder.rows([row(name)]) for name in ("=1+1", None, "\ud83d", "Di", "Eve")]
    assert any(parts[1:])
    file.write_bytes(b"".join(parts) + encoder.end())
    assert pq.ParquetFile(file).metadata.num_row_groups == 3
    together = encoder_for(Format.PARQUET, ZONE)
    at_once = together.rows([row(name) for name in ("=1+1", None, "\ud83d", "Di", "Eve")])
    assert at_once + together.end() == file.read_bytes()
    table = pq.read_table(file)
    assert table.column("first_name").to_pylist() == ["=1+1", None, "?", "Di", "Eve"]
    assert table.schema.field("order_amount").type == pa.decimal128(22, 3)
    assert table.schema.field("order_date").type == pa.timestamp("us", tz="UTC")
    assert table.column("order_date").to_pylist()[0] == NOON
    assert table.column("contact").to_pylist()[0] == "+447700900123"


@pytest.mark.parametrize("form", Format)
def test_a_report_without_rows_is_a_file_all_the_same(form: Format, tmp_path: Path) -> None:
    """It has its columns."""
    encoder = encoder_for(form, ZONE)
    file = tmp_path / "report"
    file.write_bytes(encoder.rows([]) + encoder.end())
    if form is Format.CSV:
        assert file.read_text("utf-8-sig").rstrip() == ",".join(COLUMNS)
    else:
        assert pq.read_table(file).column_names == list(COLUMNS)


def test_the_documentation_names_every_column_in_its_order() -> None:
    """docs/report.md has one line for each."""
    told = [line.split("`")[1] for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert told[: len(COLUMNS)] == list(COLUMNS)
