"""Orders as the shop reports them, and what they end."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.money import Money
from models.tables import Customer, Enrollment, Order
from policies.attribution import counts
from storage.attribution import attribute_orders
from storage.checkouts import close_ordered, completion_of
from storage.events import record_event
from storage.refunds import RefundFacts, find_order, lock_order_key, record_refund, refunded
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order as the shop tells it, by webhook or by query.

    Attributes:
        total: what is left of it after returns, in the shop's currency.
        original: before returns and refunds; None where the source does not tell.
        refunded: what was given back so far; None likewise.
        checkout_token: of the checkout that it was made of.
    """

    external_id: str
    ordered_at: datetime
    updated_at: datetime
    total: Money
    test: bool = False
    cancelled_at: datetime | None = None
    financial_status: str | None = None
    discount_codes: tuple[str, ...] = field(default=())
    original: Money | None = None
    refunded: Money | None = None
    checkout_token: str | None = None

    @property
    def left_minor(self) -> int:
        """What the source itself says is left: the total, or less where money went back without a return."""
        if self.original is None or self.refunded is None or self.refunded.currency != self.original.currency:
            return self.total.minor
        return min(self.total.minor, self.original.minor - self.refunded.minor)


async def apply_order(
    session: AsyncSession, customer: Customer, facts: OrderFacts, *, received_at: datetime, source: str
) -> Order:
    """Bring an order of a locked customer up to date, tell the running journey of a new one, and attribute it anew.

    Older news than what is stored changes nothing but what was not told yet, since webhooks come in any order.
    """
    order = await find_order(session, customer.store_id, facts.external_id)
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
        await session.flush()
        # A refund may be looking for this order at the same moment.
        await lock_order_key(session, customer.store_id, facts.external_id)
        _bring_up_to_date(order, facts)
    elif _is_news(order, facts):
        _bring_up_to_date(order, facts)
    elif not _fill_in(order, facts):
        return order
    await _compute_left(session, order)
    if counts(order):
        await _tell_journey(session, customer, order, received_at=received_at, source=source)
    await _note_last_order(session, customer, order)
    if not order.test:
        await close_ordered(session, order)
    await attribute_orders(session, required_id(customer.id))
    return order


async def apply_refund(session: AsyncSession, customer: Customer, order: Order, facts: RefundFacts) -> bool:
    """Write a refund of a locked customer's order down and take it off; False when it is known already."""
    if not await record_refund(session, order.store_id, facts):
        return False
    await _compute_left(session, order)
    await _note_last_order(session, customer, order)
    await attribute_orders(session, required_id(customer.id))
    return True


_PAYMENT = (None, "pending", "authorized", "partially_paid", "paid", "partially_refunded", "refunded", "voided")


def _is_news(order: Order, facts: OrderFacts) -> bool:
    """Whether the facts are the newer ones.

    The shop's times are whole seconds, so that two different states may have one; then the further one stands, in
    whatever order they come.
    """
    if facts.updated_at != order.updated_at:
        return facts.updated_at > order.updated_at
    told = (facts.cancelled_at is not None, _how_far(facts.financial_status), -facts.left_minor)
    left = order.current_minor if order.current_minor is not None else order.total_minor
    known = (order.cancelled_at is not None, _how_far(order.financial_status), -left)
    return told >= known


def _how_far(status: str | None) -> int:
    word = status.casefold() if status is not None else None
    return _PAYMENT.index(word) if word in _PAYMENT else 0


def _bring_up_to_date(order: Order, facts: OrderFacts) -> None:
    order.updated_at = facts.updated_at
    order.current_minor = facts.left_minor
    order.currency = facts.total.currency
    order.test = facts.test
    order.cancelled_at = facts.cancelled_at
    order.financial_status = facts.financial_status
    order.discount_codes = list(facts.discount_codes)
    if facts.original is not None:
        order.original_minor = facts.original.minor
    if facts.checkout_token is not None:
        order.checkout_token = facts.checkout_token


def _fill_in(order: Order, facts: OrderFacts) -> bool:
    """Take from older news what newer news did not tell; whether there was anything."""
    filled = False
    if order.original_minor is None and facts.original is not None and facts.original.currency == order.currency:
        order.original_minor = facts.original.minor
        filled = True
    if order.checkout_token is None and facts.checkout_token is not None:
        order.checkout_token = facts.checkout_token
        filled = True
    return filled


async def _compute_left(session: AsyncSession, order: Order) -> None:
    """What is left of the order, with every refund that is known by now."""
    left = order.current_minor if order.current_minor is not None else order.total_minor
    if order.original_minor is not None:
        left = min(left, order.original_minor - await refunded(session, order))
    order.total_minor = max(0, left)
    await session.flush()


async def _note_last_order(session: AsyncSession, customer: Customer, order: Order) -> None:
    is_last = customer.last_order_external_id == order.external_id
    if counts(order):
        newer = customer.last_order_at is None or _age(order.ordered_at, order.external_id) > _age(
            customer.last_order_at, customer.last_order_external_id
        )
        if newer or is_last:
            _set_last_order(customer, order)
        return
    if not is_last:
        return
    # It stood and was cancelled or given back: the one before it is the last again.
    earlier = (
        await session.exec(
            select(Order).where(Order.customer_id == customer.id, Order.external_id != order.external_id)
        )
    ).all()
    standing = [one for one in earlier if counts(one)]
    _set_last_order(customer, max(standing, key=lambda one: _age(one.ordered_at, one.external_id), default=None))


def _age(at: datetime, external_id: str | None) -> tuple[datetime, int, str]:
    """Orders by time, then by the shop's number (DESIGN section 7)."""
    return at, len(external_id or ""), external_id or ""


def _set_last_order(customer: Customer, order: Order | None) -> None:
    customer.last_order_at = order.ordered_at if order is not None else None
    customer.last_order_external_id = order.external_id if order is not None else None
    customer.last_order_minor = order.total_minor if order is not None else None
    customer.last_order_currency = order.currency if order is not None else None


async def _tell_journey(
    session: AsyncSession, customer: Customer, order: Order, *, received_at: datetime, source: str
) -> None:
    enrollment = (
        await session.exec(
            select(Enrollment).where(Enrollment.customer_id == customer.id, Enrollment.state != EnrollmentState.CLOSED)
        )
    ).first()
    reason: ExitReason | None = None
    # The completed checkout may have ended the journey already: one purchase, one exit event.
    heard = await completion_of(session, order)
    if heard is not None:
        heard.order_id = order.id
    if enrollment is not None and (heard is None or heard.enrollment_id != enrollment.id):
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
