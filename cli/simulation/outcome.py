"""What a simulation says at its end: the same numbers for a person and, as JSON, for a script."""

from collections import Counter
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from models.enums import ExitReason, LeftOut
from sandbox.whatsapp.books import Books
from storage import simulated
from storage.engine import Database

PURCHASED_ELSEWHERE = "purchased_elsewhere"
_IN = ("entered", "control", "paced")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class AudienceCounts(_Part):
    """Who was considered: `considered` is the sum of the others."""

    considered: int
    entered: int
    control: int
    paced: int
    skipped: dict[str, int]


class MessageCounts(_Part):
    """Accepted messages, by stage (from 1) and by the customer's local hour."""

    sent: int
    by_stage: dict[str, int]
    by_local_hour: dict[str, int]


class OrderCounts(_Part):
    """Orders that belong to a journey, and what they came to."""

    attributed: int
    revenue: dict[str, str]


class ProviderCounts(_Part):
    """The sandbox's own count of what it received, and of what it should not have received."""

    received: int
    duplicates: int
    outside_hours: int
    after_exit: int


class Outcome(_Part):
    """The document of `simulate --json`. `unfinished` counts journeys that were not over at the end, by what for."""

    audience: AudienceCounts
    messages: MessageCounts
    exits: dict[str, int]
    orders: OrderCounts
    provider: ProviderCounts
    unfinished: dict[str, int]
    opened_at: datetime
    virtual_days: int
    wall_seconds: float


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
