"""What travels to, from and within a WatchWorkflow."""

from datetime import datetime, timedelta

from models.orchestration.wire import Wire


class WatchInput(Wire):
    """One follow-up or cart journey's watch.

    Attributes:
        spacing: the least time between two looks; what becomes due in between is found together.
    """

    store_id: int
    journey_id: int
    spacing: timedelta


class Wake(Wire):
    """Something becomes due earlier than the watch knows, or work waits: look now."""


class WatchLook(Wire):
    """Asks for the next page of what is due."""

    journey_id: int


class WatchFound(Wire):
    """What a look found.

    Attributes:
        entered: how many entered, control included.
        more: whether another page is due already, and this one made headway.
        next_at: when the next will be due, as far as is known; None while nothing is on its way.
        over: the journey takes nobody in any more.
        spacing: as the journey's newest version has it; None leaves it as it was.
    """

    entered: int
    more: bool
    next_at: datetime | None
    over: bool = False
    spacing: timedelta | None = None


class WatchProgress(Wire):
    """The answer to the `progress` query of a watch; `entered` counts since the run began."""

    looked_at: datetime | None
    next_at: datetime | None
    entered: int
    sleeps: bool
