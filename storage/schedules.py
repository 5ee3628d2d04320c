"""What the Temporal Schedules of all kinds of journeys have in common.

The database has the truth: whoever changes a journey's state, version or times wakes the store's upkeep in the same
transaction, which then puts the schedule right. One that lags behind starts runs that find nothing to do.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind, JourneyState
from models.tables import DailySelection, Journey, JourneyPause
from storage.stores import required_id
from storage.wakes import wake_upkeep

WITH_SCHEDULE: Final = (JourneyState.ACTIVE, JourneyState.PAUSED)
"""States in which a journey may have a schedule; one that waits for its templates gets it when it goes live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJourney:
    """A journey as its schedule sees it.

    Attributes:
        active_since: since when the schedule has had something to do without a pause; None if it never had.
        ran_at: when the last of what it starts began, whoever began it.
    """

    store_id: int
    store: str
    time_zone: str
    journey_id: int
    journey: str
    state: JourneyState
    version: int
    active_since: datetime | None
    ran_at: datetime | None


async def active_since(session: AsyncSession, journey: Journey) -> datetime | None:
    """When the journey last began to run without a pause; None if never."""
    paused = select(func.max(JourneyPause.ended_at)).where(JourneyPause.journey_id == journey.id)
    began = [journey.resumed_at, (await session.exec(paused)).one()]
    return max((one for one in began if one is not None), default=None)


async def reschedule(session: AsyncSession, journey: Journey, *, now: datetime) -> bool:
    """Let upkeep put the journey's schedule right, since what it is made from changes with this transaction.

    Returns:
        Whether it has or had one, so that somebody has to be told.
    """
    if journey.kind is not JourneyKind.TRACKING:
        selection = await session.get(DailySelection, required_id(journey.id))
        if selection is None:
            return False
    wake_upkeep(session, journey.store_id, now=now)
    return True
