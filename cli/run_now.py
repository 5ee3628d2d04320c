"""`run-now`: review the conversations of a tracking journey at once, without waiting for its time."""

import asyncio
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import FailureError
from temporalio.service import RPCError

from activities.asked_runs import NotNowError, run_now
from cli.failures import DONE, INTERRUPTED, REFUSED, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from cli.temporal import soon_served
from cli.tracking_documents import RunNowDocument
from composition import connect
from models.enums import ReviewOutcome
from models.orchestration import TrackingProgress
from reports.runs import RunLine, run_document
from storage.engine import Database
from storage.journeys import find_journey
from storage.stores import StoreParts, required_id
from storage.tracking_runs import run_by_key

_LOOK_EVERY_S = 0.25
_ANSWER_WITHIN_S = 2.0
_QUIET_LOOKS = 120
_QUIET = (
    "nothing has moved for half a minute; the worker's log says why, and the run goes on by itself when it can "
    "(Ctrl-C only stops this waiting)"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run-now")(run_journey_now)


def run_journey_now(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The tracking journey's name.")],
    *,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stay until the run is over; it is by default.")
    ] = True,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Begin a run of a tracking journey at once, and show how far it is; its schedule stays as it is.

    Ctrl-C stops the watching, not the run. A run that had to stop, for want of credits or of the model, ends with 1.
    """
    return execute(lambda run: _run_now(run, journey, wait=wait), as_json=as_json, store=store, debug=debug)


async def _run_now(run: Run, name: str, *, wait: bool) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        client = await connect()
        if not await soon_served(client):
            raise Failure(
                "no worker serves the task queue `rekindle`, so no run would begin; "
                "run `python worker.py` (or `python starter.py up`) and ask again"
            )
        try:
            begun = await run_now(database, client, parts, name, now=run.clock())
        except NotNowError as error:
            raise Failure(str(error)) from None
        if not wait:
            _tell(run, parts, name, begun.workflow_id, None, waited=False)
            run.output.line(f"a run of {name} has begun; `runs {name}` shows how far it is", style="bold")
            return DONE
        try:
            progress = await _follow(run, client, begun.workflow_id)
        except asyncio.CancelledError:
            raise Failure(
                f"interrupted: the run goes on by itself; `runs {name}` shows how far", code=INTERRUPTED
            ) from None
        line = await _line(database, parts, name, begun.workflow_id)
    _tell(run, parts, name, begun.workflow_id, line, waited=True)
    if line is not None:
        run.output.line(f"{name}: {_in_words(line)}", style="bold")
        run.output.line(f"`runs {name} --run {line.run_id}` has every conversation")
    if progress.phase == "stopped":
        run.output.note(f"the run has stopped before its end: {progress.stop_reason or 'no reason on record'}")
        return REFUSED
    return DONE


async def _line(database: Database, parts: StoreParts, name: str, workflow_id: str) -> RunLine | None:
    """The run's report; None where the journey was not active any more when it began."""
    async with database.read() as session:
        journey = await find_journey(session, parts.id, name)
        row = await run_by_key(session, required_id(journey.id), workflow_id)
        if row is None:
            return None
        found = await run_document(session, parts, journey, required_id(row.id), after=None, limit=1)
    return found.runs[0] if found is not None else None


def _tell(run: Run, parts: StoreParts, name: str, workflow_id: str, line: RunLine | None, *, waited: bool) -> None:
    run.output.document(
        RunNowDocument(store=parts.store.slug, journey=name, workflow_id=workflow_id, waited=waited, run=line)
    )


def _in_words(line: RunLine) -> str:
    levels = ", ".join(f"{count} {level}" for level, count in line.detected.items() if count)
    detected, left_out = sum(line.detected.values()), sum(line.left_out.values())
    return (
        f"{line.considered} conversations considered, {left_out} left out, {line.analysed} analysed, "
        f"{detected} with an open sale{f' ({levels})' if levels else ''}, "
        f"{line.outcomes[ReviewOutcome.ENROLLED]} enrolled, {line.cost.credits} credits"
    )


async def _follow(run: Run, client: Client, workflow_id: str) -> TrackingProgress:
    """How the run ended; meanwhile how far it is."""
    handle: WorkflowHandle[Any, TrackingProgress] = client.get_workflow_handle(
        workflow_id, result_type=TrackingProgress
    )
    ended = asyncio.ensure_future(handle.result())
    try:
        with _bar(run) as bar:
            task = bar.add_task("beginning", total=None)
            looks, moved_at, before = 0, 0, TrackingProgress()
            while not ended.done():
                now = await _ask(handle)
                _show(bar, task, now or before)
                looks += 1
                if now is not None and now != before:
                    moved_at, before = looks, now
                elif looks - moved_at == _QUIET_LOOKS:
                    run.output.note(_QUIET)
                await asyncio.wait([ended], timeout=_LOOK_EVERY_S)
        return ended.result()
    except WorkflowFailureError as error:
        cause = error.cause
        why = cause.message if isinstance(cause, FailureError) else type(cause).__name__
        raise Failure(f"the run has failed: {why} (`history {workflow_id} --out FILE` has all of it)") from None
    finally:
        ended.cancel()


async def _ask(handle: WorkflowHandle[Any, TrackingProgress]) -> TrackingProgress | None:
    """How far the run is; None while nobody answers, who is perhaps busy or just restarted."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            answer: TrackingProgress = await handle.query("progress", result_type=TrackingProgress)
            return answer
    except (RPCError, TimeoutError):
        return None


def _show(bar: Progress, task: TaskID, now: TrackingProgress) -> None:
    if now.phase == "analysing":
        words = f"analysing; {now.detected} with an open sale, {now.enrolled} enrolled"
        bar.update(task, description=words, completed=now.analysed, total=now.to_analyse)
    else:
        bar.update(task, description=now.phase, completed=now.considered, total=None)


def _bar(run: Run) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=run.output.notes,
        disable=not run.output.notes.is_terminal,
        transient=True,
    )
