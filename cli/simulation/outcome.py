"""What a simulation says at its end: the same numbers for a person and, as JSON, for a script."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cli.simulation.document import (
    AudienceCounts,
    CreditCounts,
    DayCounts,
    MessageCounts,
    OrderCounts,
    Outcome,
    ProviderCounts,
    ReviewCounts,
)
from cli.simulation.options import ZONE, Prices
from models.enums import CreditKind, ExitReason, HoldReason, LeftOut, ReviewOutcome
from models.journey import JourneyDefinition, Tracking
from models.money import Money
from reports.runs import run_figures
from sandbox.whatsapp.books import Books
from storage import simulated, simulated_days, simulated_runs
from storage.engine import Database
from storage.simulated_days import DayFacts
from storage.simulated_runs import RunTotals

PURCHASED_ELSEWHERE = "purchased_elsewhere"
_NO_REASON = frozenset({ReviewOutcome.LEFT_OUT, ReviewOutcome.ENROLLED, ReviewOutcome.CONTROL})
"""Outcomes of a review that `audience` counts otherwise."""


async def collect(
    database: Database,
    books: Books,
    *,
    definitions: Sequence[JourneyDefinition],
    opened_at: datetime,
    virtual_days: int,
    wall_seconds: float,
    prices: Prices,
) -> Outcome:
    """Count everything, from the database's rows and from the sandbox's own books."""
    async with database.read() as session:
        outcomes = await simulated.outcomes(session)
        sent = await simulated.sent_messages(session)
        exits = await simulated.exits(session)
        attributed, revenue = await simulated.attributed(session)
        unfinished = await simulated.unfinished(session)
        reviewing = any(isinstance(one, Tracking) for one in definitions)
        runs = await simulated_runs.totals(session) if reviewing else None
        facts = await simulated_days.days(session, opened_at, opened_at + timedelta(days=virtual_days), ZoneInfo(ZONE))
    stages = max(len(one.stages) for one in definitions)
    by_stage = Counter(message.stage for message in sent)
    by_hour = Counter(message.local_hour for message in sent)
    return Outcome(
        audience=AudienceCounts(
            considered=outcomes.total(),
            entered=outcomes["entered"],
            control=outcomes["control"],
            paced=outcomes["paced"],
            skipped=_skipped(outcomes, reviewing=reviewing),
        ),
        messages=MessageCounts(
            sent=len(sent),
            by_stage={str(stage): by_stage[stage] for stage in range(1, stages + 1)},
            by_local_hour={str(hour): by_hour[hour] for hour in sorted(by_hour)},
        ),
        exits=_exits(exits),
        orders=OrderCounts(
            attributed=attributed, revenue={currency: str(money.amount) for currency, money in sorted(revenue.items())}
        ),
        provider=ProviderCounts(**books.counts()),
        reviews=_reviews(runs) if runs is not None else None,
        unfinished=dict(sorted(unfinished.items())),
        credits=_credits(facts, prices),
        days=_days(facts),
        opened_at=opened_at,
        virtual_days=virtual_days,
        wall_seconds=round(wall_seconds, 2),
    )


def _credits(facts: Sequence[DayFacts], prices: Prices) -> CreditCounts:
    spent = sum((one.credits for one in facts), Counter[CreditKind]())
    return CreditCounts(
        spent=spent.total(),
        messages=spent[CreditKind.MESSAGE],
        calls=spent.total() - spent[CreditKind.MESSAGE],
        message_price=prices.message,
        call_price=prices.call,
    )


def _days(facts: Sequence[DayFacts]) -> list[DayCounts]:
    currencies = sorted({currency for one in facts for currency in one.revenue})
    return [
        DayCounts(
            day=number,
            date=one.day,
            entered=one.entered,
            sent=one.sent,
            holds={reason.value: one.holds[reason] for reason in HoldReason},
            capped={"max_per_day": one.put_off, "portfolio_limit": one.holds[HoldReason.PORTFOLIO_LIMIT]},
            credits=one.credits.total(),
            orders=one.orders,
            revenue={currency: str(Money(one.revenue[currency], currency).amount) for currency in currencies},
        )
        for number, one in enumerate(facts, start=1)
    ]


def _skipped(outcomes: Counter[str], *, reviewing: bool) -> dict[str, int]:
    """By reason, every reason named; with tracking journeys also what a verdict came to, if not to an entry."""
    words = [reason.value for reason in LeftOut if reason is not LeftOut.PACED]
    if reviewing:
        words += [one.value for one in ReviewOutcome if one not in _NO_REASON]
    return {word: outcomes[word] for word in words}


def _reviews(found: RunTotals) -> ReviewCounts:
    return ReviewCounts(runs=found.runs, stopped=found.stopped, **dict(run_figures(found)))


def _exits(exits: Counter[tuple[ExitReason, bool]]) -> dict[str, int]:
    """By reason, every reason named; a purchase that belongs to no message of ours is `purchased_elsewhere`."""
    counts: dict[str, int] = {}
    for reason in ExitReason:
        if reason is ExitReason.PURCHASED:
            counts[reason.value] = exits[reason, True]
            counts[PURCHASED_ELSEWHERE] = exits[reason, False]
        else:
            counts[reason.value] = exits[reason, False] + exits[reason, True]
    return counts
