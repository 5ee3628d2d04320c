"""The store's journeys with who is in them and how it ended for the others."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, ExitReason, JourneyKind, JourneyState
from models.tables import Journey
from models.tracking import Tracking
from policies.run_times import RunTimes
from reports.documents import DailyView, JourneyLine, JourneysDocument, VersionStage
from reports.wording import PURCHASED_ELSEWHERE
from storage.daily_selections import next_selection, selection_of
from storage.journeys import (
    JourneySummary,
    latest_version,
    parse_definition,
    running_by_stage,
    summaries,
)
from storage.lookup import count_attributed_exits
from storage.stores import StoreParts, required_id


async def journeys_of(
    session: AsyncSession, parts: StoreParts, *, now: datetime, archived: bool = False
) -> JourneysDocument:
    """Every journey of the store; with `archived` those in the archive too."""
    found = await summaries(session, parts.id, archived=archived)
    lines = [await journey_line(session, parts, one, now=now) for one in found]
    return JourneysDocument(store=parts.store.slug, journeys=lines)


async def journey_line(session: AsyncSession, parts: StoreParts, one: JourneySummary, *, now: datetime) -> JourneyLine:
    """One journey with its counts."""
    own = await count_attributed_exits(session, required_id(one.journey.id))
    daily = await daily_view(session, parts, one.journey, now=now)
    return JourneyLine(
        name=one.journey.name,
        kind=one.journey.kind,
        priority=one.journey.priority,
        state=one.journey.state,
        state_reason=one.journey.state_reason,
        versions=one.versions,
        enrollments={state.value: one.by_state[state] for state in EnrollmentState},
        exits=_exits(one.by_exit, own),
        paced=one.paced,
        running=[
            VersionStage(version=at.version, stage=at.stage, customers=at.customers)
            for at in await running_by_stage(session, required_id(one.journey.id))
        ],
        next_run_at=await _next_run(session, parts, one.journey, now=now),
        next_selection_at=daily.next_at if daily is not None else None,
    )


async def daily_view(session: AsyncSession, parts: StoreParts, journey: Journey, *, now: datetime) -> DailyView | None:
    """How a win-back is always on; None for one that is not."""
    row = await selection_of(session, required_id(journey.id)) if journey.kind is JourneyKind.WIN_BACK else None
    if row is None:
        return None
    runs, journey_id = journey.state is JourneyState.ACTIVE, required_id(journey.id)
    return DailyView(
        at=row.at,
        limit=row.entrant_limit,
        only_new=row.only_new,
        since=row.since,
        next_at=await next_selection(session, journey_id, parts.store.time_zone, now=now) if runs else None,
    )


async def _next_run(session: AsyncSession, parts: StoreParts, journey: Journey, *, now: datetime) -> datetime | None:
    if journey.kind is not JourneyKind.TRACKING or journey.state is not JourneyState.ACTIVE:
        return None
    version = await latest_version(session, required_id(journey.id))
    definition = parse_definition(version.definition) if version is not None else None
    if not isinstance(definition, Tracking):
        return None
    return RunTimes.of(definition, ZoneInfo(parts.store.time_zone)).following(now)


def _exits(by_exit: dict[ExitReason, int], own: int) -> dict[str, int]:
    """Every word, purchases split by attribution."""
    counts = {reason.value: by_exit[reason] for reason in ExitReason}
    elsewhere = counts[ExitReason.PURCHASED] - own
    counts[ExitReason.PURCHASED] = own
    return {**counts, PURCHASED_ELSEWHERE: elsewhere}
