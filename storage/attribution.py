"""Which journey each of a customer's orders belongs to, computed anew from what the database knows by now."""

from collections.abc import Sequence

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, SendState
from models.journey import FixedCoupon, JourneyDefinition
from models.tables import CouponIssue, Enrollment, JourneyVersion, Order, Send, SendAttempt
from policies.attribution import CouponUse, Receipt, attribute, counts
from storage.journeys import parse_definition
from storage.stores import required_id


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


async def _receipts(session: AsyncSession, customer_id: int) -> tuple[list[Receipt], dict[str, int]]:
    """What the customer received: delivered or read, else accepted, unless WhatsApp has told that it failed then."""
    tried = select(SendAttempt.id).where(col(SendAttempt.send_id) == Send.id)
    is_open = tried.where(col(SendAttempt.status) != AttemptStatus.FAILED).exists()
    may_arrive = or_(col(Send.received_at).is_not(None), is_open, ~tried.exists())
    rows = await session.exec(
        select(Send, JourneyVersion.definition).where(
            Send.customer_id == customer_id,
            or_(
                and_(col(Send.state) == SendState.ACCEPTED, may_arrive),
                # Parked for want of a status, and then one came after all: it was received.
                and_(col(Send.state) == SendState.PARKED, col(Send.received_at).is_not(None)),
            ),
            Enrollment.id == Send.enrollment_id,
            JourneyVersion.id == Enrollment.version_id,
        )
    )
    receipts: list[Receipt] = []
    days: dict[str, int] = {}
    for send, definition in rows:
        at = send.received_at or send.settled_at
        if at is not None:
            receipts.append(Receipt(required_id(send.id), send.enrollment_id, send.journey_id, send.stage, at))
            days[send.enrollment_id] = parse_definition(definition).attribution_days
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
        if coupon is None or enrollment.control:
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
