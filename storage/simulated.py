"""What a simulation counts at its end, and what tells it that the end has come."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, EnrollmentState, ExitReason
from models.money import Money
from models.tables import (
    Customer,
    CustomerEvent,
    Enrollment,
    JourneyVersion,
    JourneyWatch,
    Launch,
    LaunchCandidate,
    Order,
    Paced,
    Send,
    SendAttempt,
    Store,
    WatchAnswer,
)
from policies.schedule import Whereabouts, zone_at
from storage import simulated_runs
from storage.journeys import parse_definition
from storage.launches import CONTROL, ENTERED
from storage.watches import DUE


@dataclass(frozen=True, slots=True)
class Standing:
    """How far everybody is.

    Attributes:
        waiting_for_ever: held with no time at which anything happens by itself.
        last_receipt_counts_until: the end of the last message's attribution window.
        watching: whether a silence, or a cart, is on its way to become somebody's entry.
    """

    open: int
    closed: int
    paced: int
    sent: int
    waiting_for_ever: int
    last_receipt_counts_until: datetime | None
    watching: bool


async def standing(session: AsyncSession) -> Standing:
    """The counts of this moment."""
    states = dict(
        (await session.exec(select(col(Enrollment.state), func.count()).group_by(col(Enrollment.state)))).all()
    )
    closed, control = states.pop(EnrollmentState.CLOSED, 0), states.pop(EnrollmentState.CONTROL, 0)
    endless = select(func.count()).where(Enrollment.state == EnrollmentState.HOLDING, col(Enrollment.due_at).is_(None))
    last = (await session.exec(select(func.max(col(SendAttempt.accepted_at))))).one()
    days = [parse_definition(one).attribution_days for one in await session.exec(select(JourneyVersion.definition))]
    _ = control
    return Standing(
        open=sum(states.values()),
        closed=closed,
        paced=(await session.exec(select(func.count()).select_from(Paced))).one(),
        sent=(
            await session.exec(
                select(func.count()).select_from(SendAttempt).where(col(SendAttempt.accepted_at).is_not(None))
            )
        ).one(),
        waiting_for_ever=(await session.exec(endless)).one(),
        last_receipt_counts_until=last + timedelta(days=max(days)) if last is not None and days else None,
        watching=(await session.exec(select(func.count()).where(col(JourneyWatch.next_at).is_not(None)))).one() > 0,
    )


async def considered_customers(session: AsyncSession) -> list[int]:
    """The shop's ids of everybody who entered, is held out, or waits for a day."""
    rows = await session.exec(
        select(Customer.external_id)
        .join(LaunchCandidate, col(LaunchCandidate.customer_id) == col(Customer.id))
        .where(col(LaunchCandidate.outcome).in_(["entered", "control", "paced"]))
        .distinct()
    )
    return [int(external_id) for external_id in rows if external_id is not None]


async def outcomes(session: AsyncSession) -> Counter[str]:
    """What became of the considered, each counted once in each journey: win-backs' customers, conversations, carts."""
    rows = await session.exec(select(col(LaunchCandidate.outcome), func.count()).group_by(col(LaunchCandidate.outcome)))
    counts = Counter({outcome or "undecided": count for outcome, count in rows})
    return counts + await _outcomes_of_subjects(session)


async def _outcomes_of_subjects(session: AsyncSession) -> Counter[str]:
    """Of each conversation and cart that was looked at: whether it ever entered, or was held out, or the last word."""
    entered = await session.exec(
        select(Enrollment.journey_id, Enrollment.conversation_id, Enrollment.checkout_id, Enrollment.state).where(
            or_(col(Enrollment.conversation_id).is_not(None), col(Enrollment.checkout_id).is_not(None))
        )
    )
    found: dict[tuple[int, int | None, int | None], str] = {}
    for journey_id, conversation_id, checkout_id, state in entered:
        key = (journey_id, conversation_id, checkout_id)
        if state is not EnrollmentState.CONTROL:
            found[key] = ENTERED
        else:
            found.setdefault(key, CONTROL)
    for answer in await session.exec(select(WatchAnswer).where(WatchAnswer.outcome != DUE)):
        found.setdefault((answer.journey_id, answer.conversation_id, answer.checkout_id), answer.outcome)
    for (journey_id, conversation_id), word in (await simulated_runs.outcomes(session)).items():
        found.setdefault((journey_id, conversation_id, None), word)
    return Counter(found.values())


async def exits(session: AsyncSession) -> Counter[tuple[ExitReason, bool]]:
    """How many enrollments ended with each reason, and whether the order that ended it was attributed to it."""
    rows = await session.exec(
        select(col(Enrollment.exit_reason), col(Enrollment.id), col(Order.attributed_enrollment_id))
        .join(CustomerEvent, col(CustomerEvent.id) == col(Enrollment.exit_event_id), isouter=True)
        .join(Order, col(Order.id) == col(CustomerEvent.order_id), isouter=True)
        .where(Enrollment.state == EnrollmentState.CLOSED)
    )
    return Counter(
        (reason, attributed == enrollment_id) for reason, enrollment_id, attributed in rows if reason is not None
    )


async def unfinished(session: AsyncSession) -> Counter[str]:
    """Those whose journey is not over, by what they wait for."""
    rows = await session.exec(
        select(col(Enrollment.state), col(Enrollment.hold_reason)).where(
            col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL])
        )
    )
    return Counter(f"{state}:{hold}" if hold is not None else str(state) for state, hold in rows)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One accepted message."""

    stage: int
    local_hour: int


async def sent_messages(session: AsyncSession) -> list[SentMessage]:
    """Every accepted message with its stage (from 1) and the local hour in which it was accepted."""
    rows = await session.exec(
        select(  # type: ignore[call-overload]
            Send.stage,
            SendAttempt.accepted_at,
            Customer.phone,
            Customer.time_zone,
            Store.time_zone,
            JourneyVersion.definition,
        )
        .join(Send, col(Send.id) == SendAttempt.send_id)
        .join(Enrollment, col(Enrollment.id) == Send.enrollment_id)
        .join(JourneyVersion, col(JourneyVersion.id) == Enrollment.version_id)
        .join(Customer, col(Customer.id) == Send.customer_id)
        .join(Store, col(Store.id) == Send.store_id)
        .where(col(SendAttempt.accepted_at).is_not(None), SendAttempt.status != AttemptStatus.CLAIMED)
    )
    found = []
    for stage, at, phone, own_zone, store_zone, definition in rows:
        zone: ZoneInfo = zone_at(parse_definition(definition), Whereabouts(own_zone, phone, store_zone), at)
        found.append(SentMessage(stage + 1, at.astimezone(zone).hour))
    return found


async def attributed(session: AsyncSession) -> tuple[int, dict[str, Money]]:
    """How many orders belong to a journey, and what they came to in each currency."""
    rows = await session.exec(
        select(col(Order.currency), func.count(), func.sum(Order.total_minor))
        .where(col(Order.attributed_by).is_not(None))
        .group_by(col(Order.currency))
    )
    count, revenue = 0, {}
    for currency, number, minor in rows:
        count += number
        revenue[currency] = Money(minor, currency)
    return count, revenue


async def has_looked(session: AsyncSession, journey_id: int) -> bool:
    """Whether the journey's watch has seen what there was when it began."""
    looked = (
        await session.exec(select(JourneyWatch.answered_until).where(JourneyWatch.journey_id == journey_id))
    ).first()
    return looked is not None


async def is_launched(session: AsyncSession, launch_id: int) -> bool:
    """Whether everybody selected is started or paced."""
    finished = (await session.exec(select(Launch.finished_at).where(Launch.id == launch_id))).first()
    return finished is not None


async def someone_interesting(session: AsyncSession) -> int | None:
    """The customer with the most messages before a purchase, to show one whole timeline."""
    return (
        await session.exec(
            select(Enrollment.customer_id)
            .join(Send, col(Send.enrollment_id) == col(Enrollment.id))
            .where(Enrollment.exit_reason == ExitReason.PURCHASED)
            .group_by(col(Enrollment.customer_id))
            .order_by(func.count(col(Send.id)).desc(), col(Enrollment.customer_id))
            .limit(1)
        )
    ).first()
