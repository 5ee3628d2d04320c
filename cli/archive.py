"""`archive`: put a journey that is over away, or take it out again; its numbers stay readable."""

from typing import Annotated

import typer

from cli.documents import ArchiveDocument
from cli.failures import DONE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from storage.archiving import NotArchivableError, archive, held_out, unarchive
from storage.stores import required_id


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("archive")(archive_journey)


def archive_journey(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take it out of the archive; it is stopped then.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Put a journey in which nobody is any more into the archive.

    It leaves the list of `journeys`, its name stays taken and its numbers stay readable. It is neither launched nor
    published before --undo takes it out again.
    """
    return execute(lambda run: _archive(run, journey, undo=undo), as_json=as_json, store=store, debug=debug)


async def _archive(run: Run, name: str, *, undo: bool) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                if undo:
                    journey, changed = await unarchive(session, parts.id, name, now=run.clock())
                else:
                    journey, changed = await archive(session, parts.id, name, now=run.clock())
            except NotArchivableError as error:
                raise Failure(str(error)) from None
            control = await held_out(session, required_id(journey.id))
    run.output.document(
        ArchiveDocument(
            store=parts.store.slug, journey=journey.name, state=journey.state, changed=changed, control=control
        )
    )
    if undo and not changed:
        run.output.line(f"{name} is not in the archive; it is {journey.state.value}")
    elif undo:
        run.output.line(f"{name} is out of the archive, and stopped: nobody enters before `launch FILE`")
    else:
        run.output.line(f"{name} is archived{'' if changed else ' already'}")
        if control:
            run.output.line(f"{control} customers stay held out of other journeys until their horizon is over")
    return DONE
