"""`runs`: what the runs of a tracking journey came to, or one of them conversation by conversation."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.failures import DONE, NOT_FOUND, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.output import Output
from cli.people import store_zone
from cli.run import Run, execute
from models.enums import BuyingIntent, JourneyKind, ReviewOutcome
from reports.documents import ReviewLine
from reports.runs import RunLine, RunsDocument, run_document, runs_document
from reports.wording import OUTCOMES, local_time
from storage.engine import LARGEST_ID
from storage.journeys import find_journey

_RUNS = 10
_CONVERSATIONS = 200


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("runs")(runs)


def runs(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The tracking journey's name.")],
    *,
    run_id: Annotated[
        int | None,
        typer.Option("--run", metavar="ID", min=1, max=LARGEST_ID, help="List what one run came to about everybody."),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option("--after", min=1, max=LARGEST_ID, help="With --run: those behind this one, `next` of --json."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, max=1000, help=f"At most so many: {_RUNS} runs, or {_CONVERSATIONS} conversations."
        ),
    ] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """What each run came to: considered, left out and why, analysed, detected, enrolled, and what became of those."""
    return execute(
        lambda run: _runs(run, journey, run_id, after=after, limit=limit), as_json=as_json, store=store, debug=debug
    )


async def _runs(run: Run, name: str, run_id: int | None, *, after: int | None, limit: int | None) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            journey = await find_journey(session, parts.id, name)
            if journey.kind is not JourneyKind.TRACKING:
                raise Failure(f"{name} is no tracking journey: it has no runs", code=NOT_FOUND)
            if run_id is None:
                document = await runs_document(session, parts, journey, limit=limit or _RUNS)
            else:
                found = await run_document(session, parts, journey, run_id, after=after, limit=limit or _CONVERSATIONS)
                if found is None:
                    raise Failure(f"{name} has no run {run_id}; `runs {name}` lists them", code=NOT_FOUND)
                document = found
    run.output.document(document)
    _show(run.output, document, store_zone(parts))
    return DONE


def _show(output: Output, document: RunsDocument, zone: ZoneInfo) -> None:
    if not document.runs:
        output.line(f"{document.journey} has had no run yet.")
    for one in document.runs:
        _show_run(output, one, zone)
    if document.conversations is None:
        return
    output.table(
        ["review#", "#", "customer", "phone", f"wrote ({zone.key})", "came to", "intent", "seen", "asked"],
        [_row(one, zone) for one in document.conversations],
    )
    if document.next is not None:
        output.line(f"There are more: --after {document.next} shows the next ones.")


def _row(one: ReviewLine, zone: ZoneInfo) -> list[str]:
    return [
        str(one.review_id),
        "" if one.position is None else str(one.position),
        one.first_name or one.customer_id or "(no name)",
        one.phone or "no phone",
        f"{one.wrote_at.astimezone(zone):%Y-%m-%d %H:%M}",
        one.reason.value if one.reason is not None else one.outcome.value,
        one.intent.value if one.intent is not None else "",
        one.seen,
        one.threshold,
    ]


def _show_run(output: Output, one: RunLine, zone: ZoneInfo) -> None:
    why = f" ({one.stop_reason})" if one.stop_reason is not None else ""
    output.line(f"run {one.run_id}, {local_time(one.started_at, zone)}: {one.state.value}{why}", style="bold")
    if not one.selected:
        output.line("  not everybody has been considered yet")
    output.line(f"  considered {one.considered}, analysed {one.analysed}, waiting for the model {one.waiting}")
    for reason, count in one.left_out.items():
        if count:
            output.line(f"  left out {count}: {OUTCOMES.get(reason, reason)}")
    levels = ", ".join(
        f"{one.detected[level]} {level.value}" for level in reversed(BuyingIntent) if one.detected[level]
    )
    outcomes = one.outcomes
    output.line(
        f"  detected {sum(one.detected.values())}{f' ({levels})' if levels else ''}, "
        f"verified {one.verified} of which {one.bought_before} had bought, "
        f"enrolled {outcomes[ReviewOutcome.ENROLLED]}, reported {outcomes[ReviewOutcome.REPORTED]}, "
        f"control {outcomes[ReviewOutcome.CONTROL]}"
    )
    output.line(
        f"  opted out {outcomes[ReviewOutcome.OPTED_OUT]}, unreadable {outcomes[ReviewOutcome.UNREADABLE]}, "
        f"not followed up yet {outcomes[ReviewOutcome.DETECTED]}"
    )
    output.line(
        f"  reached {one.reached}, still to be written to {one.undecided}; answered {one.answered}, bought {one.bought}"
    )
    for reason, count in one.not_reached.items():
        if count:
            output.line(f"  not reached {count}: {reason.replace('_', ' ')}")
    cost = one.cost
    output.line(
        f"  cost {cost.calls} calls, {cost.prompt_tokens} + {cost.completion_tokens} tokens, {cost.credits} credits"
    )
