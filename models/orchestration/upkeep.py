"""What travels to and within an UpkeepWorkflow."""

from datetime import datetime, timedelta

from models.orchestration.wire import Wire


class UpkeepInput(Wire):
    """One store's upkeep and the time between its rounds."""

    store_id: int
    shop_queue: str
    interval: timedelta


class UpkeepRound(Wire):
    """Asks for a round. A full one also compares orders with the shop's and throws old records away."""

    store_id: int
    full: bool


class UpkeepReport(Wire):
    """What a round did.

    Attributes:
        orders: changed orders that the reconciliation read.
        consents: withdrawn consents that the shop was told of.
        pruned: old records thrown away.
        more: whether another page of work is left.
        next_at: when something that failed is to be tried again, before the next full round.
    """

    orders: int = 0
    consents: int = 0
    pruned: int = 0
    more: bool = False
    next_at: datetime | None = None
