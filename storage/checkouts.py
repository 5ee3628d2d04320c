"""Checkouts: what somebody has put in a cart, since when it lies there, and what ends that.

The shop tells of them in any order, before and after the order that a checkout becomes. So nothing is added up along
the way: whether a checkout lies idle follows from its own newest state and from the orders that are known.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, EventKind, ExitReason
from models.money import Money
from models.tables import Checkout, Customer, CustomerEvent, Enrollment, Order
from storage.events import record_event
from storage.ingest import insert_new
from storage.watches import wake_for_checkout

_BEFORE_ANYTHING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_CURRENCY: Final = "XXX"


@dataclass(frozen=True, slots=True)
class CheckoutFacts:
    """A checkout as the shop tells it.

    Attributes:
        token: its key, which an order made of it names.
        external_id: the number by which its deletion is told.
        items: title and quantity of each line.
        completed_at: when it became an order.
        closed_at: when it was closed without one.
    """

    token: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    total: Money
    url: str | None = None
    items: tuple[dict[str, Any], ...] = ()
    completed_at: datetime | None = None
    closed_at: datetime | None = None


async def apply_checkout(
    session: AsyncSession,
    store_id: int,
    customer: Customer | None,
    facts: CheckoutFacts,
    *,
    received_at: datetime,
    source: str,
) -> Checkout:
    """Bring a checkout up to date; a completed one ends the cart journey that it began.

    Args:
        session: a writing transaction.
        store_id: whose shop it is.
        customer: the locked customer whose it is; None while nobody can tell.
        facts: the newest of them stands, whatever the order in which they come.
        received_at: when this came in.
        source: where it came from.
    """
    checkout = await _ensure(session, store_id, token=facts.token, external_id=facts.external_id)
    if _is_news(checkout, facts):
        _bring_up_to_date(checkout, customer, facts)
    checkout.token = facts.token
    checkout.external_id = checkout.external_id or facts.external_id
    if checkout.customer_id is None and customer is not None:
        checkout.customer_id = customer.id
    # An order cannot be taken back into a cart, so whoever tells of it first is right.
    checkout.completed_at = _earlier(checkout.completed_at, facts.completed_at)
    if facts.closed_at is not None:
        checkout.deleted_at = _earlier(checkout.deleted_at, facts.closed_at)
    await session.flush()
    await settle_idle(session, checkout)
    if checkout.completed_at is not None and customer is not None:
        await _end_cart_journey(session, customer, checkout, received_at=received_at, source=source)
    await wake_for_checkout(session, checkout, now=received_at)
    return checkout


async def delete_checkout(
    session: AsyncSession, store_id: int, *, external_id: str | None, token: str | None, now: datetime
) -> None:
    """The checkout is no more; one that was never told of is remembered as deleted, should it be told of later."""
    checkout = await _ensure(session, store_id, token=token, external_id=external_id)
    checkout.deleted_at = _earlier(checkout.deleted_at, now)
    checkout.idle_since = None
    await session.flush()


async def settle_idle(session: AsyncSession, checkout: Checkout) -> None:
    """Compute since when it lies idle: not at all once it is completed, deleted or bought otherwise."""
    over = checkout.completed_at is not None or checkout.deleted_at is not None or await _was_ordered(session, checkout)
    checkout.idle_since = None if over else checkout.updated_at
    await session.flush()


async def close_ordered(session: AsyncSession, order: Order) -> None:
    """An order ends the checkout that it was made of, and what the same customer left in a cart before it."""
    idle = await session.exec(
        select(Checkout).where(
            Checkout.store_id == order.store_id,
            col(Checkout.idle_since).is_not(None),
            or_(
                Checkout.token == (order.checkout_token or ""),
                and_(col(Checkout.customer_id) == order.customer_id, col(Checkout.updated_at) <= order.ordered_at),
            ),
        )
    )
    for checkout in idle.all():
        checkout.idle_since = None
    await session.flush()


async def completion_of(session: AsyncSession, order: Order) -> CustomerEvent | None:
    """The event by which the order's completed checkout has ended a journey before the order itself was told of."""
    if order.checkout_token is None:
        return None
    return (
        await session.exec(
            select(CustomerEvent).where(
                CustomerEvent.store_id == order.store_id,
                CustomerEvent.dedupe_key == _completion_key(order.checkout_token),
            )
        )
    ).first()


async def find_checkout(
    session: AsyncSession, store_id: int, *, token: str | None, external_id: str | None, lock: bool = False
) -> Checkout | None:
    """The store's checkout with that token, else the one with that number of the shop's.

    With `lock` its row stays locked, after its customer's: a checkout of nobody has no other lock.
    """
    of_store = select(Checkout).where(Checkout.store_id == store_id).execution_options(populate_existing=True)
    if lock:
        of_store = of_store.with_for_update()
    found: Checkout | None = None
    if token is not None:
        found = (await session.exec(of_store.where(Checkout.token == token))).first()
    if found is None and external_id is not None:
        found = (await session.exec(of_store.where(Checkout.external_id == external_id))).first()
    return found


async def _ensure(session: AsyncSession, store_id: int, *, token: str | None, external_id: str | None) -> Checkout:
    """The checkout's row, made if it was never told of; whatever is told of it then is the newer word."""
    found = await find_checkout(session, store_id, token=token, external_id=external_id, lock=True)
    if found is None:
        token = token or f"deleted:{external_id}"
        row = {
            "store_id": store_id,
            "token": token,
            "external_id": external_id,
            "created_at": _BEFORE_ANYTHING,
            "updated_at": _BEFORE_ANYTHING,
            "total_minor": 0,
            "currency": _NO_CURRENCY,
            "items": [],
        }
        await insert_new(session, Checkout, [row], returning="id")
        found = await find_checkout(session, store_id, token=token, external_id=external_id, lock=True)
    if found is None:
        msg = "a row that was just written, or stood in the way of that, is there"
        raise AssertionError(msg)
    return found


def _is_news(checkout: Checkout, facts: CheckoutFacts) -> bool:
    """Whether the facts are newer; of two from the same second the larger cart stands, in whatever order they come."""
    told = (facts.updated_at, facts.total.minor, facts.url or "", len(facts.items))
    return told >= (checkout.updated_at, checkout.total_minor, checkout.url or "", len(checkout.items))


def _bring_up_to_date(checkout: Checkout, customer: Customer | None, facts: CheckoutFacts) -> None:
    checkout.created_at = facts.created_at
    checkout.updated_at = facts.updated_at
    checkout.total_minor = facts.total.minor
    checkout.currency = facts.total.currency
    # Of somebody who was erased nothing is kept that leads to them.
    erased = customer is not None and customer.erased_at is not None
    checkout.url = None if erased else facts.url
    checkout.items = [] if erased else list(facts.items)
    if customer is not None:
        checkout.customer_id = customer.id


async def _was_ordered(session: AsyncSession, checkout: Checkout) -> bool:
    its_own = Order.checkout_token == checkout.token
    later = and_(col(Order.customer_id) == checkout.customer_id, col(Order.ordered_at) >= checkout.updated_at)
    found = await session.exec(
        select(Order.id).where(
            Order.store_id == checkout.store_id,
            col(Order.test).is_(False),
            or_(its_own, later) if checkout.customer_id is not None else its_own,
        )
    )
    return found.first() is not None


async def _end_cart_journey(
    session: AsyncSession, customer: Customer, checkout: Checkout, *, received_at: datetime, source: str
) -> None:
    """A completed checkout is a purchase; the order itself may come later, or have come already."""
    enrollment = (
        await session.exec(
            select(Enrollment).where(
                Enrollment.checkout_id == checkout.id,
                Enrollment.customer_id == customer.id,
                col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL]),
            )
        )
    ).first()
    if enrollment is None or checkout.completed_at is None or await _has_its_order(session, checkout):
        return
    await record_event(
        session,
        customer,
        kind=EventKind.ORDER_PLACED,
        exit_reason=ExitReason.PURCHASED,
        occurred_at=checkout.completed_at,
        received_at=received_at,
        source=source,
        dedupe_key=_completion_key(checkout.token),
        enrollment_id=enrollment.id,
    )


async def _has_its_order(session: AsyncSession, checkout: Checkout) -> bool:
    order_of_it = select(Order.id).where(
        Order.store_id == checkout.store_id, Order.checkout_token == checkout.token, col(Order.test).is_(False)
    )
    return (await session.exec(order_of_it)).first() is not None


def _completion_key(token: str) -> str:
    return f"checkout:{token}"


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [at for at in (one, other) if at is not None]
    return min(known, default=None)
