"""`validate`: is this file a journey, and if so, which?"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.advice import advice
from cli.audience_overlaps import overlap_advice
from cli.documents import (
    CartSummary,
    ConversationsSummary,
    FileProblem,
    JourneySummary,
    StageSummary,
    ValidateDocument,
)
from cli.failures import DONE, REFUSED, USAGE, Failure, problem_lines
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.output import shown
from cli.readiness import history_problem, template_problems
from cli.run import Run, execute
from cli.tracking_words import clock_warnings, describe_tracking, next_runs, tracking_summary
from models.enums import JourneyKind
from models.journey import (
    AbandonedCart,
    Definition,
    FollowUp,
    JourneyDefinition,
    Stage,
    Tracking,
    WinBack,
)
from models.journey_file import MAX_BYTES, JourneyFileError, read_journey_bytes
from reports.definitions import audience_words, coupon_words, entry_rules
from storage.engine import DatabaseUnavailableError, has_database
from storage.schema import SchemaError
from storage.stores import all_stores
from storage.templates import templates_of

JourneyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The journey, a YAML file.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate)


def validate(file: JourneyFile, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """Read a journey file and list everything that is wrong with it; nothing is sent or stored.

    With a store, also whether the templates exist as the mirror has them.
    """
    return execute(lambda run: _validate(run, file), as_json=as_json, store=store, debug=debug)


def read_bytes(file: Path) -> bytes:
    """The file's bytes, no more of them than a journey file may have (and one that says that it is too long).

    Raises:
        Failure: it cannot be read.
    """
    try:
        with file.open("rb") as content:
            return content.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Failure(f"{file}: there is no such file", code=USAGE) from None
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None


def read_definition(file: Path) -> Definition:
    """The journey in the file.

    Raises:
        Failure: with every problem.
    """
    try:
        return read_journey_bytes(read_bytes(file))
    except JourneyFileError as error:
        raise Failure(*problem_lines(str(file), error)) from None


async def _validate(run: Run, file: Path) -> int:
    try:
        definition = read_journey_bytes(read_bytes(file))
    except JourneyFileError as error:
        for line in problem_lines(str(file), error):
            run.output.note(line)
        problems = [
            FileProblem(line=one.line, column=one.column, field=one.field, text=shown(one.text))
            for one in error.problems
        ]
        run.output.document(
            ValidateDocument(file=str(file), valid=False, problems=problems, warnings=[], journey=None, next_runs=[])
        )
        return REFUSED
    found, zone = await _look(run, definition)
    warnings = [*advice(definition), *found]
    runs = next_runs(definition, zone, run.clock()) if isinstance(definition, Tracking) and zone is not None else []
    run.output.document(
        ValidateDocument(
            file=str(file),
            valid=True,
            problems=[],
            warnings=warnings,
            journey=summary(definition),
            next_runs=runs,
        )
    )
    describe(run, definition, runs=runs, zone=zone)
    for warning in warnings:
        run.output.note(f"warning: {warning}")
    return DONE


async def _look(run: Run, definition: JourneyDefinition) -> tuple[list[str], ZoneInfo | None]:
    """What a store would object to, and its zone; a file can be written before there is any store, or a database."""
    if run.store_name is None and not has_database(run.settings.database_url):
        return [], None
    try:
        async with run.database() as database, database.read() as session:
            stores = await all_stores(session)
            if run.store_name is None and len(stores) != 1:
                return [], None
            parts = await run.store(database)
            mirror = await templates_of(session, parts.number.waba_id)
            overlaps = await overlap_advice(session, parts.id, definition)
    except (DatabaseUnavailableError, SchemaError) as error:
        if run.store_name is not None:
            raise
        return [f"the templates were not looked at: {error}"], None
    zone = ZoneInfo(parts.store.time_zone)
    wall = history_problem(definition, parts.shop)
    others = [wall] if wall is not None else []
    others += overlaps
    if isinstance(definition, Tracking):
        others += clock_warnings(definition, zone, run.clock())
    if not mirror and definition.templates():
        unread = "the templates were not looked at: none have been read from WhatsApp yet (`templates --sync`)"
        return [unread, *others], zone
    return [*template_problems(definition, mirror), *others], zone


def summary(definition: Definition) -> JourneySummary:
    """The journey as a document."""
    audience = definition.audience if isinstance(definition, WinBack) else None
    conversations = definition.conversations if isinstance(definition, FollowUp) else None
    cart = definition.cart if isinstance(definition, AbandonedCart) else None
    return JourneySummary(
        name=definition.name,
        kind=JourneyKind(definition.kind),
        priority=definition.priority,
        inactive_days=audience and audience.inactive_days,
        inactive_days_max=audience and audience.inactive_days_max,
        conversations=conversations
        and ConversationsSummary(column=conversations.column, include_closed=conversations.include_closed),
        tracking=tracking_summary(definition) if isinstance(definition, Tracking) else None,
        cart=cart and CartSummary(after=str(cart.after), minimum=None if cart.minimum is None else str(cart.minimum)),
        consent=entry_rules(definition).consent,
        control_percent=definition.control_percent,
        coupon=coupon_words(definition),
        stages=[_stage(stage) for stage in definition.stages],
        hours=definition.sending.hours,
        weekdays=[day.value for day in definition.sending.open_weekdays()],
        time_zone=definition.sending.time_zone,
        max_per_day=definition.sending.max_per_day,
        attribution_days=definition.attribution_days,
        watch_days=definition.watch_days,
        content_hash=definition.content_hash(),
    )


def describe(run: Run, definition: Definition, *, runs: Sequence[datetime] = (), zone: ZoneInfo | None = None) -> None:
    """The journey for a person; of a tracking journey the runs that come next, in the store's zone."""
    if isinstance(definition, Tracking):
        describe_tracking(run, definition, runs, zone)
        return
    told = summary(definition)
    run.output.line(f"{told.name}: {told.kind.value}, priority {told.priority}", style="bold")
    run.output.line(f"  audience  {audience_words(definition)}, {told.control_percent}% held out")
    run.output.line(
        f"  sending   {told.hours} on {', '.join(told.weekdays)} ({told.time_zone}'s clock), "
        f"at most {told.max_per_day} new customers a day"
    )
    run.output.line(f"  coupon    {told.coupon or 'none'}")
    run.output.line(f"  orders    count for {told.attribution_days} days; the watch lasts {told.watch_days}")
    rows = [
        [str(number), stage.after, ", ".join(stage.templates), stage.written_by]
        for number, stage in enumerate(told.stages, start=1)
    ]
    run.output.table(["stage#", "after", "templates", "written by"], rows)


def _stage(stage: Stage) -> StageSummary:
    message = stage.message
    return StageSummary(
        after=str(stage.after),
        templates=list(dict.fromkeys(f"{one.name} ({one.language})" for one in message.templates())),
        written_by="model" if message.ai is not None else "text" if message.text is not None else "template",
    )
