"""`pause` and `resume`: nothing of a journey is sent in between, and nobody leaves because of it."""

from typing import Annotated

import typer

from cli.documents import PauseDocument
from cli.failures import DONE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from models.enums import JourneyKind
from models.tables import Journey
from storage.daily_selections import selection_of
from storage.pausing import Missed, NotPausableError, pause, resume
from storage.stores import required_id

_MISSED = "What came due during the pause: send it now, or skip it and go on with the next message."
Name = Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pause")(pause_journey)
    app.command("resume")(resume_journey)


def pause_journey(
    journey: Name,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown by `journeys`.")] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Send nothing of a journey until it is resumed; nobody leaves it because of that."""
    return execute(lambda run: _pause(run, journey, reason), as_json=as_json, store=store, debug=debug)


def resume_journey(
    journey: Name,
    *,
    missed: Annotated[Missed, typer.Option("--missed", help=_MISSED)] = Missed.SEND,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Let a paused journey send again; whoever was due goes on within the sending hours."""
    return execute(lambda run: _resume(run, journey, missed), as_json=as_json, store=store, debug=debug)


async def _pause(run: Run, name: str, reason: str | None) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                journey, changed = await pause(session, parts.id, name, reason=reason, now=run.clock())
            except NotPausableError as error:
                raise Failure(str(error)) from None
            runs_by_the_clock = (
                journey.kind is JourneyKind.TRACKING or await selection_of(session, required_id(journey.id)) is not None
            )
        # Messages: the claim of the next one finds the journey paused. Only a schedule has to hear of it.
        delivered = True
        if changed and runs_by_the_clock:
            from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

            delivered = await deliver(database, run.clock)
    _tell(run, parts.store.slug, journey, changed=changed, delivered=delivered)
    if not delivered:
        run.output.note("Temporal cannot be reached: a run that begins meanwhile finds the journey paused and ends")
    return DONE


async def _resume(run: Run, name: str, missed: Missed) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                journey, changed = await resume(session, parts.id, name, now=run.clock(), missed=missed)
            except NotPausableError as error:
                raise Failure(str(error)) from None
        delivered = True
        if changed:
            from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

            delivered = await deliver(database, run.clock)
    _tell(run, parts.store.slug, journey, changed=changed, delivered=delivered)
    if not delivered:
        run.output.note("Temporal cannot be reached: the gateway tells the workflows later")
    return DONE


def _tell(run: Run, store: str, journey: Journey, *, changed: bool, delivered: bool) -> None:
    run.output.document(
        PauseDocument(
            store=store,
            journey=journey.name,
            state=journey.state,
            state_reason=journey.state_reason,
            changed=changed,
            delivered=delivered,
        )
    )
    already = "" if changed else " already"
    run.output.line(f"{journey.name} is {journey.state.value}{already}")
