"""Entering a journey: the one transaction that opens an enrollment."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.journey import JourneyDefinition, Tracking
from models.tables import Customer, Enrollment, Journey, Store
from policies.calendar import start_of_local_day
from policies.schedule import Whereabouts, due_after, horizon, zone_at
from policies.tracking import first_contact_at
from storage.considered import Considered, control_is_over
from storage.engine import padded
from storage.enrollments import close_enrollment
from storage.events import last_event_id, last_event_ids, record_event
from storage.stores import required_id

_NAMESPACE = uuid.UUID("6f3c1c1e-7f0a-5f6e-9d9b-0c5c6f0d1a11")


def enrollment_id(store: str, journey: str, subject: str, entry_key: str) -> str:
    """The enrollment's and the workflow's id: the same entry always has the same one."""
    return f"enr-{uuid.uuid5(_NAMESPACE, f'{store}|{journey}|{subject}|{entry_key}')}"


@dataclass(frozen=True, slots=True)
class Entry:
    """Into what somebody enters."""

    store: Store
    journey: Journey
    version_id: int
    definition: JourneyDefinition
    launch_id: int | None


@dataclass(frozen=True, slots=True)
class Slots:
    """What stands in the way of locked customers' entries.

    Attributes:
        known_ids: of enrollments, of those that these entries would have.
        known_entries: customer and entry key of enrollments in the journey: an entry may have been made under the id
            of a time when the shop's id of the customer was not known yet.
        open: the enrollment that occupies a customer's slot, control included.
        last_events: each customer's newest event.
    """

    known_ids: frozenset[str]
    known_entries: frozenset[tuple[int, str]]
    open: Mapping[int, Enrollment]
    last_events: Mapping[int, int]


async def read_slots(session: AsyncSession, entry: Entry, people: Sequence[Considered]) -> Slots:
    """The slots of locked customers."""
    ids = padded(required_id(who.customer.id) for who in people)
    if not ids:
        return Slots(frozenset(), frozenset(), {}, {})
    new_ids = padded(_new_id(entry, who) for who in people)
    earlier = await session.exec(
        select(Enrollment.customer_id, Enrollment.entry_key).where(
            Enrollment.journey_id == required_id(entry.journey.id), col(Enrollment.customer_id).in_(ids)
        )
    )
    opened = await session.exec(
        select(Enrollment).where(col(Enrollment.customer_id).in_(ids), Enrollment.state != EnrollmentState.CLOSED)
    )
    return Slots(
        known_ids=frozenset(await session.exec(select(Enrollment.id).where(col(Enrollment.id).in_(new_ids)))),
        known_entries=frozenset((customer_id, key) for customer_id, key in earlier),
        open={one.customer_id: one for one in opened},
        last_events=await last_event_ids(session, ids),
    )


async def enroll(
    session: AsyncSession, entry: Entry, who: Considered, *, control: bool, entered_at: datetime, now: datetime
) -> Enrollment | None:
    """Open an enrollment for a locked customer who passed the rules, taking them over from a lower journey.

    Closing the loser, opening the winner and telling the loser's workflow are one transaction.

    Returns:
        The enrollment, or None when this entry was made before.
    """
    slots = await read_slots(session, entry, [who])
    enrollment = await enroll_into(session, entry, slots, who, control=control, entered_at=entered_at, now=now)
    await session.flush()
    return enrollment


async def enroll_into(
    session: AsyncSession,
    entry: Entry,
    slots: Slots,
    who: Considered,
    *,
    control: bool,
    entered_at: datetime,
    now: datetime,
) -> Enrollment | None:
    """`enroll` for one of many, whose slots were read for all of them at once; written with the session's next flush.

    Args:
        session: of the transaction in which the customers are locked.
        entry: into what.
        slots: those of `who` among them.
        who: each is enrolled once in a transaction.
        control: held out.
        entered_at: when the passage begins.
        now: the moment of the decision.
    """
    customer, entry_key = who.customer, who.entry_key or ""
    customer_id, new_id = required_id(customer.id), _new_id(entry, who)
    if new_id in slots.known_ids or (customer_id, entry_key) in slots.known_entries:
        return None
    loser = slots.open.get(customer_id)
    if loser is not None:
        await _clear_slot(session, customer, loser, entry.journey, new_id, now=now)
    where = Whereabouts(customer.time_zone, customer.phone, entry.store.time_zone)
    analysis, begins = who.subject.analysis, entered_at
    if analysis is not None and isinstance(entry.definition, Tracking):
        begins = first_contact_at(entry.definition, analysis.wrote_at, where, now=entered_at)
    enrollment = Enrollment(
        id=new_id,
        store_id=required_id(entry.store.id),
        journey_id=required_id(entry.journey.id),
        version_id=entry.version_id,
        customer_id=customer_id,
        launch_id=entry.launch_id,
        conversation_id=who.subject.conversation.id if who.subject.conversation is not None else None,
        checkout_id=who.subject.checkout.id if who.subject.checkout is not None else None,
        analysis_id=analysis.id if analysis is not None else None,
        entry_key=entry_key,
        priority=entry.definition.priority,
        control=control,
        state=EnrollmentState.CONTROL if control else EnrollmentState.STARTING,
        selected_at=now,
        after_event_id=(
            slots.last_events.get(customer_id, 0) if loser is None else await last_event_id(session, customer_id)
        ),
        entered_at=entered_at,
        due_at=None if control else due_after(entry.definition, 0, begins, where),
        horizon_at=horizon(entry.definition, begins, zone_at(entry.definition, where, begins)),
    )
    session.add(enrollment)
    return enrollment


def _new_id(entry: Entry, who: Considered) -> str:
    subject = who.customer.external_id or f"#{who.customer.id}"
    return enrollment_id(entry.store.slug, entry.journey.name, subject, who.entry_key or "")


async def _clear_slot(
    session: AsyncSession, customer: Customer, loser: Enrollment, winner: Journey, winner_id: str, *, now: datetime
) -> None:
    if control_is_over(loser, now):
        await close_enrollment(session, loser, reason=ExitReason.COMPLETED, now=now)
        return
    await record_event(
        session,
        customer,
        kind=EventKind.PRIORITY_JOURNEY_ENTERED,
        exit_reason=ExitReason.ENTERED_PRIORITY_JOURNEY,
        occurred_at=now,
        received_at=now,
        source="entry",
        dedupe_key=f"takeover:{loser.id}:{winner_id}",
        enrollment_id=loser.id,
        detail=winner.name,
    )
    await close_enrollment(session, loser, reason=ExitReason.ENTERED_PRIORITY_JOURNEY, now=now)


async def entered_on(session: AsyncSession, journey_id: int, day: date, zone: ZoneInfo) -> int:
    """How many were selected on a day of the store, control not counted."""
    entered = select(func.count()).where(
        Enrollment.journey_id == journey_id,
        col(Enrollment.control).is_(False),
        col(Enrollment.selected_at) >= start_of_local_day(day, zone),
        col(Enrollment.selected_at) < start_of_local_day(day + timedelta(days=1), zone),
    )
    return (await session.exec(entered)).one()
