"""What ends a run before it is through, on record in the moment in which it is found out.

Whatever else of the run is under way finds it there, and pays and sends nothing more.
"""

from datetime import datetime
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, RunState, StoreEventKind
from models.tables import TrackingRun
from storage.store_events import record_store_event
from storage.stores import required_id
from storage.tracking_runs import Tracked, finish_run

NO_CREDITS: Final = "no_credits"


async def why_stopped(session: AsyncSession, run: TrackingRun, scope: Tracked, *, now: datetime) -> str | None:
    """Why nothing more is done in the run, or None; a journey that is not active any more stops it here."""
    if run.state is not RunState.RUNNING:
        return run.stop_reason or "ended"
    if scope.journey.state is not JourneyState.ACTIVE:
        return await stop_run(session, run, f"journey_{scope.journey.state.value}", now=now)
    return None


async def stop_run(session: AsyncSession, run: TrackingRun, reason: str, *, now: datetime) -> str:
    """Stop a run for good, so that whatever is under way sends nothing more; the store's people are told.

    Whoever paused or stopped the journey knows, and of credits that are used up they are told as such.
    """
    ended = await finish_run(session, required_id(run.id), stop_reason=reason, now=now)
    if ended.stop_reason == reason and not reason.startswith("journey_"):
        await record_store_event(
            session,
            run.store_id,
            StoreEventKind.RUN_STOPPED,
            dedupe_key=f"run.stopped:{required_id(run.id)}",
            at=now,
            journey_id=run.journey_id,
            detail={"run": run.id, "reason": reason},
            mail=reason != NO_CREDITS,
        )
    return ended.stop_reason or reason
