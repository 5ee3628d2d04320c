"""Pausing a journey: nothing is sent while it lasts, nobody leaves because of it, and whoever was due goes on after.

A pause has one cause or several, each with a row of its own from its beginning to its end; the journey is paused while
one is open. So a journey that staff have paused stays paused when the shop is back, and one that waits for two things
waits for both.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind, JourneyState, LaunchState, PauseCause, StoreEventKind
from models.tables import Journey, JourneyPause, Launch, Paced
from storage.events import add_broadcast
from storage.journeys import find_journey, set_state
from storage.schedules import reschedule
from storage.store_events import record_store_event
from storage.stores import required_id
from storage.wakes import check_health, wake_upkeep
from storage.watches import wake_watch

PAUSED_BY_STAFF = "paused by staff"


class Missed(StrEnum):
    """What becomes of the stages that came due during a pause."""

    SEND = "send"
    SKIP = "skip"


class NotPausableError(Exception):
    """The journey is in a state that cannot be paused or resumed; the text says which."""


def journey_key(journey_id: int) -> str:
    """The key of everybody who waits for a journey to be resumed, or to go live."""
    return f"journey:{journey_id}"


async def pause(
    session: AsyncSession, store_id: int, name: str, *, reason: str | None = None, now: datetime
) -> tuple[Journey, bool]:
    """Hold every message of the journey from its next claim on; a pending one does not go live meanwhile.

    Returns:
        The journey, and whether staff had not paused it yet.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
        NotPausableError: it does not run.
    """
    journey = await _locked(session, store_id, name)
    if journey.state not in (JourneyState.ACTIVE, JourneyState.PENDING, JourneyState.PAUSED):
        raise NotPausableError(f"{name} is {journey.state.value}; only a journey that runs can be paused")
    changed = await _begin(session, journey, PauseCause.STAFF, reason or PAUSED_BY_STAFF, now=now)
    if changed:
        await _record(session, [journey], StoreEventKind.JOURNEY_PAUSED, PauseCause.STAFF, now=now, mail=False)
    await session.flush()
    return journey, changed


async def resume(
    session: AsyncSession, store_id: int, name: str, *, now: datetime, missed: Missed = Missed.SEND
) -> tuple[Journey, bool]:
    """Let a paused journey send again, whatever paused it, and tell everybody who held for it.

    With `Missed.SKIP` a stage that came due while it was paused is passed over (`journey_paused`) and the next one
    follows; whoever comes due from now on is written to as ever. Asked twice, the second time changes nothing.

    Returns:
        The journey, and whether it was paused until now.

    Raises:
        UnknownJourneyError: the store has no journey of that name.
        NotPausableError: it neither runs nor is paused.
    """
    journey = await _locked(session, store_id, name)
    match journey.state:
        case JourneyState.PAUSED:
            causes = await _end(session, journey, tuple(PauseCause), now=now)
            await _go_on(session, journey, now=now, missed=missed, by_person=True)
            cause = causes[0] if causes else PauseCause.STAFF
            await _record(session, [journey], StoreEventKind.JOURNEY_RESUMED, cause, now=now, mail=False)
        case JourneyState.ACTIVE:
            return journey, False
        case JourneyState.PENDING:
            raise NotPausableError(f"{name} is pending: it goes live by itself when its templates are approved")
        case JourneyState.ARCHIVED:
            raise NotPausableError(f"{name} is archived; `archive {name} --undo` takes it out, and `launch` starts it")
        case JourneyState.DRAFT | JourneyState.STOPPED:
            raise NotPausableError(f"{name} is {journey.state.value}; `launch` starts it")
    await session.flush()
    return journey, True


async def pause_by_itself(
    session: AsyncSession,
    store_id: int,
    cause: PauseCause,
    *,
    now: datetime,
    journey_id: int | None = None,
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
) -> list[Journey]:
    """Pause the store's running journeys, or one of them, for a cause that no person gave; repeating changes nothing.

    It may be called under a customer's lock. A journey that another transaction holds at this moment is therefore left
    as it is rather than waited for: whoever sees the cause next pauses it.

    Args:
        session: a writing transaction.
        store_id: whose journeys.
        cause: why; `resume_by_itself` with the same ends it.
        now: when.
        journey_id: only this one.
        reason: what `journeys` shows; the cause's own word if left out.
        detail: codes and figures for whoever is told.

    Returns:
        The journeys that got this cause now.
    """
    journeys = await _running(session, store_id, journey_id)
    paused = [one for one in journeys if await _begin(session, one, cause, reason or cause.value, now=now)]
    if paused:
        await _record(session, paused, StoreEventKind.JOURNEY_PAUSED, cause, now=now, mail=True, detail=detail)
    await session.flush()
    return paused


async def resume_by_itself(session: AsyncSession, store_id: int, cause: PauseCause, *, now: datetime) -> list[Journey]:
    """End one cause of the store's pauses: it is mended. What staff or another cause paused stays paused.

    It may be called under a customer's lock, as `pause_by_itself`.

    Returns:
        The journeys that send again now.
    """
    resumed = []
    for journey in await _running(session, store_id, None):
        if journey.state is not JourneyState.PAUSED or not await _end(session, journey, (cause,), now=now):
            continue
        left = await _open_pauses(session, journey)
        if left:
            journey.state_reason = left[0].reason
        else:
            await _go_on(session, journey, now=now, missed=Missed.SEND)
            resumed.append(journey)
    if resumed:
        await _record(session, resumed, StoreEventKind.JOURNEY_RESUMED, cause, now=now, mail=True)
    await session.flush()
    return resumed


async def forget_pauses(session: AsyncSession, journey: Journey, *, now: datetime) -> None:
    """The journey was stopped, or is launched anew: no pause of it is open any more."""
    await _end(session, journey, tuple(PauseCause), now=now)
    journey.paused_since, journey.paused_pending = None, False


async def _begin(session: AsyncSession, journey: Journey, cause: PauseCause, reason: str, *, now: datetime) -> bool:
    """Open a cause; False if it is open already and the journey paused."""
    is_open = any(one.cause is cause for one in await _open_pauses(session, journey))
    if is_open and journey.state is JourneyState.PAUSED:
        return False
    if not is_open:
        session.add(JourneyPause(journey_id=required_id(journey.id), cause=cause, reason=reason, began_at=now))
    if journey.state is not JourneyState.PAUSED:
        journey.paused_pending = journey.state is JourneyState.PENDING
        journey.paused_since = now
        set_state(journey, JourneyState.PAUSED, reason, now=now)
        await reschedule(session, journey, now=now)
    elif cause is PauseCause.STAFF:
        # What a person has written says more than the cause's own word.
        journey.state_reason = reason
    await session.flush()
    return True


async def _end(
    session: AsyncSession, journey: Journey, causes: Sequence[PauseCause], *, now: datetime
) -> list[PauseCause]:
    """Close the open rows of these causes; which ones there were, oldest first."""
    ended = [one for one in await _open_pauses(session, journey) if one.cause in causes]
    for one in ended:
        one.ended_at = now
    await session.flush()
    return [one.cause for one in ended]


async def _go_on(
    session: AsyncSession, journey: Journey, *, now: datetime, missed: Missed, by_person: bool = False
) -> None:
    """No cause is left: the journey sends again, or waits for its templates again."""
    journey_id = required_id(journey.id)
    if missed is Missed.SKIP and journey.paused_since is not None:
        await session.exec(
            update(JourneyPause)
            .where(col(JourneyPause.journey_id) == journey_id, col(JourneyPause.began_at) >= journey.paused_since)
            .values(skips=True)
        )
    set_state(journey, JourneyState.PENDING if journey.paused_pending else JourneyState.ACTIVE, None, now=now)
    journey.paused_since, journey.paused_pending = None, False
    if journey.state is JourneyState.PENDING:
        check_health(session, journey.store_id, now=now)
        await reschedule(session, journey, now=now)
        return
    if by_person:
        # Somebody has looked at it: what was lost before is no reason any more to pause it.
        journey.resumed_at = now
    await release_journey(session, journey, now=now)


async def release_journey(session: AsyncSession, journey: Journey, *, now: datetime) -> None:
    """Tell all that wait for the journey that it runs: who holds, its watch, its schedule, its launches and paced."""
    journey_id = required_id(journey.id)
    add_broadcast(session, journey_key(journey_id), now=now, again=True)
    await wake_watch(session, journey_id, now=now)
    await reschedule(session, journey, now=now)
    if journey.kind is JourneyKind.WIN_BACK and await waits_to_enter(session, journey_id):
        wake_upkeep(session, journey.store_id, now=now)


async def waits_to_enter(session: AsyncSession, journey_id: int) -> bool:
    """Whether a launch of the journey, or customers with a later day, wait for its AudienceWorkflow."""
    launches = select(func.count()).where(Launch.journey_id == journey_id, Launch.state == LaunchState.WAITING)
    paced = select(func.count()).where(Paced.journey_id == journey_id)
    return bool((await session.exec(launches)).one() or (await session.exec(paced)).one())


async def _record(
    session: AsyncSession,
    journeys: Sequence[Journey],
    kind: StoreEventKind,
    cause: PauseCause,
    *,
    now: datetime,
    mail: bool,
    detail: dict[str, Any] | None = None,
) -> None:
    """One event for all of them: they have one cause."""
    ids = [required_id(one.id) for one in journeys]
    named = "-".join(str(one) for one in ids[:10])
    await record_store_event(
        session,
        journeys[0].store_id,
        kind,
        dedupe_key=f"{kind.value}:{cause.value}:{named}:{now.isoformat()}",
        at=now,
        journey_id=ids[0] if len(ids) == 1 else None,
        detail={"cause": cause.value, "journeys": [one.name for one in journeys], **(detail or {})},
        mail=mail,
    )


async def _open_pauses(session: AsyncSession, journey: Journey) -> list[JourneyPause]:
    rows = await session.exec(
        select(JourneyPause)
        .where(JourneyPause.journey_id == journey.id, col(JourneyPause.ended_at).is_(None))
        .order_by(col(JourneyPause.id))
    )
    return list(rows)


async def _running(session: AsyncSession, store_id: int, journey_id: int | None) -> list[Journey]:
    """The store's journeys that are active or paused, locked, without those that somebody else holds."""
    query = select(Journey).where(
        Journey.store_id == store_id, col(Journey.state).in_([JourneyState.ACTIVE, JourneyState.PAUSED])
    )
    if journey_id is not None:
        query = query.where(Journey.id == journey_id)
    rows = await session.exec(
        query.order_by(col(Journey.id))
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def _locked(session: AsyncSession, store_id: int, name: str) -> Journey:
    journey = await find_journey(session, store_id, name)
    return (
        await session.exec(
            select(Journey)
            .where(Journey.id == journey.id)
            .with_for_update(key_share=True)  # rows that only name the journey go on being written
            .execution_options(populate_existing=True)
        )
    ).one()
