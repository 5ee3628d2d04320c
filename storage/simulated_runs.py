"""What a simulation counts of the reviews of its tracking journeys, and what tells it that they are over."""

from dataclasses import dataclass, fields

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind, JourneyState, LeftOut, ReviewOutcome, RunState
from models.tables import Conversation, Journey, Review, Store, TrackingRun
from storage.run_counts import RunCounts, count_run

_OF_AN_EARLIER_RUN = frozenset({LeftOut.ANALYSED, LeftOut.ANALYSED_LATELY})


@dataclass(slots=True)
class RunTotals(RunCounts):
    """All runs together; a conversation counts in each run that considered it.

    Attributes:
        runs: how many have begun.
        stopped: how many did not get through.
        credits: what their calls cost at the store's price, since a simulated store keeps no ledger.
    """

    runs: int = 0
    stopped: int = 0


async def totals(session: AsyncSession) -> RunTotals:
    """What all runs of all journeys came to."""
    found, price = RunTotals(), {one.id: one.analysis_credits for one in await session.exec(select(Store))}
    for run in (await session.exec(select(TrackingRun).order_by(col(TrackingRun.id)))).all():
        found.runs += 1
        found.stopped += run.state is RunState.STOPPED
        counts = await count_run(session, run)
        for one in fields(RunCounts):
            setattr(found, one.name, getattr(found, one.name) + getattr(counts, one.name))
        found.credits += counts.calls * price[run.store_id]
    return found


async def outcomes(session: AsyncSession) -> dict[tuple[int, int], str]:
    """The last word about each conversation, by journey and conversation.

    Where a run leaves one out because an earlier one has analysed it, what that came to stands.
    """
    rows = await session.exec(
        select(TrackingRun.journey_id, Review.conversation_id, Review.outcome, Review.left_out)
        .join(TrackingRun, col(TrackingRun.id) == Review.run_id)
        .order_by(col(Review.run_id))
    )
    found: dict[tuple[int, int], str] = {}
    for journey_id, conversation_id, outcome, left_out in rows:
        key = (journey_id, conversation_id)
        if left_out is None:
            found[key] = ReviewOutcome(outcome).value
        elif left_out not in _OF_AN_EARLIER_RUN or key not in found:
            found[key] = LeftOut(left_out).value
    return found


async def is_reviewing(session: AsyncSession) -> bool:
    """Whether a run may still find something.

    Over is what a run has begun after the last message of any customer, and considered nobody: neither a message in its
    window nor anything that an earlier run left to it. A journey that is not active has no runs any more.
    """
    wrote_at = (await session.exec(select(func.max(col(Conversation.customer_wrote_at))))).one()
    journeys = await session.exec(
        select(Journey.id).where(Journey.kind == JourneyKind.TRACKING, Journey.state == JourneyState.ACTIVE)
    )
    for journey_id in journeys.all():
        newest = select(TrackingRun).where(TrackingRun.journey_id == journey_id)
        run = (await session.exec(newest.order_by(col(TrackingRun.id).desc()).limit(1))).first()
        if run is None or run.state is RunState.RUNNING or (wrote_at is not None and run.started_at <= wrote_at):
            return True
        if (await session.exec(select(Review.id).where(Review.run_id == run.id).limit(1))).first() is not None:
            return True
    return False
