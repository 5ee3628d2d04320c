"""One discount code per customer: made once, under a name that a repeated activity finds again."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.services import Services
from models.coupon import GENERATED_CODE_LENGTH, FixedCoupon, PersonalCoupon
from models.tables import CouponIssue
from providers.shopify.records import DiscountSpec
from storage.coupons import coupon_of, record_coupon
from storage.enrollments import EnrollmentFacts
from storage.secrets import derive


@dataclass(frozen=True, slots=True)
class CouponValue:
    """The code that a customer's messages may name, and until when it works (None: no end that we know of)."""

    code: str
    valid_until: datetime | None = None


async def coupon_for(services: Services, facts: EnrollmentFacts, *, now: datetime) -> CouponValue | None:
    """The enrollment's coupon, created in the shop if it is a personal one and this is the first time.

    The code follows from the enrollment, so that a repeat after a crash asks for the same code, and the provider
    then recognises it as ours. One that has run out is none any more: it is not put into another message.

    Raises:
        ProviderError: the shop did not create it.
    """
    coupon = facts.definition.resolved_coupon()
    if coupon is None:
        return None
    if isinstance(coupon, FixedCoupon):
        return CouponValue(coupon.code)
    if not (facts.customer.external_id or "").isdecimal():
        return None  # met on WhatsApp only: the shop has no account that a code of their own could be for
    async with services.database.read() as session:
        issued = await coupon_of(session, facts.enrollment.id)
    if issued is None:
        issued = await _create(services, facts, coupon, now=now)
    if issued.valid_until is not None and issued.valid_until <= now:
        return None
    return CouponValue(issued.code, issued.valid_until)


async def _create(services: Services, facts: EnrollmentFacts, coupon: PersonalCoupon, *, now: datetime) -> CouponIssue:
    code = coupon.prefix + _draw(services, facts)
    valid_until = now + timedelta(days=coupon.valid_days)
    spec = DiscountSpec(
        code=code,
        title=f"Rekindle {facts.journey.name}",
        customer_id=int(facts.customer.external_id or 0),
        starts_at=now,
        ends_at=valid_until,
        percent=coupon.percent,
        amount=coupon.amount,
        minimum=coupon.minimum,
    )
    made = await services.shopify.ensure_discount(services.shop_access(facts.shop), spec)
    async with services.database.write() as session:
        return await record_coupon(
            session, facts.enrollment, code=made.code, valid_from=made.starts_at, valid_until=made.ends_at
        )


def _draw(services: Services, facts: EnrollmentFacts) -> str:
    """Letters and digits that nobody can guess from another customer's code."""
    key = derive(services.cipher.decrypt(facts.store.salt_secret), "coupon")
    digest = hmac.new(key, facts.enrollment.id.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode()[:GENERATED_CODE_LENGTH]
