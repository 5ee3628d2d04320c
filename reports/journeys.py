"""The store's journeys with who is in them and how it ended for the others."""

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, ExitReason, SendState, SkipReason
from models.tables import Journey
from reports.documents import JourneyLine, JourneysDocument, JourneyStatsDocument, StageLine, VersionStage
from reports.wording import PURCHASED_ELSEWHERE
from storage.journeys import JourneySummary, running_by_stage, summaries, summary
from storage.lookup import count_attributed_exits
from storage.stage_counts import stage_counts
from storage.stores import StoreParts, required_id


async def journeys_of(session: AsyncSession, parts: StoreParts) -> JourneysDocument:
    """Every journey of the store."""
    lines = [await journey_line(session, one) for one in await summaries(session, parts.id)]
    return JourneysDocument(store=parts.store.slug, journeys=lines)


async def journey_line(session: AsyncSession, one: JourneySummary) -> JourneyLine:
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
    )


async def journey_stats(session: AsyncSession, parts: StoreParts, journey: Journey) -> JourneyStatsDocument:
    """One journey with its counts and those of its messages."""
    line = await journey_line(session, await summary(session, journey))
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
