"""`publish`: give a journey another version for those who enter from now on, after showing who will see what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from cli.definition_diff import Change, differences, show_differences
from cli.documents import PublishDocument
from cli.failures import DONE, NOT_FOUND, Failure
from cli.launch_checks import check_column, check_name
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.publish_draft import check_publishable, save_draft
from cli.run import Run, execute, require_terminal
from cli.validate import JourneyFile, read_definition
from models.enums import JourneyState
from models.journey import Definition, Tracking, WinBack
from models.tables import Journey, JourneyVersion, JourneyWatch
from reports.documents import FieldChange, VersionStage
from storage.engine import Database
from storage.going_live import waiting_versions
from storage.journeys import (
    UnknownJourneyError,
    find_journey,
    journey_of,
    latest_version,
    parse_definition,
    running_by_stage,
)
from storage.publishing import coming_number, publish
from storage.schedules import reschedule
from storage.stores import StoreParts, required_id
from storage.wakes import check_health
from storage.watches import open_watch

_RUNS = (JourneyState.ACTIVE, JourneyState.PAUSED)
_DRAFT = "Save a journey that does not exist yet; nobody enters before `launch`."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("publish")(publish_file)


def publish_file(
    file: JourneyFile,
    *,
    draft: Annotated[bool, typer.Option("--draft", help=_DRAFT)] = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Give a journey a new version for new entrants, after showing who will see what.

    Whoever is in it stays on the version that they entered with. A journey that is watched or runs by the clock takes
    new entrants into the new version by itself; another win-back's next `launch` does. With --draft a journey that
    does not exist yet is saved for a later `launch`.
    """
    return execute(lambda run: _publish(run, file, draft=draft, yes=yes), as_json=as_json, store=store, debug=debug)


@dataclass(frozen=True, slots=True)
class _Before:
    """The journey as it is, and what the new version would change."""

    journey: Journey
    latest: JourneyVersion
    running: list[VersionStage]
    paced: dict[int, int]
    differences: list[FieldChange]
    coming: int


async def _publish(run: Run, file: Path, *, draft: bool, yes: bool) -> int:
    require_terminal(yes=yes)
    definition = read_definition(file)
    async with run.database() as database:
        parts = await run.store(database)
        before = await _look(database, parts, definition, draft=draft)
        if before is None:
            return await save_draft(run, database, parts, definition, yes=yes)
        warnings = await check_publishable(run, database, parts, definition, before.journey.state)
        changed = before.latest.content_hash != definition.content_hash()
        _show(run, before, definition, warnings, changed=changed)
        journey, number, told = before.journey, before.latest.number, False
        if changed:
            question = f"Publish version {before.coming} of {definition.name} for those who enter from now on?"
            if not yes and not run.confirm(question):
                raise Failure("declined; nothing was changed")
            journey, number, told = await _write(run, database, parts, definition, seen=before)
        if told:
            from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

            await deliver(database, run.clock)
    run.output.document(
        PublishDocument(
            store=parts.store.slug,
            journey=journey.name,
            state=journey.state,
            version=number,
            previous=before.latest.number,
            changed=changed,
            running=before.running,
            paced=before.paced,
            changes=before.differences,
            warnings=warnings,
        )
    )
    word = "is published" if changed else "is what the file says already; nothing was changed"
    run.output.line(f"{journey.name} version {number} {word}", style="bold")
    return DONE


async def _look(database: Database, parts: StoreParts, definition: Definition, *, draft: bool) -> _Before | None:
    """The journey; None for one that does not exist yet and is to be a draft."""
    async with database.read() as session:
        try:
            journey = await find_journey(session, parts.id, definition.name)
        except UnknownJourneyError:
            if draft:
                await check_column(session, parts.id, definition)
                return None
            raise Failure(
                f"there is no journey {definition.name} to publish a version of; `launch FILE` starts one, and "
                "`publish FILE --draft` saves it for later",
                code=NOT_FOUND,
            ) from None
        check_name(journey, definition)
        if draft and journey.state is not JourneyState.DRAFT:
            raise Failure(f"{journey.name} is {journey.state.value} already and no draft; publish without --draft")
        await check_column(session, parts.id, definition)
        journey_id = required_id(journey.id)
        latest = await latest_version(session, journey_id)
        if latest is None:
            raise Failure(f"{journey.name} has no version yet; `launch FILE` starts it", code=NOT_FOUND)
        return _Before(
            journey,
            latest,
            [
                VersionStage(version=one.version, stage=one.stage, customers=one.customers)
                for one in await running_by_stage(session, journey_id)
            ],
            await waiting_versions(session, journey_id),
            differences(parse_definition(latest.definition), definition),
            await coming_number(session, journey_id, definition),
        )


def _show(run: Run, before: _Before, definition: Definition, warnings: Sequence[str], *, changed: bool) -> None:
    run.output.line(f"{definition.name}: version {before.latest.number} is what new entrants get now", style="bold")
    if before.running:
        run.output.table(
            ["version#", "next message", "customers#", "stay on"],
            [
                [
                    str(one.version),
                    str(one.stage) if one.stage is not None else "none, the watch runs",
                    str(one.customers),
                    f"version {one.version}",
                ]
                for one in before.running
            ],
        )
    else:
        run.output.line("Nobody is in it at present.")
    for count in before.paced.values():
        run.output.line(f"{count} customers wait for a later day; they enter with version {before.coming}")
    if changed:
        latest = parse_definition(before.latest.definition)
        show_differences(run.output, Change(before.coming, latest), definition, before.differences)
    for warning in warnings:
        run.output.note(f"warning: {warning}")


async def _write(
    run: Run,
    database: Database,
    parts: StoreParts,
    definition: Definition,
    *,
    seen: _Before,
) -> tuple[Journey, int, bool]:
    """The journey, the new version's number, and whether a workflow has to hear of it."""
    now = run.clock()
    async with database.write() as session:
        await check_column(session, parts.id, definition)
        journey = await journey_of(session, required_id(seen.journey.id), alone=True)
        latest = await latest_version(session, required_id(journey.id))
        if latest is None or latest.number != seen.latest.number:
            raise Failure(f"somebody published version {latest and latest.number} meanwhile; look at it first")
        journey, version = await publish(session, parts.id, definition, now=now)
        check_name(journey, definition)
        if journey.state in _RUNS and seen.journey.state not in _RUNS:
            # Its templates were looked at as those of a journey that may wait for them.
            raise Failure(f"{journey.name} is {journey.state.value} by now; publish it again")
        told = await _let_watch_know(session, journey, definition, run)
        if journey.state is JourneyState.PENDING:
            check_health(session, parts.id, now=now)
            told = True
        return journey, version.number, told


async def _let_watch_know(session: AsyncSession, journey: Journey, definition: Definition, run: Run) -> bool:
    """A watch asks again about everybody whom the old version left out; a schedule follows the version."""
    if journey.state not in (*_RUNS, JourneyState.PENDING):
        return False
    if isinstance(definition, WinBack | Tracking):
        return await reschedule(session, journey, now=run.clock())
    row = await session.get(JourneyWatch, required_id(journey.id))
    await open_watch(session, journey, since=row.since if row is not None else None, now=run.clock())
    return True
