"""What the entry rules look at: customers as they stand, with all that counts for one journey."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState, EnrollmentState
from models.money import Money
from models.tables import Customer, Enrollment, ExternalJourney, Journey, Order, Send, SendAttempt
from policies.eligibility import Candidate
from policies.phones import suppression_hash
from storage.campaigns import latest_campaigns
from storage.customers import suppressed
from storage.reachability import unreachable_with
from storage.sends import POSSIBLY_SENT
from storage.stores import required_id
from storage.subjects import NO_SUBJECT, Subject


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
        if not control_is_over(enrollment, now):
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


def control_is_over(enrollment: Enrollment, now: datetime) -> bool:
    """Whether it holds somebody out and its horizon has passed, so that it occupies their slot no more."""
    return (
        enrollment.state is EnrollmentState.CONTROL
        and enrollment.horizon_at is not None
        and enrollment.horizon_at <= now
    )
