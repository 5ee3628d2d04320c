"""Entering a journey: what the rules look at, and the one transaction that opens an enrollment."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, text
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState, EnrollmentState, EventKind, ExitReason
from models.journey import JourneyDefinition, Tracking
from models.money import Money
from models.tables import (
    Customer,
    Enrollment,
    ExternalJourney,
    Journey,
    JourneyVersion,
    Order,
    Send,
    SendAttempt,
    Store,
)
from policies.calendar import start_of_local_day
from policies.eligibility import Candidate
from policies.phones import suppression_hash
from policies.schedule import Whereabouts, due_after, horizon, zone_at
from policies.tracking import first_contact_at
from storage.campaigns import latest_campaigns
from storage.customers import suppressed
from storage.engine import padded
from storage.enrollments import close_enrollment
from storage.events import last_event_id, last_event_ids, record_event
from storage.reachability import unreachable_with
from storage.sends import POSSIBLY_SENT
from storage.stores import required_id
from storage.subjects import NO_SUBJECT, Subject

# The words of the partial index `enrollment_starting`: with a parameter in their place it would not be used, and each
# page of starts would sort all that are left.
_STARTING = text(f"enrollment.state = '{EnrollmentState.STARTING}'")
_NAMESPACE = uuid.UUID("6f3c1c1e-7f0a-5f6e-9d9b-0c5c6f0d1a11")


@dataclass(frozen=True, slots=True)
class Considered:
    """A customer with what the entry rules look at, and the silence or cart that they may enter for."""

    customer: Customer
    candidate: Candidate
    subject: Subject = NO_SUBJECT

    @property
    def entry_key(self) -> str | None:
        """What makes an entry the same entry: an analysis, a message that nobody answered, a checkout, an order."""
        if self.subject.analysis is not None:
            return f"analysis-{required_id(self.subject.analysis.id)}"
        if self.subject.conversation is not None:
            return self.subject.conversation.last_spoken_key
        if self.subject.checkout is not None:
            return self.subject.checkout.token
        return self.candidate.last_order_id


def enrollment_id(store: str, journey: str, subject: str, entry_key: str) -> str:
    """The enrollment's and the workflow's id: the same entry always has the same one."""
    return f"enr-{uuid.uuid5(_NAMESPACE, f'{store}|{journey}|{subject}|{entry_key}')}"


async def considered(
    session: AsyncSession,
    journey_id: int,
    customer_ids: Sequence[int],
    *,
    suppression_key: bytes,
    now: datetime,
    lock: bool = False,
) -> list[Considered]:
    """The customers with what the rules look at, in the order of their ids; with `lock` their rows stay locked.

    Locking in one order everywhere is what keeps two transactions from waiting for each other.
    """
    ids = sorted(set(customer_ids))
    query = select(Customer).where(col(Customer.id).in_(ids)).order_by(col(Customer.id))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    customers = list(await session.exec(query))
    if not customers:
        return []
    hashes = {c.id: suppression_hash(c.phone, suppression_key) for c in customers if c.phone is not None}
    listed = await suppressed(session, customers[0].store_id, list(hashes.values()))
    marketing = await _latest(
        session,
        select(Send.customer_id, func.max(func.coalesce(Send.settled_at, SendAttempt.claimed_at)))
        # A free text went into a session that the customer had opened: it is a reply, and no marketing (DESIGN 5).
        .join(SendAttempt, and_(SendAttempt.send_id == Send.id, col(SendAttempt.number) == Send.attempt))
        .where(col(SendAttempt.used_template))
        .where(col(Send.customer_id).in_(ids), Send.journey_id != journey_id, col(Send.state).in_(POSSIBLY_SENT))
        .group_by(col(Send.customer_id)),
    )
    campaigns = await _latest(session, latest_campaigns(ids))
    orders = await _latest(
        session,
        select(Order.customer_id, func.max(Order.ordered_at))
        .where(col(Order.customer_id).in_(ids))
        .group_by(col(Order.customer_id)),
    )
    running = await _running(session, ids, now=now)
    earlier: dict[int, Enrollment] = {}
    for enrollment in await session.exec(
        select(Enrollment)
        .where(col(Enrollment.customer_id).in_(ids), Enrollment.journey_id == journey_id)
        .order_by(col(Enrollment.selected_at))
    ):
        earlier[enrollment.customer_id] = enrollment
    found = []
    for customer in customers:
        customer_id = required_id(customer.id)
        inside = running.get(customer_id)
        before = earlier.get(customer_id)
        ordered = [at for at in (orders.get(customer_id), customer.last_order_at) if at is not None]
        found.append(
            Considered(
                customer,
                Candidate(
                    customer_id=customer_id,
                    # Who was merged into another customer is reached as that one.
                    has_user_id=customer.wa_user_id is not None and customer.merged_into_id is None,
                    phone=customer.phone if customer.merged_into_id is None else None,
                    synthetic=customer.phone_synthetic,
                    consent=customer.consent,
                    opted_out=customer.opted_out_at is not None,
                    suppressed=_is_suppressed(customer, hashes, listed),
                    erased=customer.erased_at is not None,
                    unreachable_code=unreachable_with(customer, now),
                    unreachable_at=customer.unreachable_at,
                    last_order_at=customer.last_order_at,
                    last_order_total=_last_total(customer),
                    last_order_id=customer.last_order_external_id,
                    last_marketing_at=max(
                        (at for at in (marketing.get(customer_id), campaigns.get(customer_id)) if at is not None),
                        default=None,
                    ),
                    last_any_order_at=max(ordered, default=None),
                    open_enrollment_priority=inside.priority if inside else None,
                    open_enrollment_journey=inside.journey if inside else None,
                    open_enrollment_until=inside.until if inside else None,
                    last_inbound_at=customer.last_inbound_at,
                    last_entry_key=before.entry_key if before else None,
                    last_entered_at=before.entered_at if before else None,
                ),
            )
        )
    return found


def _is_suppressed(customer: Customer, hashes: Mapping[int | None, str], listed: Mapping[str, datetime | None]) -> bool:
    """Whether the phone is on the suppression list and no consent has lifted it since."""
    hashed = hashes.get(customer.id)
    if hashed is None or hashed not in listed:
        return False
    since, consented_at = listed[hashed], customer.consent_at
    if since is None or consented_at is None or customer.consent is not ConsentState.SUBSCRIBED:
        return True
    return consented_at <= since


@dataclass(frozen=True, slots=True)
class _Running:
    """A journey that a customer is in, ours or one that somebody else reported."""

    journey: str
    priority: int
    until: datetime | None


async def _running(session: AsyncSession, ids: Sequence[int], *, now: datetime) -> dict[int, _Running]:
    """What each customer is in, of several the one of highest priority; of equals the one whose end is not known."""
    found: dict[int, _Running] = {}
    for enrollment, name in await session.exec(
        select(Enrollment, Journey.name)
        .join(Journey, col(Journey.id) == Enrollment.journey_id)
        .where(col(Enrollment.customer_id).in_(ids), Enrollment.state != EnrollmentState.CLOSED)
    ):
        if not _control_is_over(enrollment, now):
            held_out = enrollment.state is EnrollmentState.CONTROL
            until = enrollment.horizon_at if held_out else None
            found[enrollment.customer_id] = _Running(name, enrollment.priority, until)
    for external in await session.exec(
        select(ExternalJourney)
        .where(col(ExternalJourney.customer_id).in_(ids), ExternalJourney.until > now)
        .order_by(col(ExternalJourney.until).desc())
    ):
        inside = found.get(external.customer_id)
        if inside is None or external.priority > inside.priority:
            found[external.customer_id] = _Running(external.name, external.priority, external.until)
    return found


async def _latest(session: AsyncSession, query: object) -> dict[int, datetime]:
    rows = await session.exec(query)  # type: ignore[call-overload]
    return {customer_id: at for customer_id, at in rows if at is not None}


def _last_total(customer: Customer) -> Money | None:
    if customer.last_order_minor is None or customer.last_order_currency is None:
        return None
    return Money(customer.last_order_minor, customer.last_order_currency)


def _control_is_over(enrollment: Enrollment, now: datetime) -> bool:
    return (
        enrollment.state is EnrollmentState.CONTROL
        and enrollment.horizon_at is not None
        and enrollment.horizon_at <= now
    )


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
    if _control_is_over(loser, now):
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


async def entered_on(session: AsyncSession, journey_id: int, day: date, zone: ZoneInfo) -> int:
    """How many were selected on a day of the store, control not counted."""
    entered = select(func.count()).where(
        Enrollment.journey_id == journey_id,
        col(Enrollment.control).is_(False),
        col(Enrollment.selected_at) >= start_of_local_day(day, zone),
        col(Enrollment.selected_at) < start_of_local_day(day + timedelta(days=1), zone),
    )
    return (await session.exec(entered)).one()
