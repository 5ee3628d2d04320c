"""`simulate` and `demo`: weeks of a journey in about a minute, before anybody real gets a message.

The simulated world is loaded when there is something to simulate: a file with a mistake in it is told of at once.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.failures import DONE, REFUSED, Failure
from cli.options import DebugFlag, JsonFlag
from cli.run import Run, execute
from cli.simulation.files import read_given, read_journeys
from cli.simulation.options import ZONE, Options
from models.enums import JourneyKind
from sandbox.habits import Habits

if TYPE_CHECKING:
    from cli.simulation.document import Outcome
    from cli.simulation.run import Progress as Day
    from cli.simulation.run import Watcher

DEMO_FILE = Path(__file__).parents[2] / "examples" / "win_back.yaml"
_SHORTEST_BAR_DAYS = 30
_QUIET = "examples/follow_up.yaml --conversations examples/conversations.jsonl"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("simulate")(simulate)
    app.command("demo")(demo)


OrdersFile = Annotated[Path | None, typer.Option(help="Order history (CSV); without it a small shop is made up.")]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="The files' day that counts as today; the first of the conversations, else the last of the orders.",
    ),
]
ConversationsPath = Annotated[
    Path | None,
    typer.Option("--conversations", help="Conversations and carts (JSONL), for all kinds but win-backs."),
]
SkipBadRows = Annotated[bool, typer.Option("--skip-bad-rows", help="Use the good rows of a broken file.")]


def simulate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Journey files.")],
    *,
    orders: OrdersFile = None,
    conversations: ConversationsPath = None,
    as_of: AsOf = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many entrants of a win-back.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=800, help="Stop after so many virtual days.")] = None,
    customers: Annotated[
        Literal["none", "demo"], typer.Option(help="Whether customers also reply, opt out and buy by invention.")
    ] = "demo",
    replies: Annotated[float, typer.Option(min=0, max=1, help="Share of messages that are answered.")] = 0.06,
    order_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of messages that bring an invented order.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same output.")] = 1,
    tier: Annotated[int | None, typer.Option(min=1, help="WhatsApp's limit of new recipients in 24 hours.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="DIR", help="Write down every request to the outside.")] = None,
    approve: Annotated[
        bool | None,
        typer.Option(
            "--approve/--no-approve",
            help="Whether people approve what waits for them; left out, only what a tracking journey suggests.",
            show_default=False,
        ),
    ] = None,
    skip_bad_rows: SkipBadRows = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> int:
    """Run journeys with the real workflows, gateway and database against a sandbox, weeks in about a minute."""

    async def work(run: Run) -> int:
        definitions = read_journeys(files)
        if limit is not None and all(one.kind is not JourneyKind.WIN_BACK for one in definitions):
            raise Failure(
                "--limit is for win-backs; the others have sending.max_per_day, tracking also max_conversations",
                code=REFUSED,
            )
        given = read_given(
            run.output,
            definitions,
            orders=orders,
            conversations=conversations,
            as_of=as_of.date() if as_of else None,
            seed=seed,
            skip_bad_rows=skip_bad_rows,
        )
        if record is not None and record.exists() and any(record.iterdir()):
            raise Failure(f"{record} is not empty; a recording needs a directory of its own", code=REFUSED)
        options = Options(
            definitions=definitions,
            orders=given.orders,
            conversations=given.conversations,
            as_of=given.as_of,
            limit=limit,
            days=days,
            habits=Habits(replies=replies, orders=order_rate) if customers == "demo" else None,
            seed=seed,
            tier=tier,
            record=record,
            approve=approve,
        )
        outcome = await _run(run, options, with_story=False)
        run.output.document(outcome)
        return DONE

    return execute(work, as_json=as_json, store=None, debug=debug)


def demo(
    *,
    orders: OrdersFile = None,
    as_of: AsOf = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same shop.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many entrants.")] = None,
    skip_bad_rows: SkipBadRows = False,
    debug: DebugFlag = False,
) -> int:
    """See a win-back run from launch to report, with no account anywhere."""

    async def work(run: Run) -> int:
        definitions = read_journeys([DEMO_FILE])
        given = read_given(
            run.output,
            definitions,
            orders=orders,
            conversations=None,
            as_of=as_of.date() if as_of else None,
            seed=seed,
            skip_bad_rows=skip_bad_rows,
        )
        options = Options(definitions=definitions, orders=given.orders, as_of=given.as_of, seed=seed, limit=limit)
        run.output.line(f"Simulating {DEMO_FILE.relative_to(DEMO_FILE.parents[1])}: real workflows, real database, ")
        run.output.line("a sandbox for WhatsApp, Shopify and the language model, and a virtual clock.")
        await _run(run, options, with_story=True)
        _show_next_steps(run)
        return DONE

    return execute(work, as_json=False, store=None, debug=debug)


async def _run(run: Run, options: Options, *, with_story: bool) -> "Outcome":
    from cli.simulation.parts import running_parts  # noqa: PLC0415 - see the module's docstring
    from cli.simulation.past import SimulationError  # noqa: PLC0415 - as above
    from cli.simulation.run import Simulation  # noqa: PLC0415 - as above
    from cli.simulation.show import show_outcome, show_story  # noqa: PLC0415 - as above
    from cli.simulation.story import story_of  # noqa: PLC0415 - as above

    zone = ZoneInfo(ZONE)
    with _progress(run, options) as watch:
        async with running_parts(options) as parts:
            simulation = Simulation(options, parts)
            try:
                await simulation.launch()
                await simulation.run_days(watch)
            except SimulationError as error:
                raise Failure(str(error), code=REFUSED) from error
            outcome = await simulation.outcome()
            story = await story_of(parts.services.database, zone) if with_story else None
    if not run.output.as_json:
        show_outcome(run.output, outcome, options, zone)
        if story is not None:
            show_story(run.output, story, zone)
    return outcome


@contextlib.contextmanager
def _progress(run: Run, options: Options) -> Iterator["Watcher"]:
    """A bar by virtual day on stderr."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
        console=run.output.notes,
        transient=True,
        disable=not run.output.notes.is_terminal,
    )
    with bar:
        task = bar.add_task("selecting the audience", total=None, counts="")

        def watch(day: "Day") -> None:
            total = options.days or max(_SHORTEST_BAR_DAYS, day.day + 1)
            counts = f"{day.open} in a journey, {day.closed} over, {day.sent} messages"
            bar.update(task, description=f"day {day.day}", completed=day.day, total=total, counts=counts)

        yield watch


def _show_next_steps(run: Run) -> None:
    run.output.line()
    run.output.line("Where to go next", style="bold")
    for line in (
        "write your own:       cp examples/win_back_minimal.yaml my_journey.yaml   (see docs/journey-file.md)",
        "check it:             .venv/bin/python starter.py validate my_journey.yaml",
        "on your own orders:   .venv/bin/python starter.py simulate my_journey.yaml --orders orders.csv",
        f"quiet conversations:  .venv/bin/python starter.py simulate {_QUIET}",
        "the whole stack:      make up   and beside it   .venv/bin/python starter.py launch my_journey.yaml",
    ):
        run.output.line(f"  {line}")
