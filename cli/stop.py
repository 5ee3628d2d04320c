"""`stop`: end a journey for everybody in it, or for one customer; safe to run again after it was cut off."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.failures import DONE, NOT_FOUND, Failure
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.people import known_person, read_phone
from cli.run import Run, execute, require_terminal
from models.enums import JourneyState
from models.tables import Journey
from policies.phones import mask_phone
from reports.documents import StopDocument
from storage.customers import lock_customer
from storage.engine import Database
from storage.journeys import find_journey
from storage.stopping import StoppedOne, count_running, stop_customer, stop_everybody
from storage.stores import StoreParts, required_id

_REASON = "stopped by staff"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stop")(stop)


def stop(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    *,
    customer: Annotated[str | None, typer.Option("--customer", metavar="PHONE", help="Only for this one.")] = None,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """End a journey for everybody in it, or for one customer. Launching it again makes it active again."""
    return execute(lambda run: _stop(run, journey, customer, yes=yes), as_json=as_json, store=store, debug=debug)


async def _stop(run: Run, name: str, written: str | None, *, yes: bool) -> int:
    require_terminal(yes=yes)
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            journey = await find_journey(session, parts.id, name)
            running = await count_running(session, required_id(journey.id))
        if journey.state is JourneyState.ARCHIVED:
            raise Failure(f"{name} is archived: nobody is in it, and nobody enters")
        if written is not None:
            phone = read_phone(written, parts)
            stopped = await _stop_one(run, database, parts, journey, phone, yes=yes)
            told, unpaced = int(stopped.enrollment is not None), int(stopped.unpaced)
            asked_again = stopped.asked_again
        else:
            phone, asked_again = None, False
            if not yes and not run.confirm(f"End {name} for the {running} customers who are in it?"):
                raise Failure("declined; nothing was changed")
            told, unpaced = await _stop_all(run, database, required_id(journey.id), running)
        from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

        delivered = await deliver(database, run.clock)
    run.output.document(
        StopDocument(
            store=parts.store.slug,
            journey=name,
            customer=mask_phone(phone) if phone is not None else None,
            told=told,
            unpaced=unpaced,
            delivered=delivered,
            asked_again=asked_again,
        )
    )
    whose = f" for {mask_phone(phone)}" if phone is not None else ""
    run.output.line(f"{name} is stopped{whose}: {told} running told to end, {unpaced} taken off later days")
    if asked_again:
        run.output.note(
            f"{name} is always on, and whoever was never in it is asked about every day: it may select "
            "them again; `customers opt-out` keeps them out"
        )
    if not delivered:
        run.output.note(
            "Temporal cannot be reached: no more messages are sent, and the gateway tells the workflows later"
        )
    return DONE


async def _stop_all(run: Run, database: Database, journey_id: int, running: int) -> tuple[int, int]:
    """Cut off at any moment, the journey is stopped already, and the next run tells those who are left."""
    notes = run.output.notes
    with Progress(
        TextColumn("telling"), BarColumn(), MofNCompleteColumn(), console=notes, disable=not notes.is_terminal
    ) as progress:
        task = progress.add_task("telling", total=running)
        return await stop_everybody(
            database,
            journey_id,
            reason=_REASON,
            clock=run.clock,
            on_page=lambda count: progress.advance(task, count),
        )


async def _stop_one(
    run: Run, database: Database, parts: StoreParts, journey: Journey, phone: str, *, yes: bool
) -> StoppedOne:
    async with database.read() as session:
        customer = await known_person(session, parts, phone)
    if not yes and not run.confirm(f"End {journey.name} for {mask_phone(phone)}?"):
        raise Failure("declined; nothing was changed")
    async with database.write() as session:
        await lock_customer(session, required_id(customer.id))
        stopped = await stop_customer(session, required_id(journey.id), required_id(customer.id), now=run.clock())
    if not stopped:
        raise Failure(f"{mask_phone(phone)} is not in {journey.name}; `status` tells the whole story", code=NOT_FOUND)
    return stopped
