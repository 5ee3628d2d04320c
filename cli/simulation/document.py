"""The document of `simulate --json`: what a simulation counted at its end."""

from reports.documents import Document, Moment


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


class Outcome(Document):
    """The document of `simulate --json`. `unfinished` counts journeys that were not over at the end, by what for."""

    audience: AudienceCounts
    messages: MessageCounts
    exits: dict[str, int]
    orders: OrderCounts
    provider: ProviderCounts
    unfinished: dict[str, int]
    opened_at: Moment
    virtual_days: int
    wall_seconds: float
