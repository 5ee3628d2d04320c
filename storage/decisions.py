"""Which entry decisions are kept: the newest of each customer and journey for good, older ones for a while.

The newest one is the answer to why somebody is, or is not, in a journey, however long ago it was given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import EntryDecision, JourneyVersion

PAGE: Final = 2000


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
    """The next decisions of a store from before a moment that a newer one has followed, oldest first."""
    other: Any = aliased(EntryDecision)
    followed = (
        select(other.id)
        .where(
            other.journey_id == EntryDecision.journey_id,
            other.customer_id == EntryDecision.customer_id,
            other.id > EntryDecision.id,
        )
        .correlate(EntryDecision)
        .exists()
    )
    order = (col(EntryDecision.at), col(EntryDecision.id))
    query = select(EntryDecision.id, EntryDecision.at, followed).where(
        EntryDecision.store_id == store_id, col(EntryDecision.at) < before
    )
    if after is not None:
        query = query.where(tuple_(*order) > after)
    rows = (await session.exec(query.order_by(*order).limit(PAGE))).all()
    ids = tuple(key for key, _, has_newer in rows if has_newer and key is not None)
    last = rows[-1] if len(rows) == PAGE else None
    return OldPage(ids, (last[1], last[0] or 0) if last is not None else None)


async def forget_decisions(session: AsyncSession, ids: Sequence[int]) -> int:
    """Throw these decisions away; how many were there."""
    if not ids:
        return 0
    result = await session.exec(delete(EntryDecision).where(col(EntryDecision.id).in_(list(ids))))
    return int(result.rowcount)


async def forget_proposed(session: AsyncSession, version_id: int) -> None:
    """Throw away what was decided by a version that was only proposed: its rules were nobody's."""
    version = await session.get_one(JourneyVersion, version_id, populate_existing=True)
    if version.published_at is None:
        decided = delete(EntryDecision).where(
            col(EntryDecision.journey_id) == version.journey_id, col(EntryDecision.version_id) == version_id
        )
        await session.exec(decided.execution_options(synchronize_session=False))
