"""`launch`: select the audience, show it, ask, and hand it to Temporal; safe to run twice, and two at once.

The selection runs in this process, so that a person sees who would be written to before anybody is. Everything
decided stands in the launch's rows, from which `AudienceWorkflow` goes on; a launch that is declined or interrupted
leaves one row that says so, and nobody enrolled.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, assert_never

import typer
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.selection import SelectedCustomers, Selection
from activities.services import Services
from cli.audience_overlaps import overlap_advice
from cli.definition_diff import change_by, show_change
from cli.documents import LaunchDocument
from cli.failures import DONE, INTERRUPTED, Failure
from cli.launch_checks import check_name, ready
from cli.launch_limits import limit_warnings
from cli.launch_pending import launch_pending
from cli.launch_progress import LaunchProgress
from cli.launch_schedule import (
    Daily,
    end_schedule,
    in_words,
    note_always_on,
    question,
    read_schedule,
    schedule_warnings,
    set_schedule,
)
from cli.launch_tracking import launch_tracking
from cli.launch_watch import launch_watched
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.preview import Preview, read_preview, show_preview, told
from cli.readiness import credit_warning
from cli.run import Run, execute, require_terminal
from cli.temporal import ensure_store_watches, start_audience
from cli.validate import JourneyFile, describe, read_definition
from models.enums import JourneyState, LaunchState
from models.journey import Tracking, WinBack
from models.tables import Launch
from reports.audience import audience_of
from reports.journeys import daily_view
from storage.going_live import activate, drop_waiting_launches
from storage.journeys import UnknownJourneyError, find_journey, journey_of, set_state
from storage.launches import (
    count_pending,
    get_launch,
    give_up,
    open_launch,
    outcomes,
)
from storage.publishing import OvertakenError, confirm, propose
from storage.schedules import reschedule
from storage.starting import count_starting
from storage.stores import StoreParts, required_id
from workflows.ids import audience_workflow_id

_LOOK_EVERY_S = 0.2
_LOOK_AT_WORKFLOW_EVERY = 25
_QUIET_LOOKS = 150
_QUIET = (
    "nothing has moved for half a minute; the worker's log says why, and the launch goes on by itself when it can "
    "(Ctrl-C only stops this waiting)"
)
_STOPPED = "the journey was stopped while its audience was being selected"
_TRIES = 6
_FIRST_PAUSE = timedelta(seconds=1)
_SCHEDULE = "daily@HH:MM: select a win-back's audience every day, by the store's clock; off: no more."
_NEW = "Leave out who was ever in this journey; of a follow-up or cart journey what was quiet before now."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("launch")(launch)


def launch(
    file: JourneyFile,
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, by customer id.")] = None,
    only_new: Annotated[bool, typer.Option("--only-new", help=_NEW)] = False,
    schedule: Annotated[str | None, typer.Option("--schedule", metavar="daily@HH:MM|off", help=_SCHEDULE)] = None,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Select a journey's audience, show it, ask, and start it.

    Returns when everyone selected is started or has a later day. Running it again goes on with those not yet in. With
    --schedule a win-back is always on: each day those who became inactive enter once, at most --limit of them. A
    follow-up or cart journey watches for silences or carts until it is stopped; a tracking journey reviews
    conversations at its time of every active day.
    """
    return execute(
        lambda run: _launch(run, file, limit, schedule, only_new=only_new, yes=yes),
        as_json=as_json,
        store=store,
        debug=debug,
    )


async def _launch(run: Run, file: Path, limit: int | None, schedule: str | None, *, only_new: bool, yes: bool) -> int:
    definition = read_definition(file)
    daily = read_schedule(schedule, definition)
    ends = daily is not None and daily.at is None
    require_terminal(yes=yes or ends)
    async with run.database() as database:
        parts = await run.store(database)
        if ends:
            return await end_schedule(run, database, parts, definition)
        async with run.services(database) as services:
            if isinstance(definition, Tracking):
                return await launch_tracking(run, services, parts, definition, limit, only_new=only_new, yes=yes)
            if not isinstance(definition, WinBack):
                return await launch_watched(run, services, parts, definition, limit, only_new=only_new, yes=yes)
            await _check_archive(services, parts, definition)
            parts, warnings, waiting = await ready(run, services, parts, definition)
            warnings += await _side_by_side(run, services, parts, definition, daily)
            at = daily.at if daily is not None else None
            if waiting:
                return await launch_pending(
                    run,
                    services,
                    parts,
                    definition,
                    waiting,
                    warnings,
                    limit=limit,
                    only_new=only_new,
                    daily=at,
                    yes=yes,
                )
            change = await change_by(database, parts, definition)
            launch_id, version = await _open(run, services, parts, definition, limit, only_new=only_new)
            try:
                await _select(run, services, launch_id)
                preview = await read_preview(run, services, launch_id)
                short = credit_warning(parts.store, definition, preview.entrants)
                warnings += [short] if short is not None else []
                warnings += await limit_warnings(database, parts, definition, preview, now=run.clock())
                describe(run, definition)
                show_preview(run, preview)
                for warning in warnings:
                    run.output.note(f"warning: {warning}")
                show_change(run.output, change, definition)
                if not preview.wanted:
                    run.output.line("Nobody is to be enrolled." if daily is None else "Nobody is to be enrolled now.")
                asked = question(preview.wanted, daily, version if change is not None else None)
                if asked is not None and not yes and not run.confirm(asked):
                    raise Failure("declined; nobody was enrolled")  # noqa: TRY301 - one place gives the launch up
                await _hand_over(services, parts, launch_id, now=run.clock())
            except BaseException as error:
                await _give_up(run, services, launch_id, error)
                raise
            if at is not None:
                await set_schedule(run, services, parts, launch_id, at=at, limit=limit, only_new=only_new)
            try:
                await _wait(run, services, parts, launch_id)
            except asyncio.CancelledError:
                raise Failure(
                    "interrupted: the launch goes on by itself; `journeys` shows how far", code=INTERRUPTED
                ) from None
            return await _report(run, services, parts, launch_id, version, preview, warnings)


async def _check_archive(services: Services, parts: StoreParts, definition: WinBack) -> None:
    """See that the journey can be launched before the shop is read for it.

    Raises:
        Failure: it is archived, or of another kind.
    """
    async with services.database.read() as session:
        with contextlib.suppress(UnknownJourneyError):
            check_name(await find_journey(session, parts.id, definition.name), definition)


async def _side_by_side(
    run: Run, services: Services, parts: StoreParts, definition: WinBack, daily: Daily | None
) -> list[str]:
    """What other win-backs mean for this one, and the clock for its schedule; says whether it is always on already."""
    async with services.database.read() as session:
        found = await overlap_advice(session, parts.id, definition)
        with contextlib.suppress(UnknownJourneyError):
            journey = await find_journey(session, parts.id, definition.name)
            await note_always_on(run, session, parts, journey.name, required_id(journey.id), daily)
    return found + (schedule_warnings(daily.at, parts, run.clock()) if daily is not None and daily.at else [])


# --- the preview -----------------------------------------------------------------------------------------------------


async def _open(
    run: Run, services: Services, parts: StoreParts, definition: WinBack, limit: int | None, *, only_new: bool
) -> tuple[int, int]:
    """The id of a launch that is being looked at, and the number of its version."""
    now = run.clock()
    async with services.database.write() as session:
        journey, version = await propose(session, parts.id, definition, now=now)
        check_name(journey, definition)
        opened = await open_launch(
            session,
            store_id=parts.id,
            journey_id=required_id(journey.id),
            version_id=required_id(version.id),
            limit=limit,
            only_new=only_new,
            now=now,
        )
        return required_id(opened.id), version.number


async def _select(run: Run, services: Services, launch_id: int) -> None:
    selection = Selection(services)
    with LaunchProgress(run) as progress:
        read, cursor = 0, None
        while True:
            page = await _patiently(run, selection, launch_id, cursor)
            read, cursor = read + page.considered, page.cursor
            progress.reading(read, page.total)
            if cursor is None:
                break
        async with services.database.read() as session:
            considered = sum((await outcomes(session, launch_id)).values())
        while left := await selection.judge_page(launch_id, now=run.clock()):
            progress.deciding(left, considered)
        await selection.rank(launch_id, now=run.clock())


async def _patiently(run: Run, selection: Selection, launch_id: int, cursor: str | None) -> SelectedCustomers:
    """One page of the shop; what passes by itself is waited for, not told."""
    pause = _FIRST_PAUSE
    for left in range(_TRIES, 0, -1):
        try:
            return await selection.select_page(launch_id, cursor, now=run.clock())
        except ApplicationError as error:
            if error.non_retryable or left == 1:
                raise Failure(f"the shop's customers cannot be read: {error.message}") from error
            await asyncio.sleep(max(error.next_retry_delay or pause, pause).total_seconds())
            pause *= 2
    raise AssertionError("the last try returns or raises")  # pragma: no cover


# --- the start -------------------------------------------------------------------------------------------------------


async def _hand_over(services: Services, parts: StoreParts, launch_id: int, *, now: datetime) -> None:
    """Let the launch enroll, and tell Temporal; from here on it ends without us."""
    if not await Selection(services).begin(launch_id):
        raise Failure(_STOPPED)
    async with services.database.write() as session:
        journey = await journey_of(session, (await get_launch(session, launch_id)).journey_id, alone=True)
        launched = await get_launch(session, launch_id)
        if launched.state is LaunchState.FAILED:
            raise Failure(_STOPPED)
        before = (journey.state, journey.state_reason)
        try:
            if await confirm(session, journey, launched.version_id, now=now):
                await reschedule(session, journey, now=now)
        except OvertakenError as error:
            raise Failure(str(error)) from None
        activate(journey, now=now)
        await drop_waiting_launches(session, launched.journey_id, now=now)
    try:
        await ensure_store_watches(services.temporal, parts)
        await start_audience(services.temporal, parts, launched.journey_id, launch_id)
    except RPCError:
        async with services.database.write() as session:
            journey = await journey_of(session, launched.journey_id, alone=True)
            if journey.state is JourneyState.ACTIVE:  # else somebody has paused or stopped it meanwhile
                set_state(journey, *before, now=now)
        raise


async def _give_up(run: Run, services: Services, launch_id: int, error: BaseException) -> None:
    match error:
        case Failure() if error.lines[0].startswith("declined"):
            reason = "declined"
        case Failure():
            reason = error.lines[0]
        case asyncio.CancelledError() | KeyboardInterrupt():
            reason = "interrupted"
        case _:
            reason = type(error).__name__
    async with services.database.write() as session:
        await give_up(session, launch_id, error=reason, now=run.clock())


async def _wait(run: Run, services: Services, parts: StoreParts, launch_id: int) -> None:
    async with services.database.read() as session:
        considered = sum((await outcomes(session, launch_id)).values())
    with LaunchProgress(run, considered=considered) as progress:
        looks, moved_at, before = 0, 0, -1
        while True:
            async with services.database.read() as session:
                launched = await get_launch(session, launch_id)
                left = await count_pending(session, launch_id) + await count_starting(session, launched.journey_id)
            progress.starting(left)
            if _is_over(launched):
                return
            looks += 1
            if left != before:
                moved_at, before = looks, left
            elif looks - moved_at == _QUIET_LOOKS:
                run.output.note(_QUIET)
            if looks % _LOOK_AT_WORKFLOW_EVERY == 0:
                await _see_that_it_runs(services, parts, launched)
            await asyncio.sleep(_LOOK_EVERY_S)


def _is_over(launched: Launch) -> bool:
    match launched.state:
        case LaunchState.DONE | LaunchState.WAITING:
            return True
        case LaunchState.FAILED:
            raise Failure(f"the launch was given up: {launched.error or 'no reason on record'}")
        case LaunchState.SELECTING | LaunchState.DECIDING | LaunchState.STARTING:
            return False
        case _:
            assert_never(launched.state)


async def _see_that_it_runs(services: Services, parts: StoreParts, launched: Launch) -> None:
    handle = services.temporal.get_workflow_handle(audience_workflow_id(parts.id, launched.journey_id))
    status = (await handle.describe()).status
    if status not in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED):
        word = status.name.lower() if status is not None else "gone"
        raise Failure(f"the workflow {handle.id} that starts the customers has {word}; run the launch again")


async def _report(
    run: Run,
    services: Services,
    parts: StoreParts,
    launch_id: int,
    version: int,
    preview: Preview,
    warnings: list[str],
) -> int:
    async with services.database.read() as session:
        launched = await get_launch(session, launch_id)
        journey = await journey_of(session, launched.journey_id)
        audience = audience_of(await outcomes(session, launch_id))
        daily = await daily_view(session, parts, journey, now=run.clock())
    run.output.document(
        LaunchDocument(
            launch_id=launch_id,
            store=parts.store.slug,
            journey=journey.name,
            version=version,
            audience=audience,
            entrants_by_day=preview.entrants_by_day,
            messages_by_day=preview.messages_by_day,
            warnings=warnings,
            watch=None,
            tracking=None,
            state=journey.state,
            waits_for=[],
            daily=daily,
        )
    )
    if launched.state is LaunchState.WAITING:
        run.output.note("the journey is paused: whoever qualifies enters when it is resumed")
    run.output.line(told(journey.name, version, audience), style="bold")
    if daily is not None:
        run.output.line(f"{journey.name} is always on: {in_words(daily, parts)}")
    return DONE
