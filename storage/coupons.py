"""Personal discount codes that were issued."""

from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import CouponIssue, Enrollment


async def coupon_of(session: AsyncSession, enrollment_id: str) -> CouponIssue | None:
    """The code issued for the enrollment."""
    return (await session.exec(select(CouponIssue).where(CouponIssue.enrollment_id == enrollment_id))).first()


async def record_coupon(
    session: AsyncSession, enrollment: Enrollment, *, code: str, valid_from: datetime, valid_until: datetime | None
) -> CouponIssue:
    """Write an issued code down, once an enrollment."""
    known = await coupon_of(session, enrollment.id)
    if known is not None:
        return known
    issue = CouponIssue(
        store_id=enrollment.store_id,
        journey_id=enrollment.journey_id,
        enrollment_id=enrollment.id,
        customer_id=enrollment.customer_id,
        code=code,
        valid_from=valid_from,
        valid_until=valid_until,
    )
    session.add(issue)
    await session.flush()
    return issue
