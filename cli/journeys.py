"""`journeys`: every journey of the store, who is in it, and how it ended for the others; or one with all of it."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.failures import DONE
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.output import Output
from cli.run import Run, execute
from models.enums import EnrollmentState, JourneyState
from reports.documents import JourneyLine
from reports.journey_detail import JourneyDocument, LaunchView, VersionView, journey_document
from reports.journeys import journeys_of
from storage.engine import Database
from storage.journeys import find_journey
from storage.stores import StoreParts


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("journeys")(journeys)


def journeys(
    journey: Annotated[str | None, typer.Argument(metavar="[JOURNEY]", help="Only this one, with all of it.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those in the archive.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """List the journeys with who is in them and how it ended.

    With a name: since when it is what it is, its versions with what changed and who is in each, its last launches.
    """
    return execute(
        lambda run: _journeys(run, journey, everything=everything), as_json=as_json, store=store, debug=debug
    )


async def _journeys(run: Run, name: str | None, *, everything: bool) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        if name is not None:
            return await _one(run, database, parts, name)
        async with database.read() as session:
            found = await journeys_of(session, parts, now=run.clock(), archived=True)
    archived = [one for one in found.journeys if one.state is JourneyState.ARCHIVED]
    lines = [one for one in found.journeys if everything or one not in archived]
    run.output.document(found.model_copy(update={"journeys": lines}))
    hidden = 0 if everything else len(archived)
    if lines:
        _list(run.output, lines, ZoneInfo(parts.store.time_zone))
    elif not hidden:
        run.output.line("There are no journeys yet: `launch FILE` starts one.")
    if hidden:
        run.output.line(f"{hidden} more in the archive: `journeys --all` lists them too.")
    return DONE


def _list(out: Output, lines: list[JourneyLine], zone: ZoneInfo) -> None:
    out.table(
        ["journey", "state", "priority#", "version#", "running#", "control#", "paced#", "ended#", "how it ended"],
        [_row(line) for line in lines],
    )
    for line in lines:
        if line.next_run_at is not None:
            out.line(f"{line.name} runs next on {_local(line.next_run_at, zone)}")
        if line.next_selection_at is not None:
            out.line(f"{line.name} is always on: next selection on {_local(line.next_selection_at, zone)}")
    rows = [
        [line.name, str(one.version), "watch" if one.stage is None else str(one.stage), str(one.customers)]
        for line in lines
        for one in line.running
    ]
    if rows:
        out.line()
        out.table(["running", "version#", "next message", "customers#"], rows)


def _row(line: JourneyLine) -> list[str]:
    over, control = line.enrollments[EnrollmentState.CLOSED], line.enrollments[EnrollmentState.CONTROL]
    running = sum(line.enrollments.values()) - over - control
    newest = max(line.versions, default=0)
    return [
        line.name,
        _state(line),
        *(str(n) for n in (line.priority, newest, running, control, line.paced, over)),
        _ended(line),
    ]


def _state(line: JourneyLine) -> str:
    return line.state.value if line.state_reason is None else f"{line.state.value} ({line.state_reason})"


def _ended(line: JourneyLine) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in line.exits.items() if count)


def _local(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %Y-%m-%d at %H:%M}"


# --- one journey -----------------------------------------------------------------------------------------------------


async def _one(run: Run, database: Database, parts: StoreParts, name: str) -> int:
    async with database.read() as session:
        found = await journey_document(session, parts, await find_journey(session, parts.id, name), now=run.clock())
    run.output.document(found)
    out, zone, line = run.output, ZoneInfo(parts.store.time_zone), found.journey
    since = f" since {_local(found.since, zone)}" if found.since is not None else ""
    out.line(f"{line.name}: {line.kind.value}, priority {line.priority}, {_state(line)}{since}", style="bold")
    if found.audience is not None:
        out.line(f"  audience  {found.audience}")
        out.line(f"  coupon    {found.coupon or 'none'}")
    for text in _clock(found, zone):
        out.line(f"  next      {text}")
    if ended := _ended(line):
        out.line(f"  ended     {ended}")
    if found.versions:
        out.line()
        out.table(
            ["version#", "published", "running#", "by next message", "paced#", "ended#", "control#"],
            [_version(one, zone) for one in found.versions],
        )
        rows = [
            [str(one.version), it.field, it.before or "(not set)", it.after or "(not set)"]
            for one in found.versions
            for it in one.changes
        ]
        if rows:
            out.table(["version#", "changed", "before", "since then"], rows)
    if found.launches:
        out.line()
        out.table(
            [
                "launch#",
                "when",
                "what",
                "version#",
                "considered#",
                "entered#",
                "control#",
                "paced#",
                "left out because",
            ],
            [_launched(one, zone) for one in found.launches],
        )
    return DONE


def _clock(found: JourneyDocument, zone: ZoneInfo) -> list[str]:
    line, daily = found.journey, found.daily
    if line.next_run_at is not None:
        return [f"run on {_local(line.next_run_at, zone)}"]
    if daily is None:
        return []
    most = f", at most {daily.limit} customers" if daily.limit is not None else ""
    when = f"selection on {_local(daily.next_at, zone)}" if daily.next_at is not None else "no selection for now"
    return [f"{when} (every day at {daily.at}{most}, since {_local(daily.since, zone)})"]


def _version(one: VersionView, zone: ZoneInfo) -> list[str]:
    stages = ", ".join(f"{'watch' if at.stage is None else at.stage}: {at.customers}" for at in one.running_by_stage)
    counts = (one.paced, one.closed, one.control)
    published = _local(one.published_at, zone) if one.published_at is not None else "no, only shown"
    return [str(one.version), published, str(one.running), stages, *map(str, counts)]


def _launched(one: LaunchView, zone: ZoneInfo) -> list[str]:
    what = "daily" if one.day is not None else "launch"
    if one.limit is not None:
        what += f", at most {one.limit}"
    told = f"{one.state.value} ({one.error})" if one.error is not None else one.state.value
    skipped = ", ".join(f"{reason} {count}" for reason, count in one.audience.skipped.items() if count)
    audience = one.audience
    return [
        str(one.launch_id),
        _local(one.requested_at, zone),
        f"{what}, {told}",
        *(str(n) for n in (one.version, audience.considered, audience.entered, audience.control, audience.paced)),
        skipped,
    ]
