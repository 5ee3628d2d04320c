"""Writing a report to its file, a page at a time, with a bar for whoever waits."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.failures import Failure
from cli.output import Output
from models.tables import Journey
from reports.export.formats import Format, encoder_for
from reports.export.stream import context_of, row_pages
from reports.export.totals import Totals
from storage.engine import Database
from storage.report_rows import count_people
from storage.statistics.period import Period
from storage.stores import required_id


async def write_report(
    output: Output, database: Database, journey: Journey, out: Path, form: Format, period: Period
) -> Totals:
    """Write the file, complete or not at all.

    Raises:
        Failure: it cannot be written.
    """
    totals = Totals()
    bar = output.notes.is_terminal
    async with database.read() as session:
        context = await context_of(session, journey, period)
        people = await count_people(session, required_id(journey.id)) if bar else 0
    encoder = encoder_for(form, period.zone)
    try:
        with _whole_file(out) as file, _progress(output, people, shown=bar) as advance:
            async for customers, rows in row_pages(database, context):
                totals.add(rows)
                file.write(encoder.rows(rows))
                advance(customers)
            file.write(encoder.end())
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror}") from None
    return totals


@contextmanager
def _whole_file(out: Path) -> Iterator[IO[bytes]]:
    """What is written stands beside the file's place until the end, and goes if that never comes.

    Only its owner may read it: it is full of people's numbers. Behind a symbolic link it is the link's file that is
    written, and the link stays.
    """
    out = out.resolve()
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-", suffix=".part")  # mode 600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _progress(output: Output, people: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("customers"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.notes, transient=True, disable=not shown) as progress:
        task = progress.add_task("customers", total=people or None)
        yield lambda customers: progress.advance(task, customers)
