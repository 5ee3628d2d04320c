"""The store's journeys with who is in them and how it ended for the others."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, ExitReason, JourneyKind, JourneyState, SendState, SkipReason
from models.tables import Journey
from models.tracking import Tracking
from policies.run_times import RunTimes
from reports.documents import JourneyLine, JourneysDocument, JourneyStatsDocument, StageLine, VersionStage
from reports.wording import PURCHASED_ELSEWHERE
from storage.journeys import (
    JourneySummary,
    latest_version,
    parse_definition,
    running_by_stage,
    summaries,
    summary,
)
from storage.lookup import count_attributed_exits
from storage.stage_counts import stage_counts
from storage.stores import StoreParts, required_id


async def journeys_of(session: AsyncSession, parts: StoreParts, *, now: datetime) -> JourneysDocument:
    """Every journey of the store."""
    lines = [await journey_line(session, parts, one, now=now) for one in await summaries(session, parts.id)]
    return JourneysDocument(store=parts.store.slug, journeys=lines)


async def journey_line(session: AsyncSession, parts: StoreParts, one: JourneySummary, *, now: datetime) -> JourneyLine:
    """One journey with its counts."""
    own = await count_attributed_exits(session, required_id(one.journey.id))
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
    )


async def _next_run(session: AsyncSession, parts: StoreParts, journey: Journey, *, now: datetime) -> datetime | None:
    if journey.kind is not JourneyKind.TRACKING or journey.state is not JourneyState.ACTIVE:
        return None
    version = await latest_version(session, required_id(journey.id))
    definition = parse_definition(version.definition) if version is not None else None
    if not isinstance(definition, Tracking):
        return None
    return RunTimes.of(definition, ZoneInfo(parts.store.time_zone)).following(now)


async def journey_stats(
    session: AsyncSession, parts: StoreParts, journey: Journey, *, now: datetime
) -> JourneyStatsDocument:
    """One journey with its counts and those of its messages."""
    line = await journey_line(session, parts, await summary(session, journey), now=now)
    counts = await stage_counts(session, required_id(journey.id))
    return JourneyStatsDocument(
        store=parts.store.slug,
        journey=line,
        stages=[
            StageLine(
                stage=stage + 1,
                messages={state.value: one.by_state[state] for state in SendState},
                received=one.received,
                read=one.read,
                skipped={reason.value: one.by_skip[reason] for reason in SkipReason},
            )
            for stage, one in sorted(counts.items())
        ],
    )


def _exits(by_exit: dict[ExitReason, int], own: int) -> dict[str, int]:
    """Every word, purchases split by attribution."""
    counts = {reason.value: by_exit[reason] for reason in ExitReason}
    elsewhere = counts[ExitReason.PURCHASED] - own
    counts[ExitReason.PURCHASED] = own
    return {**counts, PURCHASED_ELSEWHERE: elsewhere}
