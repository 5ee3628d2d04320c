"""How a journey is doing, for `doctor`: who is overdue, who holds, what came of its last launch and messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, HoldReason, SendState
from models.tables import Enrollment, Launch, Paced, Send
from policies.calendar import local_date
from storage.entry import entered_on

OVERDUE_AFTER: Final = timedelta(minutes=15)
"""A worker that lives takes a timer up within seconds; a busy one within some minutes."""
_AHEAD: Final = timedelta(days=7)
_TIMED = (EnrollmentState.WAITING, EnrollmentState.HOLDING, EnrollmentState.WATCHING)
_TO_SEND = (EnrollmentState.STARTING, EnrollmentState.WAITING, EnrollmentState.HOLDING, EnrollmentState.SENDING)


@dataclass(frozen=True, slots=True)
class JourneyHealth:
    """How a journey is doing.

    Attributes:
        unstarted: customers who were selected a while ago and whose workflow has not reported.
        overdue: customers whose next step should have come a while ago; `overdue_since` is the longest.
        holds: how many wait for what.
        parked: messages of which nobody knows whether they went.
        launch: the newest one.
        entered_today: how many entered on the store's day.
        paced: how many wait for a later day; `paced_until` is the last one.
        due_in_week: how many messages come due in the next seven days at least: the next one of everybody who waits,
            and the first one of those whose day comes.
    """

    unstarted: int
    overdue: int
    overdue_since: datetime | None
    holds: Mapping[HoldReason, int]
    parked: int
    launch: Launch | None
    entered_today: int
    paced: int
    paced_until: date | None
    due_in_week: int


async def newest_launch(session: AsyncSession, journey_id: int) -> Launch | None:
    """The journey's last selection."""
    newest = select(Launch).where(Launch.journey_id == journey_id).order_by(col(Launch.id).desc()).limit(1)
    return (await session.exec(newest)).first()


async def health_of(session: AsyncSession, journey_id: int, *, zone: ZoneInfo, now: datetime) -> JourneyHealth:
    """How the journey is doing, in the store's zone."""
    late = now - OVERDUE_AFTER
    of_it = Enrollment.journey_id == journey_id
    unstarted = select(func.count()).where(
        of_it, Enrollment.state == EnrollmentState.STARTING, col(Enrollment.selected_at) < late
    )
    overdue = select(func.count(), func.min(Enrollment.due_at)).where(
        of_it, col(Enrollment.state).in_(_TIMED), col(Enrollment.due_at) < late
    )
    count, since = (await session.exec(overdue)).one()
    holds = select(Enrollment.hold_reason, func.count()).where(of_it, Enrollment.state == EnrollmentState.HOLDING)
    parked = select(func.count()).where(Send.journey_id == journey_id, Send.state == SendState.PARKED)
    paced = select(func.count(), func.max(Paced.day)).where(Paced.journey_id == journey_id)
    waiting, last_day = (await session.exec(paced)).one()
    today = local_date(now, zone)
    due = select(func.count()).where(of_it, col(Enrollment.state).in_(_TO_SEND), col(Enrollment.due_at) < now + _AHEAD)
    coming = select(func.count()).where(Paced.journey_id == journey_id, col(Paced.day) < today + _AHEAD)
    return JourneyHealth(
        unstarted=(await session.exec(unstarted)).one(),
        overdue=count,
        overdue_since=since,
        holds={
            HoldReason(reason): held
            for reason, held in await session.exec(holds.group_by(col(Enrollment.hold_reason)))
            if reason is not None
        },
        parked=(await session.exec(parked)).one(),
        launch=await newest_launch(session, journey_id),
        entered_today=await entered_on(session, journey_id, today, zone),
        paced=waiting,
        paced_until=last_day,
        due_in_week=(await session.exec(due)).one() + (await session.exec(coming)).one(),
    )
