"""What became of a journey's messages, stage by stage, counted from their rows."""

from dataclasses import dataclass, field

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SendState, SkipReason
from models.tables import Send, SendAttempt


@dataclass(slots=True)
class StageCounts:
    """One stage's messages. `received` and `read` count messages, however many attempts they took."""

    by_state: dict[SendState, int] = field(default_factory=lambda: dict.fromkeys(SendState, 0))
    by_skip: dict[SkipReason, int] = field(default_factory=lambda: dict.fromkeys(SkipReason, 0))
    received: int = 0
    read: int = 0


async def stage_counts(session: AsyncSession, journey_id: int) -> dict[int, StageCounts]:
    """The counts by stage (from 0), over all versions; a stage of which nobody has a message yet is not in it."""
    found: dict[int, StageCounts] = {}
    rows = await session.exec(
        select(Send.stage, Send.state, Send.skip_reason, func.count())
        .where(Send.journey_id == journey_id)
        .group_by(col(Send.stage), col(Send.state), col(Send.skip_reason))
    )
    for stage, state, skip_reason, count in rows:
        counts = found.setdefault(stage, StageCounts())
        counts.by_state[SendState(state)] += count
        if skip_reason is not None:
            counts.by_skip[SkipReason(skip_reason)] += count
    received = await session.exec(
        select(Send.stage, func.count())
        .where(Send.journey_id == journey_id, col(Send.received_at).is_not(None))
        .group_by(col(Send.stage))
    )
    for stage, count in received:
        found[stage].received = count
    reads = await session.exec(
        select(Send.stage, func.count(func.distinct(SendAttempt.send_id)))
        .join(SendAttempt, col(SendAttempt.send_id) == Send.id)
        .where(Send.journey_id == journey_id, col(SendAttempt.read_at).is_not(None))
        .group_by(col(Send.stage))
    )
    for stage, count in reads:
        found[stage].read = count
    return found
