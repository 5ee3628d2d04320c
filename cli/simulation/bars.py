"""How far a simulation has come, as a bar on stderr: by virtual day, or by run where there are several."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import Output

if TYPE_CHECKING:
    from cli.simulation.run import Progress as Day
    from cli.simulation.run import Watcher
    from cli.simulation.several import Progress as Runs

_SHORTEST_BAR_DAYS = 30


@contextlib.contextmanager
def bar_of_days(output: Output, days: int | None) -> Iterator["Watcher"]:
    """A bar by virtual day.

    Args:
        output: of the command.
        days: after which it ends; None where it ends by itself.
    """
    with _bar(output) as bar:
        task = bar.add_task("selecting the audience", total=None, counts="")

        def watch(day: "Day") -> None:
            total = days or max(_SHORTEST_BAR_DAYS, day.day + 1)
            counts = f"{day.open} in a journey, {day.closed} over, {day.sent} messages"
            bar.update(task, description=f"day {day.day}", completed=day.day, total=total, counts=counts)

        yield watch


@contextlib.contextmanager
def bar_of_runs(output: Output) -> Iterator["Callable[[Runs], None]"]:
    """A bar by run."""
    with _bar(output) as bar:
        task = bar.add_task("runs", total=None, counts="")

        def watch(runs: "Runs") -> None:
            day = f", day {runs.day}" if runs.day else ""
            bar.update(task, completed=runs.over, total=runs.planned, counts=f"{runs.over} of {runs.planned}{day}")

        yield watch


def _bar(output: Output) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
        console=output.notes,
        transient=True,
        disable=not output.notes.is_terminal,
    )
