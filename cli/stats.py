"""`stats`: a journey's numbers, split if asked for, and the rows behind any of them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

import typer

from cli.failures import DONE, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.people import store_zone
from cli.run import Run, execute
from cli.stats_list import show_list
from cli.stats_show import show_stats
from reports.statistics import journey_stats, stats_list
from storage.journeys import find_journey
from storage.statistics.grouping import By
from storage.statistics.lists import UnknownKeyError
from storage.statistics.period import Period

_DAY: Final = "%Y-%m-%d"
_ROWS: Final = 200


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stats")(stats)


def stats(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    *,
    by: Annotated[By | None, typer.Option("--by", help="Split the numbers.")] = None,
    key: Annotated[
        str | None,
        typer.Option("--list", metavar="KEY", help="Print the rows behind a number, such as exited:unsubscribed."),
    ] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=[_DAY], help="First day, in store time.")] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=[_DAY], help="The day after the last one, in store time.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="With --list: those behind this one, `next` of --json.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=10_000, help=f"With --list: at most so many rows ({_ROWS}).")
    ] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """How a journey does: who entered and how it ended, its messages, its orders, and what it really brought."""
    asked = _Asked(
        journey=journey,
        by=by,
        key=key,
        first=since.date() if since is not None else None,
        end=until.date() if until is not None else None,
        after=after,
        limit=limit,
    )
    return execute(lambda run: _stats(run, asked), as_json=as_json, store=store, debug=debug)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command was told."""

    journey: str
    by: By | None
    key: str | None
    first: date | None
    end: date | None
    after: str | None
    limit: int | None


async def _stats(run: Run, asked: _Asked) -> int:
    _check(asked)
    async with run.database() as database:
        parts = await run.store(database)
        zone = store_zone(parts)
        period = Period(asked.first, asked.end, zone)
        async with database.read() as session:
            journey = await find_journey(session, parts.id, asked.journey)
            if asked.key is None:
                document = await journey_stats(session, parts, journey, now=run.clock(), period=period, by=asked.by)
            else:
                try:
                    listed = await stats_list(
                        session,
                        parts,
                        journey,
                        asked.key,
                        period=period,
                        after=asked.after,
                        limit=asked.limit or _ROWS,
                    )
                except UnknownKeyError as error:
                    raise Failure(str(error), code=USAGE) from None
    if asked.key is None:
        run.output.document(document)
        show_stats(run.output, document)
    else:
        run.output.document(listed)
        show_list(run.output, listed, zone, after=asked.after)
    return DONE


def _check(asked: _Asked) -> None:
    if asked.first is not None and asked.end is not None and asked.end <= asked.first:
        raise Failure("--to is the day after the last one: it is later than --from", code=USAGE)
    if asked.key is None and (asked.after is not None or asked.limit is not None):
        raise Failure("--after and --limit belong to --list", code=USAGE)
    if asked.key is not None and asked.by is not None:
        raise Failure("--list opens a number of the whole journey; narrow it with --from and --to", code=USAGE)
