"""Tests of models.orders_file."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.enums import ConsentState
from models.orders_file import OrderRow, OrdersFile, OrdersFileError, last_order, read_orders

HEADER = "order_id,customer_id,ordered_on,total,currency\n"
FULL_HEADER = "order_id,customer_id,ordered_on,total,currency,phone,first_name,consent,items,discount_code\n"
GOOD = "A1,c1,2026-03-01,19.90,EUR\n"


def read(path: Path, text: str | bytes, *, skip: bool = False) -> OrdersFile:
    """The file with this content, read."""
    file = path / "orders.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_orders(file, skip_bad_rows=skip)


def refused(path: Path, text: str | bytes, *, skip: bool = False) -> OrdersFileError:
    """The error of a file that cannot be used."""
    with pytest.raises(OrdersFileError) as raised:
        read(path, text, skip=skip)
    return raised.value


def test_a_row_of_the_required_columns(tmp_path: Path) -> None:
    """Money is minor units, and what has no column is None."""
    assert read(tmp_path, HEADER + GOOD).rows == [OrderRow("A1", "c1", date(2026, 3, 1), 1990, "EUR")]


def test_a_row_of_every_column_in_any_order(tmp_path: Path) -> None:
    """Columns are found by name, capitals and blanks do not matter, unknown ones are passed over."""
    text = (
        "Note, Discount_Code ,items,consent,first_name,phone,currency,total,ordered_on,customer_id,ORDER_ID\n"
        "x,TEN,3,Yes,Ada  B.,+44 (7700) 900-123,jpy,1200,2026-03-01,c1,A1\n"
    )
    assert read(tmp_path, text).rows == [
        OrderRow(
            "A1", "c1", date(2026, 3, 1), 1200, "JPY", "+447700900123", "Ada B.", ConsentState.SUBSCRIBED, 3, "TEN"
        )
    ]


def test_an_empty_cell_is_not_a_missing_column(tmp_path: Path) -> None:
    """A customer whose phone, name and consent cells are empty has none of them; nothing may be made up."""
    row = read(tmp_path, FULL_HEADER + "A1,c1,2026-03-01,0,EUR,,,,,\n").rows[0]
    assert (row.phone, row.first_name, row.consent) == ("", "", ConsentState.NEVER_SUBSCRIBED)
    assert (row.items, row.discount_code) == (None, None)


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        ("subscribed", ConsentState.SUBSCRIBED),
        ("TRUE", ConsentState.SUBSCRIBED),
        ("no", ConsentState.NEVER_SUBSCRIBED),
        ("unsubscribed", ConsentState.UNSUBSCRIBED),
        ("redacted", ConsentState.REDACTED),
    ],
)
def test_consent_is_a_state_or_yes_or_no(tmp_path: Path, cell: str, state: ConsentState) -> None:
    """Both ways of writing consent are read; a plain no is not a withdrawal."""
    assert read(tmp_path, FULL_HEADER + f"A1,c1,2026-03-01,1,EUR,,,{cell},,\n").rows[0].consent is state


def test_byte_order_mark_line_ends_and_blank_lines_are_no_problem(tmp_path: Path) -> None:
    """Files out of spreadsheets are read, and lines are still counted."""
    text = b"\xef\xbb\xbf" + (HEADER + GOOD + "\n" + "A2,c1,x,1,EUR\n").replace("\n", "\r\n").encode()
    assert [bad.line for bad in read(tmp_path, text, skip=True).bad_rows] == [4]


def test_a_row_over_two_lines_counts_from_its_first(tmp_path: Path) -> None:
    """A line break inside quotes does not shift what is reported after it."""
    text = HEADER.strip() + ",note\n" + 'A1,c1,2026-03-01,1,EUR,"a\nb"\n' + "A2,,2026-03-01,1,EUR,x\n"
    assert [bad.line for bad in read(tmp_path, text, skip=True).bad_rows] == [4]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",c1,2026-03-01,1,EUR", "order_id is empty"),
        ("A2, ,2026-03-01,1,EUR", "customer_id is empty"),
        ("A1,c1,2026-03-01,1,EUR", "order_id 'A1' stands in line 2 already"),
        ('"A\t2",c1,2026-03-01,1,EUR', "a character that no id has"),
        ("A2,c1,01.03.2026,1,EUR", "ordered_on '01.03.2026' is no date"),
        ("A2,c1,20260301,1,EUR", "is no date"),
        ("A2,c1,2026-W09-1,1,EUR", "is no date"),
        ("A2,c1,2026-03-01T10:00:00Z,1,EUR", "is no date"),
        ("A2,c1,2026-02-29,1,EUR", "no day of the calendar"),
        ("A2,c1,,1,EUR", "is no date"),
        ("A2,c1,2026-03-01,-0.01,EUR", "total -0.01 is negative"),
        ("A2,c1,2026-03-01,1e3,EUR", "total '1e3' is no amount"),
        ("A2,c1,2026-03-01,NaN,EUR", "is no amount"),
        ('A2,c1,2026-03-01,"19,90",EUR', "is no amount"),
        ("A2,c1,2026-03-01,1_0,EUR", "is no amount"),
        ("A2,c1,2026-03-01,,EUR", "is no amount"),
        ("A2,c1,2026-03-01,1,EURO", "currency 'EURO' is no currency"),
        ("A2,c1,2026-03-01,1,", "is no currency"),
        ("A2,c1,2026-03-01,1", "4 fields and the header 5"),
        ("A2,c1,2026-03-01,1,EUR,x", "6 fields and the header 5"),
        ("A\0,c1,2026-03-01,1,EUR", "NUL"),
        (f"{'x' * 201},c1,2026-03-01,1,EUR", "201 characters long"),
        (f"{'x' * 200_000},c1,2026-03-01,1,EUR", "quotes or the length"),
        ('"A2"x,c1,2026-03-01,1,EUR', "quotes or the length"),
        ('"A2,c1,2026-03-01,1,EUR', "quotes or the length"),
    ],
)
def test_each_bad_row_says_why(tmp_path: Path, row: str, words: str) -> None:
    """A row that cannot be used has its line and reason, refused or skipped."""
    text = HEADER + GOOD + row + "\n"
    error = refused(tmp_path, text)
    assert [bad.line for bad in error.bad_rows] == [3]
    assert words in error.bad_rows[0].reason
    assert f"line 3: {error.bad_rows[0].reason}" in str(error)
    skipped = read(tmp_path, text, skip=True)
    assert skipped.bad_rows == error.bad_rows
    assert len(skipped.rows) == 1


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("07700900123,Ada,yes,1,", "phone is no international number"),
        ("+44 7700 900,Ada,maybe,1,", "consent 'maybe' is not known"),
        (",Ada,yes,1.5,", "items '1.5' is no whole number"),
    ],
)
def test_optional_cells_are_checked_as_well(tmp_path: Path, cells: str, words: str) -> None:
    """A value that is there must make sense; a number that is none is not repeated."""
    error = refused(tmp_path, FULL_HEADER + f"A1,c1,2026-03-01,1,EUR,{cells}\n")
    assert words in str(error)
    assert "900" not in str(error)


def test_reading_goes_on_behind_a_bad_row(tmp_path: Path) -> None:
    """Rows after a broken one are used."""
    text = HEADER + '"A0"x,c1,2026-03-01,1,EUR\n' + GOOD
    assert [row.order_id for row in read(tmp_path, text, skip=True).rows] == ["A1"]


def test_many_bad_rows_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    """Twenty stand in the text, all are in the error."""
    error = refused(tmp_path, HEADER + GOOD + "A2,c1,x,1,EUR\n" * 25)
    assert "25 of 26 rows" in str(error)
    assert str(error).count("  line ") == 20
    assert "and 5 more" in str(error)
    assert len(error.bad_rows) == 25


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (HEADER, "no orders"),
        ("order_id,customer_id,ordered_on\n", "lacks the columns total, currency"),
        (HEADER.replace(",currency", "") + GOOD, "lacks the column currency"),
        (HEADER.replace(",", ";") + GOOD, "separated by commas"),
        (HEADER.replace("total", "total,total") + GOOD, "the column total twice"),
        ('"order_id', "the header is no CSV"),
        (HEADER + GOOD + "A2,caf\xe9,2026-03-01,1,EUR\n", "is not UTF-8 in line 3"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, words: str) -> None:
    """Nothing about the file as a whole can be skipped."""
    for skip in (False, True):
        assert words in str(refused(tmp_path, text.encode("latin-1"), skip=skip))


def test_only_bad_rows_are_no_orders(tmp_path: Path) -> None:
    """Skipping everything is refused too."""
    assert "1 of 1 rows" in str(refused(tmp_path, HEADER + "A2,c1,x,1,EUR\n", skip=True))


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    """The operating system's reason is passed on with the file's name, without its folder."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(OrdersFileError, match=f"^{path.name} cannot be read: "):
            read_orders(path, skip_bad_rows=False)


def test_the_last_order_is_the_latest_and_then_the_highest_id() -> None:
    """Ids on the same day are compared as people count."""
    rows = [
        OrderRow("#1000", "c", date(2026, 3, 2), 1, "EUR"),
        OrderRow("#999", "c", date(2026, 3, 2), 1, "EUR"),
        OrderRow("#2000", "c", date(2026, 3, 1), 1, "EUR"),
    ]
    assert last_order(rows).order_id == "#1000"
    assert last_order(reversed(rows)).order_id == "#1000"
    with pytest.raises(ValueError, match="empty"):
        last_order([])


def test_ids_of_any_kind_can_be_compared() -> None:
    """Letters and digits in the same place do not break the comparison."""
    rows = [OrderRow(order_id, "c", date(2026, 3, 2), 1, "EUR") for order_id in ("1", "A1", "01", "A", "1A", "٣")]
    assert last_order(rows) == last_order(rows[::-1])


def test_the_real_file_is_read_whole() -> None:
    """Every row of the CDNOW orders is usable."""
    path = Path(__file__).parents[3] / "shared" / "data" / "cdnow_orders.csv"
    if not path.exists():
        pytest.skip("the shared data is not here")
    orders = read_orders(path, skip_bad_rows=False)
    assert (len(orders.rows), orders.bad_rows) == (69_659, [])
    assert len({row.customer_id for row in orders.rows}) == 23_570
    assert orders.rows[0] == OrderRow("C000001", "00001", date(1997, 1, 1), 1177, "USD", items=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=120),
        st.text(alphabet='A1,"\n\r\0é-. ', max_size=60).map(lambda text: (HEADER + text).encode()),
    )
)
def test_any_bytes_are_orders_or_an_orders_file_error(tmp_path: Path, data: bytes) -> None:
    """Nothing else ever comes out."""
    try:
        read(tmp_path, data, skip=True)
    except OrdersFileError as error:
        assert str(error)  # noqa: PT017  # the other outcome is as good
