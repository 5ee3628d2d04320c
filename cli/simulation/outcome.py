"""What a simulation says at its end: the same numbers for a person and, as JSON, for a script."""

from collections import Counter
from datetime import datetime

from cli.simulation.document import AudienceCounts, MessageCounts, OrderCounts, Outcome, ProviderCounts
from models.enums import ExitReason, LeftOut
from sandbox.whatsapp.books import Books
from storage import simulated
from storage.engine import Database

PURCHASED_ELSEWHERE = "purchased_elsewhere"


async def collect(
    database: Database, books: Books, *, stages: int, opened_at: datetime, virtual_days: int, wall_seconds: float
) -> Outcome:
    """Count everything, from the database's rows and from the sandbox's own books."""
    async with database.read() as session:
        outcomes = await simulated.outcomes(session)
        sent = await simulated.sent_messages(session)
        exits = await simulated.exits(session)
        attributed, revenue = await simulated.attributed(session)
        unfinished = await simulated.unfinished(session)
    by_stage = Counter(message.stage for message in sent)
    by_hour = Counter(message.local_hour for message in sent)
    return Outcome(
        audience=AudienceCounts(
            considered=outcomes.total(),
            entered=outcomes["entered"],
            control=outcomes["control"],
            paced=outcomes["paced"],
            skipped={reason.value: outcomes[reason.value] for reason in LeftOut if reason is not LeftOut.PACED},
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
        unfinished=dict(sorted(unfinished.items())),
        opened_at=opened_at,
        virtual_days=virtual_days,
        wall_seconds=round(wall_seconds, 2),
    )


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
