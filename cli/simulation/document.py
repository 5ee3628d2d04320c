"""The document of `simulate --json`: what a simulation counted at its end."""

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


class Outcome(Document):
    """The document of `simulate --json`.

    Attributes:
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
    opened_at: Moment
    virtual_days: int
    wall_seconds: float
