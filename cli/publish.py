"""`publish`: give a journey another version for those who enter from now on, after showing who will see what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from cli.connections import shop_access
from cli.documents import FieldChange, PublishDocument
from cli.failures import DONE, NOT_FOUND, Failure, provider_line
from cli.launch_checks import check_column, check_name
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.readiness import coupon_problem, history_problem, template_problems, template_waits
from cli.run import Run, execute, require_terminal
from cli.validate import JourneyFile, read_definition
from composition import providers_from
from models.enums import JourneyState
from models.journey import Definition, Tracking, WinBack
from models.tables import Journey, JourneyVersion, JourneyWatch
from policies.definition_changes import changes
from reports.documents import VersionStage
from storage.engine import Database
from storage.going_live import waiting_versions
from storage.journeys import (
    UnknownJourneyError,
    find_journey,
    latest_version,
    parse_definition,
    publish,
    running_by_stage,
)
from storage.stores import StoreParts, required_id
from storage.templates import templates_of
from storage.tracking_schedules import reschedule
from storage.wakes import check_health
from storage.watches import open_watch

_RUNS = (JourneyState.ACTIVE, JourneyState.PAUSED)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("publish")(publish_file)


def publish_file(
    file: JourneyFile,
    *,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Give a journey a new version for new entrants, after showing who will see what.

    Whoever is in it stays on the version that they entered with. A journey that is watched or scheduled takes new
    entrants into the new version by itself; a win-back's next `launch` does.
    """
    return execute(lambda run: _publish(run, file, yes=yes), as_json=as_json, store=store, debug=debug)


@dataclass(frozen=True, slots=True)
class _Before:
    """The journey as it is, and what the new version would change."""

    journey: Journey
    latest: JourneyVersion
    running: list[VersionStage]
    paced: dict[int, int]
    differences: list[FieldChange]


async def _publish(run: Run, file: Path, *, yes: bool) -> int:
    require_terminal(yes=yes)
    definition = read_definition(file)
    async with run.database() as database:
        parts = await run.store(database)
        before = await _look(database, parts, definition)
        warnings = await _check(run, database, parts, before.journey, definition)
        changed = before.latest.content_hash != definition.content_hash()
        _show(run, before, definition, warnings, changed=changed)
        journey, number, told = before.journey, before.latest.number, False
        if changed:
            question = f"Publish version {number + 1} of {definition.name} for those who enter from now on?"
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


async def _look(database: Database, parts: StoreParts, definition: Definition) -> _Before:
    async with database.read() as session:
        try:
            journey = await find_journey(session, parts.id, definition.name)
        except UnknownJourneyError:
            raise Failure(
                f"there is no journey {definition.name} to publish a version of; `launch FILE` starts one",
                code=NOT_FOUND,
            ) from None
        check_name(journey, definition)
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
            [
                FieldChange(field=one.field, before=one.before, after=one.after)
                for one in changes(parse_definition(latest.definition), definition)
            ],
        )


async def _check(
    run: Run,
    database: Database,
    parts: StoreParts,
    journey: Journey,
    definition: Definition,
) -> list[str]:
    """Warnings.

    Raises:
        Failure: those who enter from now on could not be written to; every reason is listed.
    """
    from providers.errors import ProviderError  # noqa: PLC0415 - slow to load, and not wanted for a file with faults

    async with database.read() as session:
        mirror = await templates_of(session, parts.number.waba_id)
    runs = journey.state in _RUNS
    problems = template_problems(definition, mirror, may_wait=not runs)
    wall = history_problem(definition, parts.shop)
    problems += [wall] if wall is not None else []
    warnings = [] if runs else [f"it waits for {one.in_words}" for one in template_waits(definition, mirror)]
    async with providers_from(run.settings) as providers:
        try:
            coupon = await coupon_problem(providers.shopify, shop_access(run, parts), definition)
            problems += [coupon] if coupon is not None else []
        except ProviderError as error:
            warnings.append(f"the coupon was not looked at: {provider_line(error)}")
    if problems:
        raise Failure(*problems)
    if not runs and journey.state is not JourneyState.PENDING:
        warnings.append(f"{journey.name} is {journey.state.value}: nobody enters before it is launched")
    return warnings


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
    for version, count in before.paced.items():
        run.output.line(f"{count} customers wait for a later day; they enter with version {version}, as launched")
    if changed:
        run.output.line(f"Version {before.latest.number + 1}, for those who enter from now on, differs in:")
        run.output.table(
            ["field", "now", "then"],
            [[one.field, one.before or "(not set)", one.after or "(not set)"] for one in before.differences],
        )
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
        journey, version = await publish(session, parts.id, definition, now=now)
        check_name(journey, definition)
        if version.number > seen.latest.number + 1:
            raise Failure(f"somebody published version {version.number - 1} meanwhile; look at it first")
        if journey.state in _RUNS and seen.journey.state not in _RUNS:
            # Its templates were looked at as those of a journey that may wait for them.
            raise Failure(f"{journey.name} is {journey.state.value} by now; publish it again")
        told = await _let_watch_know(session, journey, definition, run)
        if journey.state is JourneyState.PENDING:
            check_health(session, parts.id, now=now)
            told = True
        return journey, version.number, told


async def _let_watch_know(session: AsyncSession, journey: Journey, definition: Definition, run: Run) -> bool:
    """A watch asks again about everybody whom the old version left out; a review may run at another time."""
    if isinstance(definition, WinBack) or journey.state not in (*_RUNS, JourneyState.PENDING):
        return False
    if isinstance(definition, Tracking):
        return reschedule(session, journey, now=run.clock())
    row = await session.get(JourneyWatch, required_id(journey.id))
    await open_watch(session, journey, since=row.since if row is not None else None, now=run.clock())
    return True
