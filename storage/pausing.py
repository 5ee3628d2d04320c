"""Pausing a journey: nothing is sent while it lasts, nobody leaves because of it, and whoever was due goes on after."""

from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState
from models.tables import Journey
from storage.events import add_broadcast
from storage.journeys import find_journey
from storage.stores import required_id
from storage.watches import wake_watch

PAUSED_BY_STAFF = "paused by staff"


class NotPausableError(Exception):
    """The journey is in a state that cannot be paused or resumed; the text says which."""


async def pause(session: AsyncSession, store_id: int, name: str, *, reason: str | None = None) -> tuple[Journey, bool]:
    """Hold every message of the journey from its next claim on.

    Returns:
        The journey, and whether it was running until now.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
        NotPausableError: it does not run.
    """
    journey = await _locked(session, store_id, name)
    match journey.state:
        case JourneyState.ACTIVE:
            journey.state = JourneyState.PAUSED
            journey.state_reason = reason or PAUSED_BY_STAFF
        case JourneyState.PAUSED:
            return journey, False
        case _:
            raise NotPausableError(f"{name} is {journey.state.value}; only a journey that runs can be paused")
    session.add(journey)
    await session.flush()
    return journey, True


async def resume(session: AsyncSession, store_id: int, name: str, *, now: datetime) -> tuple[Journey, bool]:
    """Let a paused journey send again, and tell everybody who held for it.

    Returns:
        The journey, and whether it was paused until now.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
        NotPausableError: it neither runs nor is paused.
    """
    journey = await _locked(session, store_id, name)
    match journey.state:
        case JourneyState.PAUSED:
            journey.state = JourneyState.ACTIVE
            journey.state_reason = None
        case JourneyState.ACTIVE:
            return journey, False
        case _:
            raise NotPausableError(f"{name} is {journey.state.value}; `launch` starts it")
    session.add(journey)
    add_broadcast(session, f"journey:{journey.id}", now=now)
    await wake_watch(session, required_id(journey.id), now=now)
    await session.flush()
    return journey, True


async def _locked(session: AsyncSession, store_id: int, name: str) -> Journey:
    journey = await find_journey(session, store_id, name)
    return (
        await session.exec(
            select(Journey).where(Journey.id == journey.id).with_for_update().execution_options(populate_existing=True)
        )
    ).one()
