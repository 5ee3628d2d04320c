"""What becomes of an always-on journey's candidates when time has passed.

Each day's selection considers everybody whom the shop offers, so a store of 100,000 lapsed customers would gain 36
million rows a year. The account of a day is kept for good, in its launch; why somebody was left out stands in their
own decisions (`EntryDecision`).
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LaunchState
from models.tables import Launch, LaunchCandidate, Paced
from storage.launches import outcomes
from storage.stores import required_id

CANDIDATES_KEPT: Final = timedelta(days=30)
_AT_ONCE: Final = 2000


async def forget_candidates(session: AsyncSession, *, now: datetime) -> int:
    """Throw away a page of the candidates of one daily launch that was over a month ago and has nobody paced any more.

    Returns:
        How many went; 0 when nothing old is left.
    """
    candidates = select(LaunchCandidate.id).where(LaunchCandidate.launch_id == Launch.id)
    paced = select(Paced.id).where(Paced.launch_id == Launch.id)
    old = await session.exec(
        select(Launch)
        .where(
            col(Launch.day).is_not(None),
            col(Launch.state).in_([LaunchState.DONE, LaunchState.FAILED]),
            col(Launch.finished_at) < now - CANDIDATES_KEPT,
            candidates.correlate(Launch).exists(),
            ~paced.correlate(Launch).exists(),
        )
        .order_by(col(Launch.id))
        .limit(1)
    )
    launch = old.first()
    if launch is None:
        return 0
    launch_id = required_id(launch.id)
    if launch.account is None:
        launch.account = await outcomes(session, launch_id)
        await session.flush()
    page = select(LaunchCandidate.id).where(LaunchCandidate.launch_id == launch_id).limit(_AT_ONCE)
    gone = await session.exec(delete(LaunchCandidate).where(col(LaunchCandidate.id).in_(page)))
    return int(gone.rowcount)
