"""`rates list | set | import | remove`: what currencies are worth in US dollars, so that reports can add them up."""

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from policies.exchange import USD, Quote, read_quote
from reports.rates import RatesDocument, rates_document
from storage.rates import list_rates, remove_rate, set_rates

_DAY: Final = "%Y-%m-%d"
_COLUMNS: Final = ("currency", "on", "usd_per_unit")
_OF_USD: Final = "no rates: a US dollar is one US dollar without any"
_On = Annotated[
    datetime, typer.Option("--on", formats=[_DAY], metavar="DATE", help="From which day it holds, in store time.")
]
_Currency = Annotated[str, typer.Argument(metavar="CURRENCY", help="Its three letters, such as EUR.")]


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    family.command("list")(show)
    family.command("set")(set_)
    family.command("import")(import_)
    family.command("remove")(remove)
    app.add_typer(family, name="rates", help="What currencies are worth in US dollars, for the reports.")


def show(
    currency: Annotated[str | None, typer.Argument(metavar="[CURRENCY]", help="Only this one's.")] = None,
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """List the rates, newest first. An order is converted by the newest one on or before its day."""
    return execute(lambda run: _show(run, currency), as_json=as_json, store=store, debug=debug)


def set_(
    currency: _Currency,
    usd: Annotated[str, typer.Argument(metavar="USD_PER_UNIT", help="What one unit is worth, such as 1.0842.")],
    *,
    on: _On,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Write down what one unit of a currency is worth in US dollars from a day on."""
    return execute(lambda run: _set(run, [_quote(currency, usd, on.date())]), as_json=as_json, store=store, debug=debug)


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help=f"Columns {', '.join(_COLUMNS)}.", exists=True, dir_okay=False)
    ],
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Write a file's rates down, all of them or, if a line is wrong, none."""
    return execute(lambda run: _set(run, _read(file)), as_json=as_json, store=store, debug=debug)


def remove(
    currency: _Currency, *, on: _On, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int:
    """Take one rate away; its days go by the one before it."""
    return execute(lambda run: _remove(run, currency, on.date()), as_json=as_json, store=store, debug=debug)


async def _show(run: Run, currency: str | None) -> int:
    code = currency.strip().upper() if currency else None
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            quotes = await list_rates(session, parts.id, currency=code)
        document = rates_document(parts.store, quotes)
    if not quotes:
        whose = "other currencies than USD" if code is None else code
        run.output.line(f"no rates: orders in {whose} have no amount in US dollars" if code != USD else _OF_USD)
    return _tell(run, document)


async def _set(run: Run, quotes: list[Quote]) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            done = await set_rates(session, parts.id, quotes)
        async with database.read() as session:
            found = await list_rates(session, parts.id)
    run.output.line(f"{done.added} added, {done.changed} changed", style="bold")
    return _tell(run, rates_document(parts.store, found, added=done.added, changed=done.changed))


async def _remove(run: Run, currency: str, day: date) -> int:
    code = currency.strip().upper()
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            if not await remove_rate(session, parts.id, code, day):
                raise Failure(f"there is no rate of {code} on {day}; `rates list` shows them", code=NOT_FOUND)
        async with database.read() as session:
            found = await list_rates(session, parts.id)
    run.output.line(f"the rate of {code} on {day} is gone", style="bold")
    return _tell(run, rates_document(parts.store, found, removed=1))


def _tell(run: Run, document: RatesDocument) -> int:
    run.output.document(document)
    if document.rates:
        run.output.table(
            ["currency", "from", "USD per unit#"],
            [[one.currency, one.on.isoformat(), one.usd] for one in document.rates],
        )
    return DONE


def _quote(currency: str, usd: str, day: date) -> Quote:
    try:
        return read_quote(currency, usd, day)
    except ValueError as error:
        raise Failure(str(error), code=USAGE) from None


def _read(file: Path) -> list[Quote]:
    """The rates of a file.

    Raises:
        Failure: every line that cannot be used, with its number.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise Failure(f"{file}: the first line has to name the columns {', '.join(_COLUMNS)}")
            return _quotes(file, reader)
    except (UnicodeDecodeError, csv.Error):
        raise Failure(f"{file} is no CSV file in UTF-8") from None


def _quotes(file: Path, reader: "csv.DictReader[str]") -> list[Quote]:
    quotes: list[Quote] = []
    seen: dict[tuple[str, date], int] = {}
    problems = []
    for row in reader:
        line = reader.line_num
        try:
            quote = read_quote(row["currency"] or "", row["usd_per_unit"] or "", _day(row["on"] or ""))
        except ValueError as error:
            problems.append(f"{file}:{line}: {error}")
            continue
        before = seen.setdefault((quote.currency, quote.day), line)
        if before != line:
            problems.append(f"{file}:{line}: {quote.currency} on {quote.day} stands in line {before} already")
        quotes.append(quote)
    if problems:
        raise Failure(*problems, "nothing was changed")
    return quotes


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no day; write it as 2026-11-22") from None
