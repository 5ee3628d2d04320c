"""`journeys`: every journey of the store, who is in it, and how it ended for the others."""

import typer

from cli.documents import JourneyLine, JourneysDocument
from cli.failures import DONE
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from cli.wording import PURCHASED_ELSEWHERE
from models.enums import EnrollmentState, ExitReason
from storage.journeys import summaries
from storage.lookup import count_attributed_exits
from storage.stores import required_id


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("journeys")(journeys)


def journeys(*, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """List the journeys with who is in them and how it ended."""
    return execute(_journeys, as_json=as_json, store=store, debug=debug)


async def _journeys(run: Run) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        lines = []
        async with database.read() as session:
            for one in await summaries(session, parts.id):
                own = await count_attributed_exits(session, required_id(one.journey.id))
                lines.append(
                    JourneyLine(
                        name=one.journey.name,
                        kind=one.journey.kind,
                        priority=one.journey.priority,
                        state=one.journey.state,
                        state_reason=one.journey.state_reason,
                        versions=one.versions,
                        enrollments={state.value: one.by_state[state] for state in EnrollmentState},
                        exits=_exits(one.by_exit, own),
                        paced=one.paced,
                    )
                )
    run.output.document(JourneysDocument(store=parts.store.slug, journeys=lines))
    if not lines:
        run.output.line("There are no journeys yet: `launch FILE` starts one.")
        return DONE
    run.output.table(
        ["journey", "state", "priority#", "version#", "running#", "control#", "paced#", "ended#", "how it ended"],
        [_row(line) for line in lines],
    )
    return DONE


def _exits(by_exit: dict[ExitReason, int], own: int) -> dict[str, int]:
    """Every word, purchases split by attribution."""
    counts = {reason.value: by_exit[reason] for reason in ExitReason}
    elsewhere = counts[ExitReason.PURCHASED] - own
    counts[ExitReason.PURCHASED] = own
    return {**counts, PURCHASED_ELSEWHERE: elsewhere}


def _row(line: JourneyLine) -> list[str]:
    over, control = line.enrollments[EnrollmentState.CLOSED], line.enrollments[EnrollmentState.CONTROL]
    running = sum(line.enrollments.values()) - over - control
    ended = ", ".join(f"{reason} {count}" for reason, count in line.exits.items() if count)
    state = line.state.value if line.state_reason is None else f"{line.state.value} ({line.state_reason})"
    newest = max(line.versions, default=0)
    return [line.name, state, *(str(n) for n in (line.priority, newest, running, control, line.paced, over)), ended]
