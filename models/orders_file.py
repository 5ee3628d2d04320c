"""A shop's orders read from a CSV file, with the line of whatever cannot be used.

Real order files have tens of thousands of rows, so each row is checked by plain code in one pass; and they come out of
spreadsheets, so every row is distrusted. Phone numbers are never repeated in a reason.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from models.enums import ConsentState
from models.money import Money

REQUIRED_COLUMNS: Final = ("order_id", "customer_id", "ordered_on", "total", "currency")
OPTIONAL_COLUMNS: Final = ("phone", "first_name", "consent", "items", "discount_code")

_LISTED = 20
_LONGEST_CELL = 200
_LONGEST_SHOWN = 40
_TOTAL = re.compile(r"-?\d{1,12}(\.\d{1,6})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ITEMS = re.compile(r"\d{1,6}", re.ASCII)
_PHONE = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_PHONE_SEPARATORS = re.compile(r"[\s().\-/]")
_DIGITS = re.compile(r"(\d+)", re.ASCII)

_CONSENT: Final = {state.value: state for state in ConsentState} | {
    "": ConsentState.NEVER_SUBSCRIBED,
    "yes": ConsentState.SUBSCRIBED,
    "true": ConsentState.SUBSCRIBED,
    "1": ConsentState.SUBSCRIBED,
    "no": ConsentState.NEVER_SUBSCRIBED,
    "false": ConsentState.NEVER_SUBSCRIBED,
    "0": ConsentState.NEVER_SUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order.

    Of what the file may leave out, None means that it has no such column, so the value may be made up
    (`models.synthetic`); an empty text means that it has the column and nothing stands there.

    Attributes:
        order_id: unique in the file.
        customer_id: opaque; rows with the same one are the same person.
        ordered_on: store-local calendar date.
        total_minor: minor units of `currency`, never negative.
        currency: ISO 4217, upper case.
        phone: E.164; empty when the customer has none.
        first_name: empty when it is not known.
        consent: to marketing over WhatsApp; an empty cell is no consent.
        items: how many things were bought; None also when the cell is empty.
        discount_code: as the customer typed it; None also when the cell is empty.
    """

    order_id: str
    customer_id: str
    ordered_on: date
    total_minor: int
    currency: str
    phone: str | None = None
    first_name: str | None = None
    consent: ConsentState | None = None
    items: int | None = None
    discount_code: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used.

    Attributes:
        line: of the file, from 1, where the row begins; the header is line 1.
        reason: in plain words.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrdersFile:
    """What a file holds, in its own order."""

    rows: list[OrderRow]
    bad_rows: list[BadRow]


class OrdersFileError(Exception):
    """The file cannot be used.

    Attributes:
        bad_rows: every row that is to blame; empty when the file as a whole is.
    """

    def __init__(self, text: str, bad_rows: list[BadRow] | None = None) -> None:
        super().__init__(text)
        self.bad_rows = bad_rows or []


def read_orders(path: Path, *, skip_bad_rows: bool) -> OrdersFile:
    """Reads a CSV file of orders: UTF-8, with or without byte order mark, commas, a header line.

    Args:
        path: the file.
        skip_bad_rows: go on without the rows that cannot be used, and list them in the answer.

    Raises:
        OrdersFileError: the file cannot be read, is not UTF-8, lacks columns, holds no order that can be used; or
            has bad rows that are not to be skipped.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            orders = _read(lines, path.name)
    except OSError as error:
        raise OrdersFileError(f"{path.name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        line = _first_line_not_utf8(path)
        raise OrdersFileError(f"{path.name} is not UTF-8 in line {line}; save it as CSV UTF-8") from None
    if orders.bad_rows and not (skip_bad_rows and orders.rows):
        raise OrdersFileError(_bad_rows_text(path.name, orders), orders.bad_rows)
    if not orders.rows:
        raise OrdersFileError(f"{path.name} has a header, but no orders")
    return orders


def last_order(rows: Iterable[OrderRow]) -> OrderRow:
    """The latest order of some: of the latest date, the one with the highest order id.

    Numbers in ids count as numbers, so `#1000` is higher than `#999`.

    Raises:
        ValueError: there are none.
    """
    return max(rows, key=lambda row: (row.ordered_on, order_id_key(row.order_id)))


def order_id_key(order_id: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sorts order ids the way a person counts them; the id itself settles what is left."""
    chunks = (chunk for chunk in _DIGITS.split(order_id) if chunk)
    return tuple((0, int(chunk), "") if chunk.isdecimal() else (1, 0, chunk) for chunk in chunks), order_id


class _Reader(Protocol):
    """What `csv.reader` gives; its own type has no public name."""

    @property
    def line_num(self) -> int: ...

    def __next__(self) -> list[str]: ...


class _BadCellError(Exception):
    """Carries a row's reason to the loop."""


def _read(lines: Iterable[str], name: str) -> OrdersFile:
    reader = csv.reader(lines, strict=True)
    try:
        header = next((row for row in reader if any(cell.strip() for cell in row)), None)
    except csv.Error as error:
        raise OrdersFileError(f"{name}, line {reader.line_num}: the header is no CSV ({error})") from None
    if header is None:
        raise OrdersFileError(f"{name} is empty; it needs a header with {', '.join(REQUIRED_COLUMNS)}")
    parse = _row_parser(header, name)
    rows: list[OrderRow] = []
    bad_rows: list[BadRow] = []
    first_seen: dict[str, int] = {}
    for line, cells in _numbered(reader):
        try:
            if isinstance(cells, csv.Error):
                raise _BadCellError(f"the quotes or the length of the row are wrong ({cells})")  # noqa: TRY301  # one place notes what is bad
            row = parse(cells)
            if (seen := first_seen.setdefault(row.order_id, line)) != line:
                raise _BadCellError(f"order_id {_shown(row.order_id)} stands in line {seen} already")  # noqa: TRY301  # as above
        except _BadCellError as bad:
            bad_rows.append(BadRow(line, str(bad)))
        else:
            rows.append(row)
    return OrdersFile(rows, bad_rows)


def _numbered(reader: _Reader) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Each row with the line in which it begins; blank lines are passed over."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, error
            continue
        if cells:
            yield line, cells


def _row_parser(header: list[str], name: str) -> Callable[[list[str]], OrderRow]:
    columns = [cell.strip().lower() for cell in header]
    if missing := [column for column in REQUIRED_COLUMNS if column not in columns]:
        hint = "; its columns must be separated by commas" if len(columns) == 1 else ""
        raise OrdersFileError(f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}{hint}")
    if twice := sorted({c for c in columns if c in REQUIRED_COLUMNS + OPTIONAL_COLUMNS and columns.count(c) > 1}):
        raise OrdersFileError(f"{name} has the column {twice[0]} twice")
    width = len(columns)
    order_at, customer_at, date_at, total_at, currency_at = (columns.index(column) for column in REQUIRED_COLUMNS)
    phone_at, name_at, consent_at, items_at, discount_at = (
        columns.index(column) if column in columns else None for column in OPTIONAL_COLUMNS
    )

    def parse(cells: list[str]) -> OrderRow:
        if len(cells) != width:
            raise _BadCellError(f"the row has {len(cells)} fields and the header {width}")
        for cell in cells:
            if "\0" in cell:
                raise _BadCellError("the row holds a NUL character; the file may be damaged")
            if len(cell) > _LONGEST_CELL:
                raise _BadCellError(f"a field is {len(cell)} characters long; the most is {_LONGEST_CELL}")
        currency = _currency(cells[currency_at])
        return OrderRow(
            _id("order_id", cells[order_at]),
            _id("customer_id", cells[customer_at]),
            _date(cells[date_at]),
            _total(cells[total_at], currency),
            currency,
            None if phone_at is None else _phone(cells[phone_at]),
            None if name_at is None else " ".join(cells[name_at].split()),
            None if consent_at is None else _consent(cells[consent_at]),
            None if items_at is None else _items(cells[items_at]),
            None if discount_at is None else cells[discount_at].strip() or None,
        )

    return parse


def _id(column: str, cell: str) -> str:
    if not (stripped := cell.strip()):
        raise _BadCellError(f"{column} is empty")
    if not stripped.isprintable():
        raise _BadCellError(f"{column} {_shown(stripped)} holds a character that no id has")
    return stripped


@lru_cache(maxsize=4096)
def _date(cell: str) -> date:
    stripped = cell.strip()
    if _DATE.fullmatch(stripped) is None:
        raise _BadCellError(f"ordered_on {_shown(stripped)} is no date; write year-month-day, such as 2026-03-31")
    try:
        return date.fromisoformat(stripped)
    except ValueError:
        raise _BadCellError(f"ordered_on {_shown(stripped)} is no day of the calendar") from None


def _total(cell: str, currency: str) -> int:
    stripped = cell.strip()
    if _TOTAL.fullmatch(stripped) is None:
        raise _BadCellError(f"total {_shown(stripped)} is no amount; write such as 19.90")
    amount = Decimal(stripped)
    if amount < 0:
        raise _BadCellError(f"total {stripped} is negative; an order costs nothing or more")
    return Money.of(amount, currency).minor


@lru_cache(maxsize=256)
def _currency(cell: str) -> str:
    code = cell.strip().upper()
    if _CURRENCY.fullmatch(code) is None:
        raise _BadCellError(f"currency {_shown(cell)} is no currency; write its three letters, such as EUR")
    return code


def _phone(cell: str) -> str:
    number = _PHONE_SEPARATORS.sub("", cell)
    if number and _PHONE.fullmatch(number) is None:
        raise _BadCellError("phone is no international number; it begins with + and the country's code")
    return number


def _consent(cell: str) -> ConsentState:
    state = _CONSENT.get(cell.strip().lower())
    if state is None:
        known = ", ".join(ConsentState)
        raise _BadCellError(f"consent {_shown(cell)} is not known; write yes, no or one of {known}")
    return state


def _items(cell: str) -> int | None:
    stripped = cell.strip()
    if not stripped:
        return None
    if _ITEMS.fullmatch(stripped) is None:
        raise _BadCellError(f"items {_shown(stripped)} is no whole number")
    return int(stripped)


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _LONGEST_SHOWN else cell[: _LONGEST_SHOWN - 3] + "...")


def _bad_rows_text(name: str, orders: OrdersFile) -> str:
    count, total = len(orders.bad_rows), len(orders.bad_rows) + len(orders.rows)
    head = f"{name}: {count} of {total} rows cannot be used"
    listed = [f"  line {bad.line}: {bad.reason}" for bad in orders.bad_rows[:_LISTED]]
    more = [f"  and {count - _LISTED} more"] if count > _LISTED else []
    return "\n".join([head, *listed, *more])


def _first_line_not_utf8(path: Path) -> int:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
