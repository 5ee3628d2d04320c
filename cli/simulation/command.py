"""`simulate` and `demo`: weeks of a journey in about a minute, before anybody real gets a message.

The simulated world is loaded when there is something to simulate: a file with a mistake in it is told of at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from cli.failures import DONE, REFUSED, USAGE, Failure
from cli.options import DebugFlag, JsonFlag
from cli.run import Run, execute
from cli.simulation.bars import bar_of_days, bar_of_runs
from cli.simulation.files import read_given, read_journeys
from cli.simulation.options import ZONE, Options, Prices
from cli.simulation.ranges import Rate, are_alternatives, points
from models.enums import JourneyKind
from sandbox.habits import Habits

if TYPE_CHECKING:
    from cli.simulation.document import Outcome
    from cli.simulation.page import Page
    from cli.simulation.several_document import Comparison, Ranged

DEMO_FILE = Path(__file__).parents[2] / "examples" / "win_back.yaml"
_MOST = 1_000_000
_REPLIES, _ORDERS = Rate.parse(str(Habits().replies)), Rate.parse(str(Habits().orders))
_QUIET = "examples/follow_up.yaml --conversations examples/conversations.jsonl"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("simulate")(simulate)
    app.command("demo")(demo)


def _rate(given: str | Rate) -> Rate:
    """What was typed, or the default."""
    try:
        return Rate.parse(str(given))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
    replies: Annotated[
        Rate, typer.Option(parser=_rate, metavar="R", help="Share of messages that are answered: 0.06, or 0.05-0.15.")
    ] = _REPLIES,
    order_rate: Annotated[
        Rate, typer.Option(parser=_rate, metavar="R", help="Share of messages that bring an invented order, likewise.")
    ] = _ORDERS,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same output.")] = 1,
    runs: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Seeds at each point of the ranges; left out, as many as there is time for."),
    ] = None,
    compare: Annotated[
        bool | None,
        typer.Option(
            "--compare/--together",
            help="Two files side by side, each in a world of its own, or in one store; left out, two of a kind are "
            "compared.",
            show_default=False,
        ),
    ] = None,
    price_message: Annotated[int, typer.Option(min=0, max=_MOST, help="Credits for a message.")] = 1,
    price_call: Annotated[int, typer.Option(min=0, max=_MOST, help="Credits for a call of the model.")] = 1,
    tier: Annotated[int | None, typer.Option(min=1, help="WhatsApp's limit of new recipients in 24 hours.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="DIR", help="Write down every request to the outside.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the days as a page with charts, to open in a browser.")
    ] = None,
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
        definitions = read_journeys(files, compare=compare)
        compared = are_alternatives(definitions) if compare is None else compare
        rates = (replies, order_rate)
        several = compared or runs is not None or any(one.is_range for one in rates)
        if customers == "none" and any(one.is_range for one in rates):
            raise Failure("ranges are rates of invented customers: they need --customers demo", code=USAGE)
        if customers == "demo" and replies.high + order_rate.high + Decimal(str(Habits().stops)) > 1:
            run.output.note("replies, orders and STOP together are more than every message: orders give way to replies")
        if several and record is not None:
            raise Failure("--record writes down one run; this asks for several", code=USAGE)
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
        page = _page(html)
        options = Options(
            definitions=definitions,
            orders=given.orders,
            conversations=given.conversations,
            as_of=given.as_of,
            limit=limit,
            days=days,
            habits=Habits(replies=float(replies.low), orders=float(order_rate.low)) if customers == "demo" else None,
            seed=seed,
            tier=tier,
            record=record,
            approve=approve,
            prices=Prices(message=price_message, call=price_call),
        )
        if several:
            await _run_several(run, options, rates, files if compared else (), runs, page)
        else:
            outcome = await _run(run, options, with_story=False, rates=rates, page=page)
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


async def _run(
    run: Run,
    options: Options,
    *,
    with_story: bool,
    rates: tuple[Rate, Rate] | None = None,
    page: "Page | None" = None,
) -> "Outcome":
    from cli.simulation.parts import running_parts  # noqa: PLC0415 - see the module's docstring
    from cli.simulation.past import SimulationError  # noqa: PLC0415 - as above
    from cli.simulation.run import Simulation  # noqa: PLC0415 - as above
    from cli.simulation.show import show_outcome, show_story  # noqa: PLC0415 - as above
    from cli.simulation.story import story_of  # noqa: PLC0415 - as above

    zone = ZoneInfo(ZONE)
    with bar_of_days(run.output, options.days) as watch:
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
        show_outcome(run.output, outcome, options, zone, days=not with_story)
        if story is not None:
            show_story(run.output, story, zone)
    if page is not None and rates is not None:
        page.write_one(options, rates, outcome)
        run.output.line(f"\nWritten: {page.path}")
    return outcome


async def _run_several(
    run: Run,
    options: Options,
    rates: tuple[Rate, Rate],
    compared: Sequence[Path],
    seeds: int | None,
    page: "Page | None",
) -> None:
    """Run at every point of the ranges with several seeds, and each of two compared files in a world of its own."""
    from cli.simulation.collected import comparison, ranged  # noqa: PLC0415 - see the module's docstring
    from cli.simulation.several import Plan, run_all  # noqa: PLC0415 - as above
    from cli.simulation.show_several import show_comparison, show_ranged  # noqa: PLC0415 - as above

    groups = [replace(options, definitions=(one,)) for one in options.definitions] if compared else [options]
    at = points(*rates) if options.habits is not None else ()
    if seeds is None and not any(one.is_range for one in rates):
        seeds = 1
    with bar_of_runs(run.output) as watch:
        found = await run_all(Plan(files=groups, points=at, seed=options.seed, seeds=seeds), watch)
    document: Ranged | Comparison
    if compared:
        document = comparison([str(file) for file in compared], groups, rates, found)
        if not run.output.as_json:
            show_comparison(run.output, document)
    else:
        document = ranged(options, rates, found)
        if not run.output.as_json:
            show_ranged(run.output, document)
    if page is not None:
        page.write(document)
        run.output.line(f"\nWritten: {page.path}")
    run.output.document(document)


def _page(path: Path | None) -> "Page | None":
    """Where the page goes; that it cannot be written is known before anything is run."""
    if path is None:
        return None
    from cli.simulation.page import Page  # noqa: PLC0415 - charts are drawn by a library that loads slowly

    return Page.at(path)


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
