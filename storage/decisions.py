"""Which entry decisions count, and which are kept: of each customer and journey the newest for good.

The newest one is the answer to why somebody is, or is not, in a journey, however long ago it was given. Older ones are
kept for a while, and so is what was decided by a version that was only proposed, for as long as it may be published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, or_, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import EntryDecision, JourneyVersion

PAGE: Final = 2000


def counts(decision: Any = EntryDecision) -> ColumnElement[bool]:
    """That a decision was taken by rules that were published: a launch that is only looked at decides nothing."""
    proposed = select(JourneyVersion.id).where(col(JourneyVersion.published_at).is_(None))
    return ~col(decision.version_id).in_(proposed)


@dataclass(frozen=True, slots=True)
class OldPage:
    """A page of decisions beyond their time.

    Attributes:
        ids: those that may go.
        after: behind what the next page begins; None at the end.
    """

    ids: tuple[int, ...]
    after: tuple[datetime, int] | None


async def old_decisions(
    session: AsyncSession, store_id: int, *, before: datetime, after: tuple[datetime, int] | None = None
) -> OldPage:
    """The next decisions of a store from before a moment that have no say any more, oldest first."""
    other: Any = aliased(EntryDecision)
    followed = (
        select(other.id)
        .where(
            other.journey_id == EntryDecision.journey_id,
            other.customer_id == EntryDecision.customer_id,
            other.id > EntryDecision.id,
            counts(other),
        )
        .correlate(EntryDecision)
        .exists()
    )
    gone_by = or_(followed, ~counts())
    order = (col(EntryDecision.at), col(EntryDecision.id))
    query = select(EntryDecision.id, EntryDecision.at, gone_by).where(
        EntryDecision.store_id == store_id, col(EntryDecision.at) < before
    )
    if after is not None:
        query = query.where(tuple_(*order) > after)
    rows = (await session.exec(query.order_by(*order).limit(PAGE))).all()
    ids = tuple(key for key, _, may_go in rows if may_go and key is not None)
    last = rows[-1] if len(rows) == PAGE else None
    return OldPage(ids, (last[1], last[0] or 0) if last is not None else None)


async def forget_decisions(session: AsyncSession, ids: Sequence[int]) -> int:
    """Throw these decisions away; how many were there."""
    if not ids:
        return 0
    result = await session.exec(delete(EntryDecision).where(col(EntryDecision.id).in_(list(ids))))
    return int(result.rowcount)
