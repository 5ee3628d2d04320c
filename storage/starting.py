"""Whoever has entered and whose workflow is still to be started."""

from dataclasses import dataclass

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState
from models.tables import Enrollment, Journey, JourneyVersion, Store

# The words of the partial index `enrollment_starting`: with a parameter in their place it would not be used, and each
# page of starts would sort all that are left.
_STARTING = text(f"enrollment.state = '{EnrollmentState.STARTING}'")


@dataclass(frozen=True, slots=True)
class Starting:
    """An enrollment whose workflow is to be started, with what its search attributes say."""

    enrollment_id: str
    store: str
    journey: str
    version: int
    store_id: int


async def starting(session: AsyncSession, journey_id: int, *, after: str, limit: int) -> list[Starting]:
    """Enrollments whose workflow has not reported yet, by id, beyond `after`."""
    rows = await session.exec(
        select(Enrollment, col(Store.slug), col(Journey.name), col(JourneyVersion.number))
        .join(Store, col(Store.id) == Enrollment.store_id)
        .join(Journey, col(Journey.id) == Enrollment.journey_id)
        .join(JourneyVersion, col(JourneyVersion.id) == Enrollment.version_id)
        .where(Enrollment.journey_id == journey_id, _STARTING, col(Enrollment.id) > after)
        .order_by(col(Enrollment.id))
        .limit(limit)
    )
    return [Starting(one.id, store, journey, version, one.store_id) for one, store, journey, version in rows]


async def count_starting(session: AsyncSession, journey_id: int) -> int:
    """How many have entered whose workflow has not reported yet."""
    waiting = select(func.count()).where(Enrollment.journey_id == journey_id, _STARTING)
    return (await session.exec(waiting)).one()
