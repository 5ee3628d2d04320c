"""The same simulation several times: at every point of the ranges, with more than one seed, or with another journey.

Two run at a time, each in a process of its own.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cli.failures import Failure
from cli.simulation.apart import lane
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.ranges import Point
from sandbox.habits import Habits

LANES = 2
"""A simulation keeps a core busy with the world, and the better part of another with the workflows."""
_MOST_SEEDS = 5
_TAKES_S = 120
"""How long all runs together should take, where nobody has said how often to run."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run to be made.

    Attributes:
        file: the place of the options that it is made with.
        point: its rates; None where people do nothing by invention.
    """

    file: int
    point: Point | None
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far they are: runs that are over, runs that are planned, and the latest day of those under way."""

    over: int
    planned: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run.

    Attributes:
        files: what to simulate, each in a world of its own; their habits and seeds are replaced.
        points: the rates; empty where people do nothing by invention.
        seed: the first one; the others follow it.
        seeds: how many at each point; None for as many as there is time for, by the first run's.
    """

    files: Sequence[Options]
    points: Sequence[Point]
    seed: int
    seeds: int | None

    def trials(self, seeds: int) -> Iterator[Trial]:
        """Every run with so many seeds; fewer seeds give the beginning of the same list."""
        for number in range(seeds):
            for point in self.points or (None,):
                for file in range(len(self.files)):
                    yield Trial(file, point, self.seed + number)

    def options(self, trial: Trial) -> Options:
        """What the run is asked for."""
        habits = Habits(replies=trial.point.replies, orders=trial.point.orders) if trial.point is not None else None
        return replace(self.files[trial.file], habits=habits, seed=trial.seed)

    def seeds_in_time(self, run_s: float) -> int:
        """How many seeds there is time for, if a run takes so many seconds."""
        of_a_seed = len(self.files) * max(len(self.points), 1)
        return min(max(int(_TAKES_S * LANES / run_s / of_a_seed), 1), _MOST_SEEDS)


async def run_all(plan: Plan, watch: Callable[[Progress], None]) -> dict[Trial, Outcome]:
    """Make every run; they come back in the order of the plan.

    Raises:
        Failure: one of them could not be made; the others are broken off.
    """
    making = _Making(plan, watch)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(LANES, len(making.trials))):
                group.create_task(making.drive())
    except* Failure as failures:
        raise failures.exceptions[0] from None
    return {trial: making.done[trial] for trial in making.trials}


class _Making:
    """Runs under way."""

    def __init__(self, plan: Plan, watch: Callable[[Progress], None]) -> None:
        self._plan = plan
        self._watch = watch
        self._begun = 0
        self._planned_in_time = plan.seeds is not None
        self.trials = list(plan.trials(plan.seeds or 1))
        self.done: dict[Trial, Outcome] = {}

    async def drive(self) -> None:
        """Make one run after the other in one lane, as long as there are any."""
        async with lane() as there:
            while self._begun < len(self.trials):
                trial, began = self.trials[self._begun], time.monotonic()
                self._begun += 1
                self.done[trial] = await there.simulate(self._plan.options(trial), self._passed)
                self._plan_more(time.monotonic() - began)
                self._watch(Progress(len(self.done), len(self.trials), 0))

    def _plan_more(self, run_s: float) -> None:
        """The first run that is over tells how many seeds there is time for."""
        if not self._planned_in_time:
            self._planned_in_time = True
            self.trials = list(self._plan.trials(self._plan.seeds_in_time(run_s)))

    def _passed(self, day: int) -> None:
        self._watch(Progress(len(self.done), len(self.trials), day))
