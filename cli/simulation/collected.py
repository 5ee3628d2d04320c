"""Makes the documents of several runs out of what each of them came to."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.ranges import Point, Rate
from cli.simulation.several import Trial
from cli.simulation.several_document import (
    Assumptions,
    Between,
    Comparison,
    FileDocument,
    PointDocument,
    Ranged,
    RunDocument,
)
from cli.simulation.tallies import of_outcome, spread_of, spread_of_outcomes
from sandbox.habits import Habits


def ranged(options: Options, rates: tuple[Rate, Rate], found: Mapping[Trial, Outcome]) -> Ranged:
    """The document of several runs of the same journeys."""
    outcomes = list(found.values())
    return Ranged(
        journeys=[one.name for one in options.definitions],
        assumed=assumptions(options, rates, sorted({trial.seed for trial in found})),
        runs=_runs(found),
        points=_points(found),
        spread=spread_of_outcomes(outcomes),
    )


def comparison(
    names: Sequence[str], files: Sequence[Options], rates: tuple[Rate, Rate], found: Mapping[Trial, Outcome]
) -> Comparison:
    """The document of two files side by side.

    Args:
        names: the files', as they were given.
        files: what was run of each.
        rates: of replies and orders.
        found: every run of both.
    """
    parted = [{trial: one for trial, one in found.items() if trial.file == place} for place in range(len(files))]
    pairs = zip(*(part.values() for part in parted), strict=True)
    return Comparison(
        assumed=assumptions(files[0], rates, sorted({trial.seed for trial in found})),
        files=[
            FileDocument(
                file=name,
                journey=options.definitions[0].name,
                runs=_runs(part),
                points=_points(part),
                spread=spread_of_outcomes(list(part.values())),
            )
            for name, options, part in zip(names, files, parted, strict=True)
        ],
        difference=spread_of([of_outcome(second) - of_outcome(first) for first, second in pairs]),
    )


def assumed_in(options: Options) -> Assumptions:
    """What a single simulation rests on."""
    habits = options.habits or Habits()
    replies, orders = Decimal(str(habits.replies)), Decimal(str(habits.orders))
    rates = (Rate(replies, replies), Rate(orders, orders))
    return assumptions(options, rates, [options.seed])


def assumptions(options: Options, rates: tuple[Rate, Rate], seeds: Sequence[int]) -> Assumptions:
    """What the runs rest on."""
    replies, orders = rates
    invents = options.habits is not None
    return Assumptions(
        replies=Between(low=float(replies.low), high=float(replies.high)) if invents else None,
        order_rate=Between(low=float(orders.low), high=float(orders.high)) if invents else None,
        stops=Habits().stops if invents else None,
        seeds=list(seeds),
        as_of=options.as_of,
        message_price=options.prices.message,
        call_price=options.prices.call,
    )


def _runs(found: Mapping[Trial, Outcome]) -> list[RunDocument]:
    return [
        RunDocument(
            replies=trial.point.replies if trial.point is not None else None,
            order_rate=trial.point.orders if trial.point is not None else None,
            seed=trial.seed,
            outcome=outcome,
        )
        for trial, outcome in found.items()
    ]


def _points(found: Mapping[Trial, Outcome]) -> list[PointDocument]:
    at: dict[Point | None, list[Outcome]] = {}
    for trial, outcome in found.items():
        at.setdefault(trial.point, []).append(outcome)
    documents = []
    for point, outcomes in at.items():
        spread = spread_of([of_outcome(one) for one in outcomes])
        documents.append(
            PointDocument(
                replies=point.replies if point is not None else None,
                order_rate=point.orders if point is not None else None,
                runs=len(outcomes),
                figures=spread.figures,
                revenue=spread.revenue,
            )
        )
    return documents
