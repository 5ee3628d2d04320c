"""Putting a journey that is over into the archive, for its numbers, and taking it out again.

Whom the holdout keeps out of other journeys stays so until the horizon, archive or not: both arms are measured until
then, and the control group must not be written to by another journey while the treated were by this one.
"""

from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, JourneyKind, JourneyState, LaunchState
from models.tables import Enrollment, Journey, Launch, Paced
from storage.daily_selections import selection_of
from storage.journeys import find_journey, journey_of, set_state
from storage.pausing import forget_pauses
from storage.stopping import count_running
from storage.stores import required_id

_TAKES_NOBODY = (JourneyState.DRAFT, JourneyState.STOPPED)
_UNDER_WAY = (LaunchState.SELECTING, LaunchState.DECIDING, LaunchState.STARTING, LaunchState.WAITING)


class NotArchivableError(Exception):
    """The journey is not over, or not in the archive; the text says which, and what to do."""


async def archive(session: AsyncSession, store_id: int, name: str, *, now: datetime) -> tuple[Journey, bool]:
    """Put a journey into the archive in which nobody is, and into which nobody comes.

    Returns:
        The journey, and whether it was not there yet.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
        NotArchivableError: somebody is in it, or may still come.
    """
    journey = await _locked(session, store_id, name)
    if journey.state is JourneyState.ARCHIVED:
        return journey, False
    why = await _why_not(session, journey)
    if why is not None:
        raise NotArchivableError(f"{why}; `stop {name}` first")
    await forget_pauses(session, journey, now=now)
    set_state(journey, JourneyState.ARCHIVED, None, now=now)
    await session.flush()
    return journey, True


async def unarchive(session: AsyncSession, store_id: int, name: str, *, now: datetime) -> tuple[Journey, bool]:
    """Take a journey out of the archive: it is stopped then, and nobody enters before it is launched.

    Returns:
        The journey, and whether it was in the archive.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
    """
    journey = await _locked(session, store_id, name)
    if journey.state is not JourneyState.ARCHIVED:
        return journey, False
    set_state(journey, JourneyState.STOPPED, None, now=now)
    await session.flush()
    return journey, True


async def held_out(session: AsyncSession, journey_id: int) -> int:
    """How many customers the journey's holdout still keeps out of other journeys."""
    query = select(func.count()).where(Enrollment.journey_id == journey_id, Enrollment.state == EnrollmentState.CONTROL)
    return (await session.exec(query)).one()


async def _why_not(session: AsyncSession, journey: Journey) -> str | None:
    """What is still going on in the journey; None if it is over."""
    journey_id = required_id(journey.id)
    running = await count_running(session, journey_id)
    if running:
        return f"{journey.name} has {running} customers in it"
    paced = (await session.exec(select(func.count()).where(Paced.journey_id == journey_id))).one()
    if paced:
        return f"{paced} customers wait for a later day to enter {journey.name}"
    launches = select(func.count()).where(Launch.journey_id == journey_id, col(Launch.state).in_(_UNDER_WAY))
    if (await session.exec(launches)).one():
        return f"a launch of {journey.name} is under way"
    by_itself = journey.kind is not JourneyKind.WIN_BACK or await selection_of(session, journey_id) is not None
    if by_itself and journey.state not in _TAKES_NOBODY:
        return f"{journey.name} is {journey.state.value} and takes customers by itself"
    return None


async def _locked(session: AsyncSession, store_id: int, name: str) -> Journey:
    journey = await find_journey(session, store_id, name)
    return await journey_of(session, required_id(journey.id), alone=True)
