"""Ending a journey for everybody in it, or for one person: in pages, under the customers' locks, safe to repeat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason, JourneyKind, JourneyState, LaunchState
from models.tables import Enrollment, Journey, Launch, Paced
from storage.customers import lock_customer
from storage.daily_selections import end_selection, selection_of
from storage.engine import Database
from storage.events import record_event
from storage.journeys import journey_of, set_state
from storage.pausing import forget_pauses
from storage.schedules import reschedule
from storage.stores import required_id
from storage.watches import read_all_again, wake_watch

_AT_ONCE = 100
_RUNS = (
    EnrollmentState.STARTING,
    EnrollmentState.WAITING,
    EnrollmentState.HOLDING,
    EnrollmentState.SENDING,
    EnrollmentState.WATCHING,
)
"""States with a workflow to tell; a control enrollment has none and gets no messages to stop."""


async def count_running(session: AsyncSession, journey_id: int) -> int:
    """How many are in the journey and will hear from it unless it is stopped."""
    query = select(func.count()).where(Enrollment.journey_id == journey_id, col(Enrollment.state).in_(_RUNS))
    return (await session.exec(query)).one()


async def stop_everybody(
    database: Database,
    journey_id: int,
    *,
    reason: str,
    clock: Callable[[], datetime],
    on_page: Callable[[int], None] | None = None,
) -> tuple[int, int]:
    """End the journey for everybody in it, in transactions of a page each; run again, it goes on where it was cut off.

    Args:
        database: where.
        journey_id: whose.
        reason: what `journeys` shows.
        clock: the time.
        on_page: hears after each page how many it held.

    Returns:
        How many running enrollments were told now, and how many customers were taken off later days.
    """
    async with database.write() as session:
        unpaced = await close_entry(session, await journey_of(session, journey_id), reason=reason, now=clock())
    told, after = 0, 0
    while True:
        async with database.write() as session:
            count, following = await stop_page(session, journey_id, after=after, now=clock())
        told += count
        if on_page is not None:
            on_page(count)
        if following is None:
            return told, unpaced
        after = following


async def close_entry(session: AsyncSession, journey: Journey, *, reason: str, now: datetime) -> int:
    """Let nobody enter any more: the journey is stopped, its launches are given up, its paced customers taken off.

    Returns:
        How many were paced.
    """
    # As it is now: paused since it was read, it would keep an open pause.
    journey = await journey_of(session, required_id(journey.id), alone=True)
    await forget_pauses(session, journey, now=now)
    if journey.state is not JourneyState.ARCHIVED:
        set_state(journey, JourneyState.STOPPED, reason, now=now)
    session.add(journey)
    await session.flush()
    await session.exec(
        update(Launch)
        .where(col(Launch.journey_id) == journey.id, col(Launch.state).not_in([LaunchState.DONE, LaunchState.FAILED]))
        .values(state=LaunchState.FAILED, error="journey stopped", finished_at=now)
        .execution_options(synchronize_session=False)
    )
    removed = await session.exec(delete(Paced).where(col(Paced.journey_id) == journey.id))
    await wake_watch(session, required_id(journey.id), now=now)
    if not await end_selection(session, journey, now=now):
        await reschedule(session, journey, now=now)
    if journey.kind is JourneyKind.FOLLOW_UP:
        await read_all_again(session, journey.store_id, now=now)
    return int(removed.rowcount)


async def stop_page(session: AsyncSession, journey_id: int, *, after: int, now: datetime) -> tuple[int, int | None]:
    """Write the stop of the next page of running enrollments, by customer id beyond `after`.

    Returns:
        How many were told now (a repetition tells nobody twice), and where the next page begins; None at the end.
    """
    page = (
        await session.exec(
            select(Enrollment)
            .where(
                Enrollment.journey_id == journey_id,
                col(Enrollment.state).in_(_RUNS),
                col(Enrollment.customer_id) > after,
            )
            .order_by(col(Enrollment.customer_id))
            .limit(_AT_ONCE)
        )
    ).all()
    told = await _tell(session, page, ExitReason.JOURNEY_STOPPED, now=now)
    return told, page[-1].customer_id if len(page) == _AT_ONCE else None


@dataclass(frozen=True, slots=True)
class StoppedOne:
    """What a stop for one customer met.

    Attributes:
        enrollment: theirs that ends, if there was one.
        unpaced: whether they were taken off a later day.
        asked_again: whether the journey is always on and may select them again: they never were in it.
    """

    enrollment: Enrollment | None
    unpaced: bool
    asked_again: bool

    def __bool__(self) -> bool:
        """Whether there was anything to stop."""
        return self.enrollment is not None or self.unpaced


async def stop_customer(session: AsyncSession, journey_id: int, customer_id: int, *, now: datetime) -> StoppedOne:
    """End the journey for one customer."""
    enrollment = (
        await session.exec(
            select(Enrollment).where(
                Enrollment.journey_id == journey_id,
                Enrollment.customer_id == customer_id,
                col(Enrollment.state).in_(_RUNS),
            )
        )
    ).first()
    if enrollment is not None:
        await _tell(session, [enrollment], ExitReason.STOPPED_BY_STAFF, now=now)
    removed = await session.exec(
        delete(Paced).where(col(Paced.journey_id) == journey_id, col(Paced.customer_id) == customer_id)
    )
    unpaced = bool(removed.rowcount)
    return StoppedOne(enrollment, unpaced, unpaced and await selection_of(session, journey_id) is not None)


async def _tell(session: AsyncSession, enrollments: Sequence[Enrollment], reason: ExitReason, *, now: datetime) -> int:
    told = 0
    for enrollment in enrollments:
        customer = await lock_customer(session, required_id(enrollment.customer_id))
        event = await record_event(
            session,
            customer,
            kind=EventKind.STOP,
            exit_reason=reason,
            occurred_at=now,
            received_at=now,
            source="staff",
            dedupe_key=f"stop:{enrollment.id}",
            enrollment_id=enrollment.id,
        )
        told += event is not None
    return told
