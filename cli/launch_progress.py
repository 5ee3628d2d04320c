"""How far a launch has come, as one bar: every customer is read from the shop, judged, and started or given a day."""

from types import TracebackType
from typing import Final, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from cli.run import Run

_PASSES: Final = 3


class LaunchProgress:
    """A bar over three passes over the same customers; use as a context manager.

    Args:
        run: whose notes it is drawn on, if a person reads them.
        considered: how many customers there are, where that is known.
    """

    def __init__(self, run: Run, *, considered: int | None = None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[customers]}"),
            console=run.output.notes,
            disable=not run.output.notes.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, customers="")
        self._considered = considered

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def reading(self, read: int, total: int) -> None:
        """So many have been read; the shop may have more by now than it said at first."""
        self._considered = max(read, total)
        self._show("reading the shop", 0, read)

    def deciding(self, left: int, considered: int) -> None:
        """The rules have been asked about all but so many."""
        self._considered = considered
        self._show("asking the rules", 1, considered - left)

    def starting(self, left: int) -> None:
        """All but so many are started, or have a later day."""
        self._show("starting", 2, (self._considered or 0) - left)

    @property
    def share(self) -> float:
        """How much of the whole launch is done, 0 to 1."""
        task = self._progress.tasks[0]
        return task.completed / task.total if task.total else 0.0

    def _show(self, words: str, passes: int, done: int) -> None:
        considered = self._considered or 0
        self._progress.update(
            self._task,
            description=words,
            completed=passes * considered + done,
            total=_PASSES * considered or None,
            customers=f"{max(done, 0):,} of {considered:,} customers",
        )
