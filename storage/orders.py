"""Orders as the shop reports them, what they end, and the journey that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, EnrollmentState, EventKind, ExitReason, SendState
from models.journey import FixedCoupon, JourneyDefinition
from models.money import Money
from models.tables import CouponIssue, Customer, Enrollment, JourneyVersion, Order, Send
from policies.attribution import CouponUse, Receipt, attribute, counts
from storage.events import record_event
from storage.journeys import parse_definition
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order as the shop tells it, by webhook or by query."""

    external_id: str
    ordered_at: datetime
    updated_at: datetime
    total: Money
    test: bool = False
    cancelled_at: datetime | None = None
    financial_status: str | None = None
    discount_codes: tuple[str, ...] = field(default=())


async def apply_order(
    session: AsyncSession, customer: Customer, facts: OrderFacts, *, received_at: datetime, source: str
) -> Order:
    """Bring an order of a locked customer up to date, tell the running journey of a new one, and attribute it anew.

    Older news than what is stored changes nothing, since webhooks come in any order.
    """
    order = (
        await session.exec(
            select(Order).where(Order.store_id == customer.store_id, Order.external_id == facts.external_id)
        )
    ).first()
    if order is None:
        order = Order(
            store_id=customer.store_id,
            customer_id=required_id(customer.id),
            external_id=facts.external_id,
            ordered_at=facts.ordered_at,
            updated_at=facts.updated_at,
            total_minor=facts.total.minor,
            currency=facts.total.currency,
        )
        session.add(order)
    elif facts.updated_at < order.updated_at:
        return order
    order.updated_at = facts.updated_at
    order.total_minor = facts.total.minor
    order.currency = facts.total.currency
    order.test = facts.test
    order.cancelled_at = facts.cancelled_at
    order.financial_status = facts.financial_status
    order.discount_codes = list(facts.discount_codes)
    await session.flush()
    if counts(order):
        await _tell_journey(session, customer, order, received_at=received_at, source=source)
        if customer.last_order_at is None or order.ordered_at > customer.last_order_at:
            customer.last_order_at = order.ordered_at
            customer.last_order_external_id = order.external_id
            customer.last_order_minor = order.total_minor
            customer.last_order_currency = order.currency
    await attribute_orders(session, required_id(customer.id))
    return order


async def _tell_journey(
    session: AsyncSession, customer: Customer, order: Order, *, received_at: datetime, source: str
) -> None:
    enrollment = (
        await session.exec(
            select(Enrollment).where(Enrollment.customer_id == customer.id, Enrollment.state != EnrollmentState.CLOSED)
        )
    ).first()
    reason: ExitReason | None = None
    if enrollment is not None:
        if order.ordered_at >= enrollment.selected_at:
            reason = ExitReason.PURCHASED
        elif customer.last_order_at is not None and order.ordered_at > customer.last_order_at:
            # Bought before the selection, heard of after it: the silence that the journey answers never was.
            reason = ExitReason.NO_LONGER_ELIGIBLE
    await record_event(
        session,
        customer,
        kind=EventKind.ORDER_PLACED,
        exit_reason=reason,
        occurred_at=order.ordered_at,
        received_at=received_at,
        source=source,
        dedupe_key=f"order:{order.external_id}",
        order_id=required_id(order.id),
    )


async def attribute_orders(session: AsyncSession, customer_id: int) -> None:
    """Compute anew which journey each of the customer's orders belongs to (DESIGN section 5).

    Called whenever an order or a receipt changes, so that late receipts and refunds are taken into account.
    """
    passages = await _passages(session, customer_id)
    if not passages:
        return  # never in a journey: nothing to belong to
    orders = (await session.exec(select(Order).where(Order.customer_id == customer_id))).all()
    if not orders:
        return
    receipts, days = await _receipts(session, customer_id)
    coupons = await _coupons(session, customer_id, passages)
    for order in orders:
        found = (
            attribute(order.ordered_at, order.discount_codes, receipts, coupons, attribution_days=days)
            if counts(order)
            else None
        )
        order.attributed_by = found.by if found else None
        order.attributed_journey_id = found.journey_id if found else None
        order.attributed_enrollment_id = found.enrollment_id if found else None
        order.attributed_send_id = found.send_id if found else None
    await session.flush()


async def _receipts(session: AsyncSession, customer_id: int) -> tuple[list[Receipt], dict[int, int]]:
    rows = await session.exec(
        select(Send, JourneyVersion.definition).where(
            Send.customer_id == customer_id,
            or_(
                Send.state == SendState.ACCEPTED,
                # Parked for want of a status, and then one came after all: it was received.
                and_(col(Send.state) == SendState.PARKED, col(Send.received_at).is_not(None)),
            ),
            Enrollment.id == Send.enrollment_id,
            JourneyVersion.id == Enrollment.version_id,
        )
    )
    receipts: list[Receipt] = []
    days: dict[int, int] = {}
    for send, definition in rows:
        at = send.received_at or send.settled_at
        if at is not None:
            receipts.append(Receipt(required_id(send.id), send.enrollment_id, send.journey_id, send.stage, at))
            days[send.journey_id] = parse_definition(definition).attribution_days
    return receipts, days


async def _passages(session: AsyncSession, customer_id: int) -> list[tuple[Enrollment, JourneyDefinition]]:
    rows = await session.exec(
        select(Enrollment, JourneyVersion.definition).where(
            Enrollment.customer_id == customer_id, JourneyVersion.id == Enrollment.version_id
        )
    )
    return [(enrollment, parse_definition(definition)) for enrollment, definition in rows]


async def _coupons(
    session: AsyncSession, customer_id: int, passages: Sequence[tuple[Enrollment, JourneyDefinition]]
) -> list[CouponUse]:
    uses = []
    personal = False
    for enrollment, definition in passages:
        coupon = definition.resolved_coupon()
        if coupon is None or enrollment.state is EnrollmentState.CONTROL:
            continue
        if isinstance(coupon, FixedCoupon):
            uses.append(CouponUse(enrollment.id, enrollment.journey_id, coupon.code, enrollment.entered_at, None))
        else:
            personal = True
    if personal:
        issues = await session.exec(select(CouponIssue).where(CouponIssue.customer_id == customer_id))
        uses.extend(
            CouponUse(issue.enrollment_id, issue.journey_id, issue.code, issue.valid_from, issue.valid_until)
            for issue in issues
        )
    return uses


RECEIVED = frozenset({AttemptStatus.DELIVERED, AttemptStatus.READ})
