"""The document of `simulate --json`: what one simulation counted at its end, and on each of its days."""

from datetime import date

from reports.documents import Document, Moment
from reports.runs import RunFigures


class AudienceCounts(Document):
    """Who was considered: `considered` is the sum of the others."""

    considered: int
    entered: int
    control: int
    paced: int
    skipped: dict[str, int]


class MessageCounts(Document):
    """Accepted messages, by stage (from 1) and by the customer's local hour."""

    sent: int
    by_stage: dict[str, int]
    by_local_hour: dict[str, int]


class OrderCounts(Document):
    """Orders that belong to a journey, and what they came to."""

    attributed: int
    revenue: dict[str, str]


class ProviderCounts(Document):
    """The sandbox's own count of what it received, and of what it should not have received."""

    received: int
    duplicates: int
    outside_hours: int
    after_exit: int


class ReviewCounts(RunFigures):
    """All runs of the tracking journeys together; a conversation counts in each run that considered it.

    Attributes:
        runs: how many there were; `stopped` of them did not get through.
        cost: its credits are what the calls of the model would be charged at the store's price for each.
    """

    runs: int
    stopped: int


class CreditCounts(Document):
    """What a ledger would have charged: a message once, a call of the model each time.

    Attributes:
        messages: credits for them; so for `calls`, of the model.
        message_price: in whole credits; so for `call_price`.
    """

    spent: int
    messages: int
    calls: int
    message_price: int
    call_price: int


class DayCounts(Document):
    """A store-local day; the first begins with the opening, and the last ends with the simulation.

    Attributes:
        day: from 1.
        date: on the virtual calendar.
        entered: passages that began.
        holds: stages that began to wait, by what for.
        capped: who had to wait for a limit: `max_per_day`, told that the day has no room; `portfolio_limit`, held.
        revenue: of the orders of this day that belong to a journey; every currency of the simulation.
    """

    day: int
    date: date
    entered: int
    sent: int
    holds: dict[str, int]
    capped: dict[str, int]
    credits: int
    orders: int
    revenue: dict[str, str]


class Outcome(Document):
    """What `simulate --json` answers with for one simulation.

    Attributes:
        days: each of them, also the uneventful ones.
        reviews: what the runs came to; null without a tracking journey.
        unfinished: counts journeys that were not over at the end, by what for.
    """

    audience: AudienceCounts
    messages: MessageCounts
    exits: dict[str, int]
    orders: OrderCounts
    provider: ProviderCounts
    reviews: ReviewCounts | None
    unfinished: dict[str, int]
    credits: CreditCounts
    days: list[DayCounts]
    opened_at: Moment
    virtual_days: int
    wall_seconds: float
