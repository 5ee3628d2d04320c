"""Other automations report whom they write to, and our journeys make room as they do for one of their own."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.tables import Customer, Enrollment, ExternalJourney, Journey
from storage.enrollments import open_enrollment
from storage.events import record_event
from storage.stores import required_id
from storage.watches import ask_again


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report changed.

    Attributes:
        took_over: the name of our journey that ends for this customer now.
        kept: the name of our journey that goes on, because its priority is not lower.
    """

    took_over: str | None
    kept: str | None


async def report_external(
    session: AsyncSession, customer: Customer, *, name: str, priority: int, until: datetime, now: datetime
) -> Reported:
    """Note that an automation of somebody else's writes to a locked customer until then.

    A running journey of lower priority ends with `entered_priority_journey`; on a tie it goes on, as among our own.
    The same name reported again moves its end and its priority.
    """
    customer_id = required_id(customer.id)
    row = await _find(session, customer, name)
    if row is None:
        row = ExternalJourney(
            store_id=customer.store_id,
            customer_id=customer_id,
            name=name,
            priority=priority,
            entered_at=now,
            until=until,
        )
    elif row.until <= now:
        row.entered_at = now
    less = until < row.until or priority < row.priority
    row.priority, row.until = priority, until
    session.add(row)
    await session.flush()
    if less:
        await ask_again(session, customer_id, now=now)
    running = await open_enrollment(session, customer_id)
    if running is None or running.state is EnrollmentState.CONTROL:
        return Reported(None, None)
    journey = (await session.exec(select(Journey.name).where(Journey.id == running.journey_id))).one()
    if running.priority >= priority:
        return Reported(None, journey)
    await _end(session, customer, running, winner=name, now=now)
    return Reported(journey, None)


async def end_external(session: AsyncSession, customer: Customer, *, name: str, now: datetime) -> bool:
    """The automation is through with a locked customer: ours may write again; False when it was not known to."""
    row = await _find(session, customer, name)
    if row is None or row.until <= now:
        return False
    row.until = now
    session.add(row)
    await session.flush()
    await ask_again(session, required_id(customer.id), now=now)
    return True


async def _end(session: AsyncSession, customer: Customer, running: Enrollment, *, winner: str, now: datetime) -> None:
    await record_event(
        session,
        customer,
        kind=EventKind.PRIORITY_JOURNEY_ENTERED,
        exit_reason=ExitReason.ENTERED_PRIORITY_JOURNEY,
        occurred_at=now,
        received_at=now,
        source="external",
        dedupe_key=f"takeover:{running.id}:external",
        enrollment_id=running.id,
        detail=winner,
    )


async def _find(session: AsyncSession, customer: Customer, name: str) -> ExternalJourney | None:
    return (
        await session.exec(
            select(ExternalJourney).where(
                ExternalJourney.store_id == customer.store_id,
                ExternalJourney.customer_id == customer.id,
                ExternalJourney.name == name,
            )
        )
    ).first()
