"""`journeys`: every journey of the store, who is in it, and how it ended for the others."""

from zoneinfo import ZoneInfo

import typer

from cli.failures import DONE
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from models.enums import EnrollmentState
from reports.documents import JourneyLine
from reports.journeys import journeys_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("journeys")(journeys)


def journeys(*, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """List the journeys with who is in them and how it ended."""
    return execute(_journeys, as_json=as_json, store=store, debug=debug)


async def _journeys(run: Run) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            document = await journeys_of(session, parts, now=run.clock())
    run.output.document(document)
    lines = document.journeys
    if not lines:
        run.output.line("There are no journeys yet: `launch FILE` starts one.")
        return DONE
    run.output.table(
        ["journey", "state", "priority#", "version#", "running#", "control#", "paced#", "ended#", "how it ended"],
        [_row(line) for line in lines],
    )
    zone = ZoneInfo(parts.store.time_zone)
    for line in lines:
        if line.next_run_at is not None:
            run.output.line(f"{line.name} runs next on {line.next_run_at.astimezone(zone):%a %Y-%m-%d at %H:%M}")
    rows = [
        [line.name, str(one.version), "watch" if one.stage is None else str(one.stage), str(one.customers)]
        for line in lines
        for one in line.running
    ]
    if rows:
        run.output.line()
        run.output.table(["running", "version#", "next message", "customers#"], rows)
    return DONE


def _row(line: JourneyLine) -> list[str]:
    over, control = line.enrollments[EnrollmentState.CLOSED], line.enrollments[EnrollmentState.CONTROL]
    running = sum(line.enrollments.values()) - over - control
    ended = ", ".join(f"{reason} {count}" for reason, count in line.exits.items() if count)
    state = line.state.value if line.state_reason is None else f"{line.state.value} ({line.state_reason})"
    newest = max(line.versions, default=0)
    return [line.name, state, *(str(n) for n in (line.priority, newest, running, control, line.paced, over)), ended]
