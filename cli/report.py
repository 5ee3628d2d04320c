"""`report`: a journey's messages, orders, and whoever got nothing, as a file for a spreadsheet or a program."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.failures import DONE, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.output import Output
from cli.people import store_zone
from cli.report_file import write_report
from cli.report_mail import open_postbox, post
from cli.run import Run, execute, require_terminal
from models.enums import AttributedBy
from reports.export.document import ReportDocument, report_document, totals_view
from reports.export.formats import Format
from reports.export.reasons import in_words
from storage.journeys import find_journey
from storage.statistics.period import Period

_DAY: Final = "%Y-%m-%d"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    addresses: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ADDRESS]...", help="With --email: who gets it, instead of the alert addresses."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write it.")],
    form: Annotated[
        Format | None, typer.Option("--format", help="csv, or parquet where FILE ends so, if left out.")
    ] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=[_DAY], help="First day, in store time.")] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=[_DAY], help="The day after the last one, in store time.")
    ] = None,
    email: Annotated[
        bool, typer.Option("--email", help="Mail the file too, to the store's alert addresses if none is given.")
    ] = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Write a row for each message and order, and one for everybody who did not receive the message, with the reason.

    The file holds the customers' names and numbers in full: it is the merchant's, and to be kept like one.
    """
    asked = _Asked(
        journey=journey,
        out=out,
        form=form or (Format.PARQUET if out.suffix.lower() == ".parquet" else Format.CSV),
        first=since.date() if since is not None else None,
        end=until.date() if until is not None else None,
        email=email,
        addresses=tuple(addresses or ()),
        yes=yes,
    )
    return execute(lambda run: _report(run, asked), as_json=as_json, store=store, debug=debug)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command was told."""

    journey: str
    out: Path
    form: Format
    first: date | None
    end: date | None
    email: bool
    addresses: tuple[str, ...]
    yes: bool


async def _report(run: Run, asked: _Asked) -> int:
    _check(asked)
    async with run.database() as database:
        parts = await run.store(database)
        box = open_postbox(run.settings, parts.store, asked.addresses) if asked.email else None
        period = Period(asked.first, asked.end, store_zone(parts))
        async with database.read() as session:
            journey = await find_journey(session, parts.id, asked.journey)
        if asked.out.exists() and not asked.yes and not run.confirm(f"{asked.out} exists. Write over it?"):
            raise Failure("declined; the file is as it was")
        totals = await write_report(run.output, database, journey, asked.out, asked.form, period)
    refused = None
    if box is not None:
        refused = await post(
            box,
            asked.out,
            asked.form,
            store=parts.store.slug,
            journey=asked.journey,
            days=_days(period),
            totals=totals_view(totals),
            now=run.clock(),
        )
    document = report_document(
        totals,
        store=parts.store.slug,
        journey=asked.journey,
        file=str(asked.out),
        form=asked.form,
        file_bytes=asked.out.stat().st_size,
        period=period,
        emailed_to=list(box.recipients) if box is not None else None,
        email_refused=refused,
    )
    run.output.document(document)
    _show(run.output, document, _days(period))
    return DONE


def _check(asked: _Asked) -> None:
    """See that the file can be written, before any work is done."""
    if asked.addresses and not asked.email:
        raise Failure("addresses are for --email, which mails the file", code=USAGE)
    if asked.first is not None and asked.end is not None and asked.end <= asked.first:
        raise Failure("--to is the day after the last one, so it has to be later than --from", code=USAGE)
    if not asked.out.parent.is_dir():
        raise Failure(f"there is no folder {asked.out.parent}", code=USAGE)
    if asked.out.exists():
        if not asked.out.is_file():
            raise Failure(f"{asked.out} is no file that can be written over", code=USAGE)
        require_terminal(yes=asked.yes)


def _days(period: Period) -> str:
    """The period in words."""
    match period.first, period.end:
        case None, None:
            return "all days"
        case first, None:
            return f"from {first} on"
        case None, end:
            return f"before {end}"
        case first, end:
            return f"{first} to before {end}"


def _show(output: Output, document: ReportDocument, days: str) -> None:
    totals = document.totals
    output.line(
        f"{totals.rows['total']} rows written to {document.file} ({days}, times in {document.time_zone})", style="bold"
    )
    unsure = f", {totals.possibly_sent} of which nobody knows whether they went" if totals.possibly_sent else ""
    output.line(f"  messages {totals.rows['message']}{unsure}")
    by = totals.orders_attributed
    output.line(
        f"  orders {totals.rows['order']}, of which {by['total']} belong to {document.journey}: "
        f"{by[AttributedBy.WINDOW]} by a message's window, {by[AttributedBy.COUPON]} by the coupon"
    )
    if totals.revenue:
        output.table(
            ["revenue", "orders#", "window#", "coupon#", "total#", "USD#"],
            [
                [one.currency, str(one.orders), one.window, one.coupon, one.total, _usd(one.usd, one.without_rate)]
                for one in totals.revenue
            ],
        )
    if totals.usd is None:
        output.line("  not every order's day has a rate, so there is no sum in US dollars: `rates set` adds one")
    elif len(totals.revenue) > 1:
        output.line(f"  together {totals.usd} USD")
    output.line(f"  not received {totals.rows['not_received']}")
    if totals.not_received:
        output.table(
            ["reason", "rows#", "meaning"],
            [[reason, str(count), in_words(reason)] for reason, count in _largest_first(totals.not_received)],
        )
    if document.emailed_to is not None:
        output.line(f"  mailed to {', '.join(document.emailed_to)}")
    if document.email_refused:
        output.note(f"warning: the mail server refused {document.email_refused} of these addresses")


def _usd(amount: str | None, without_rate: int) -> str:
    if amount is None:
        return "no rate"
    return f"{amount} ({without_rate} without a rate)" if without_rate else amount


def _largest_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))
