"""Enrollments: what one looks like to its workflow, and the changes of its state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, ExitReason, HoldReason, OutgoingKind, SkipReason
from models.journey import JourneyDefinition
from models.tables import (
    Customer,
    Enrollment,
    Journey,
    JourneyVersion,
    Number,
    Shop,
    Store,
    TimelineEntry,
)
from policies.schedule import Whereabouts
from storage.engine import is_sqlite
from storage.events import first_exit_event
from storage.journeys import parse_definition
from storage.outgoing import announce, announce_unmended
from storage.watches import ask_again

RESTARTED = "restarted"
"""The timeline's word for a delay that began again."""


class UnknownEnrollmentError(LookupError):
    """There is no enrollment with that id."""

    def __init__(self, enrollment_id: str) -> None:
        super().__init__(f"there is no enrollment {enrollment_id}")


@dataclass(frozen=True, slots=True)
class EnrollmentFacts:
    """An enrollment with everything that decides about it."""

    enrollment: Enrollment
    customer: Customer
    journey: Journey
    definition: JourneyDefinition
    store: Store
    number: Number
    shop: Shop

    @property
    def where(self) -> Whereabouts:
        """What tells the customer's zone."""
        return Whereabouts(self.customer.time_zone, self.customer.phone, self.store.time_zone)


FACTS = (
    select(Enrollment, Customer, Journey, JourneyVersion.definition, Store, Number, Shop)  # type: ignore[call-overload]
    .join(Customer, col(Customer.id) == Enrollment.customer_id)
    .join(Journey, col(Journey.id) == Enrollment.journey_id)
    .join(JourneyVersion, col(JourneyVersion.id) == Enrollment.version_id)
    .join(Store, col(Store.id) == Enrollment.store_id)
    .join(Number, col(Number.store_id) == col(Store.id))
    .join(Shop, col(Shop.store_id) == col(Store.id))
    .where(col(Enrollment.id) == bindparam("enrollment_id"))
    .execution_options(populate_existing=True)
)
"""What `facts_from` reads, for the enrollment `enrollment_id`; built once, because building costs more than running."""

_LOCK_CUSTOMER_OF = (
    select(Customer.id)
    .where(
        col(Customer.id)
        == select(Enrollment.customer_id).where(col(Enrollment.id) == bindparam("enrollment_id")).scalar_subquery()
    )
    .with_for_update()
)


def facts_from(row: Sequence[Any]) -> EnrollmentFacts:
    """The facts in a row that `FACTS` selected."""
    enrollment, customer, journey, definition, store, number, shop = row
    return EnrollmentFacts(enrollment, customer, journey, parse_definition(definition), store, number, shop)


async def enrollment_facts(session: AsyncSession, enrollment_id: str) -> EnrollmentFacts:
    """The enrollment with its customer, journey, version, store, number and shop.

    Raises:
        UnknownEnrollmentError: there is none.
    """
    row = (await session.exec(FACTS, params={"enrollment_id": enrollment_id})).first()
    if row is None:
        raise UnknownEnrollmentError(enrollment_id)
    return facts_from(row)


async def lock_customer_of(session: AsyncSession, enrollment_id: str) -> None:
    """Lock the row of the enrollment's customer until the transaction ends (see `lock_customer`).

    A statement of its own on PostgreSQL: what one statement both locks and joins may be older than the lock. On SQLite
    the writing transaction has the one lock there is.
    """
    if not is_sqlite(session):
        await session.exec(_LOCK_CUSTOMER_OF, params={"enrollment_id": enrollment_id})


async def locked_facts(session: AsyncSession, enrollment_id: str) -> EnrollmentFacts:
    """The same under the customer's lock; everything read after it is as events left it.

    Raises:
        UnknownEnrollmentError: there is none.
    """
    await lock_customer_of(session, enrollment_id)
    return await enrollment_facts(session, enrollment_id)


def set_waiting(enrollment: Enrollment, *, stage: int, due_at: datetime, stages: int) -> None:
    """The enrollment waits for its next stage, or watches after its last one."""
    if enrollment.state is EnrollmentState.CLOSED:
        return
    enrollment.state = EnrollmentState.WATCHING if stage >= stages else EnrollmentState.WAITING
    enrollment.stage = stage
    enrollment.due_at = enrollment.stage_due_at = due_at
    enrollment.hold_reason = None
    enrollment.hold_key = None


def set_holding(
    session: AsyncSession,
    enrollment: Enrollment,
    *,
    reason: HoldReason,
    key: str | None,
    until: datetime | None,
    now: datetime,
) -> None:
    """The enrollment's stage is held; `key` names what releases it (a template, a number, a journey)."""
    if enrollment.state is EnrollmentState.CLOSED:
        return
    if (enrollment.state, enrollment.hold_reason) != (EnrollmentState.HOLDING, reason):
        note(session, enrollment.id, what="holding", reason=reason.value, stage=enrollment.stage, at=now)
    enrollment.state = EnrollmentState.HOLDING
    enrollment.hold_reason = reason
    enrollment.hold_key = key
    enrollment.due_at = until


def note_skip(session: AsyncSession, enrollment: Enrollment, *, reason: SkipReason, stage: int, now: datetime) -> None:
    """Write into the enrollment's story that a stage was passed over."""
    note(session, enrollment.id, what="skipped", reason=reason.value, stage=stage, at=now)


def note(
    session: AsyncSession, enrollment_id: str, *, what: str, reason: str | None, stage: int | None, at: datetime
) -> None:
    """One line of the enrollment's story."""
    session.add(TimelineEntry(enrollment_id=enrollment_id, what=what, reason=reason, stage=stage, at=at))


async def close_enrollment(
    session: AsyncSession, enrollment: Enrollment, *, reason: ExitReason, now: datetime, event_id: int | None = None
) -> ExitReason:
    """End an enrollment whose customer is locked. The first exit event that the database knows of beats `reason`.

    Returns:
        The reason that stands, also when it was closed before.
    """
    if enrollment.state is EnrollmentState.CLOSED and enrollment.exit_reason is not None:
        return enrollment.exit_reason
    event = await first_exit_event(session, enrollment)
    if event is not None and event.exit_reason is not None:
        reason, event_id = event.exit_reason, event.id
    held_out = enrollment.state is EnrollmentState.CONTROL
    enrollment.state = EnrollmentState.CLOSED
    enrollment.exit_reason = reason
    enrollment.exit_event_id = event_id
    enrollment.closed_at = now
    enrollment.due_at = None
    enrollment.hold_reason = None
    enrollment.hold_key = None
    await session.flush()
    await ask_again(session, enrollment.customer_id, now=now)
    if not held_out:
        await announce_unmended(session, enrollment.store_id, enrollment.id, now=now)
        await announce(
            session,
            enrollment.store_id,
            OutgoingKind.JOURNEY_EXITED,
            key=f"exited:{enrollment.id}",
            at=now,
            journey_id=enrollment.journey_id,
            customer_id=enrollment.customer_id,
            enrollment_id=enrollment.id,
        )
    return reason


async def open_enrollment(session: AsyncSession, customer_id: int) -> Enrollment | None:
    """The enrollment that occupies the customer's slot, control included."""
    return (
        await session.exec(
            select(Enrollment).where(Enrollment.customer_id == customer_id, Enrollment.state != EnrollmentState.CLOSED)
        )
    ).first()
