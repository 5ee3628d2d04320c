"""Which journey an order belongs to, if any: one order, one journey (DESIGN section 5).

The last message that the customer received within the journey's window wins, whether its enrollment still runs or
not; only when there is none does the use of a journey's coupon decide. The rule looks at facts alone, so it can be
asked again whenever a receipt or an order arrives late.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from models.enums import AttributedBy

# Shopify: all money went back, or none was ever taken.
_NO_SALE = frozenset({"refunded", "voided"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message that reached the customer.

    Attributes:
        send_id: the send.
        enrollment_id: whose passage it belonged to.
        journey_id: the journey of that enrollment.
        stage: its stage, from 0.
        received_at: when it was delivered or read, else accepted.
    """

    send_id: int
    enrollment_id: str
    journey_id: int
    stage: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class CouponUse:
    """A code that an enrolled customer who is not in control could use.

    Attributes:
        enrollment_id: that customer's enrollment.
        journey_id: its journey.
        code: the code; case does not matter, as it does not to Shopify.
        valid_from: first valid moment.
        valid_until: last valid moment; None when it does not expire.
    """

    enrollment_id: str
    journey_id: int
    code: str
    valid_from: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """What an order belongs to, and by which of the two rules; `send_id` is None for a coupon."""

    by: AttributedBy
    journey_id: int
    enrollment_id: str
    send_id: int | None


class OrderFacts(Protocol):
    """What decides whether an order counts; `models.tables.Order` has it."""

    @property
    def test(self) -> bool:
        """Whether it was placed to try the shop out."""

    @property
    def cancelled_at(self) -> datetime | None:
        """When it was cancelled."""

    @property
    def financial_status(self) -> str | None:
        """Shopify's word for its payment, in either case: `PARTIALLY_REFUNDED` keeps counting, `REFUNDED` does not."""

    @property
    def original_minor(self) -> int | None:
        """What it came to before returns and refunds; None where nobody told."""

    @property
    def total_minor(self) -> int:
        """What is left of that."""


def counts(order: OrderFacts) -> bool:
    """Whether an order counts at all: not a test, not cancelled, not refunded in full and not voided.

    One that never cost anything counts: it was placed all the same. One of which nothing is left does not.
    """
    no_sale = (order.financial_status or "").casefold() in _NO_SALE
    all_given_back = bool(order.original_minor) and order.total_minor <= 0
    return not (order.test or order.cancelled_at is not None or no_sale or all_given_back)


def attribute(
    order_at: datetime,
    order_codes: Iterable[str],
    receipts: Iterable[Receipt],
    coupons: Iterable[CouponUse],
    *,
    attribution_days: Mapping[str, int],
) -> Attribution | None:
    """The journey that an order belongs to.

    Args:
        order_at: when it was placed.
        order_codes: discount codes on it.
        receipts: messages that its customer received.
        coupons: codes that its customer could use.
        attribution_days: for each enrollment of the receipts its version's window, in blocks of 24 hours, both ends
            included.

    Raises:
        KeyError: a receipt's enrollment has no window.
    """
    in_window = [
        receipt
        for receipt in receipts
        if timedelta(0) <= order_at - receipt.received_at <= timedelta(days=attribution_days[receipt.enrollment_id])
    ]
    if in_window:
        last = max(in_window, key=lambda receipt: (receipt.received_at, receipt.stage, receipt.send_id))
        return Attribution(AttributedBy.WINDOW, last.journey_id, last.enrollment_id, last.send_id)
    codes = {_plain(code) for code in order_codes}
    used = [
        coupon
        for coupon in coupons
        if _plain(coupon.code) in codes
        and coupon.valid_from <= order_at
        and (coupon.valid_until is None or order_at <= coupon.valid_until)
    ]
    if not used:
        return None
    newest = max(used, key=lambda coupon: (coupon.valid_from, coupon.journey_id, coupon.enrollment_id))
    return Attribution(AttributedBy.COUPON, newest.journey_id, newest.enrollment_id, None)


def _plain(code: str) -> str:
    return code.strip().casefold()
