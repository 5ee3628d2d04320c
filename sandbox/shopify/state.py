"""What the stand-in's shops hold, indexed for a simulation's questions: by customer, by time.

Orders of the future may be loaded beforehand: until the clock reaches them they do not exist for anybody who asks.
The same goes for a cancellation.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter

from models.enums import ConsentState
from sandbox.shopify.records import Changes, CheckoutRecord, RefundRecord

Clock = Callable[[], datetime]

ALL_SCOPES = frozenset(
    {"read_customers", "write_customers", "read_orders", "read_all_orders", "read_discounts", "write_discounts"}
)
ORDER_WALL = timedelta(days=60)
"""How far back an app without `read_all_orders` sees orders."""


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """A customer of a shop.

    Attributes:
        phone: E.164, or None.
        consent: marketing over WhatsApp; means nothing without a phone number.
    """

    id: int
    first_name: str | None = None
    last_name: str | None = None
    locale: str = "en"
    phone: str | None = None
    consent: ConsentState = ConsentState.NEVER_SUBSCRIBED
    consent_updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order, perhaps one of the future.

    Attributes:
        customer_id: None for a guest.
        total: major units of the currency.
        cancelled_at: when it is or will be cancelled.
        financial_status: `OrderDisplayFinancialStatus` before any refund.
        discount_codes: codes that the customer typed.
        manual_discounts: titles of discounts that staff gave.
        phone: as typed into the checkout.
        checkout_token: of the checkout that it was made of.
        refunds: what was or will be given back.
        changed_at: when something else in it was changed last.
    """

    id: int
    customer_id: int | None
    created_at: datetime
    total: Decimal
    currency: str
    test: bool = False
    cancelled_at: datetime | None = None
    financial_status: str = "PAID"
    discount_codes: tuple[str, ...] = ()
    manual_discounts: tuple[str, ...] = ()
    phone: str | None = None
    checkout_token: str | None = None
    cart_token: str | None = None
    refunds: tuple[RefundRecord, ...] = ()
    changed_at: datetime | None = None

    @property
    def moments(self) -> set[datetime]:
        """Every moment at which it changes."""
        others = (self.cancelled_at, self.changed_at, *(one.at for one in self.refunds))
        return {self.created_at, *(at for at in others if at is not None and at > self.created_at)}

    def cancelled(self, now: datetime) -> datetime | None:
        """When it was cancelled, if it is by now."""
        return self.cancelled_at if self.cancelled_at is not None and self.cancelled_at <= now else None

    def updated_at(self, now: datetime) -> datetime:
        """Its last change so far."""
        return max((at for at in self.moments if at <= now), default=self.created_at)

    def refunded(self, now: datetime) -> Decimal:
        """What was given back so far."""
        return sum((one.amount for one in self.refunds if one.at <= now), Decimal(0))

    def status(self, now: datetime) -> str:
        """`OrderDisplayFinancialStatus` now."""
        refunded = self.refunded(now)
        if not refunded:
            return self.financial_status
        return "REFUNDED" if refunded >= self.total else "PARTIALLY_REFUNDED"


@dataclass(frozen=True, slots=True)
class DiscountRecord:
    """A code discount.

    Attributes:
        kind: a member of the schema's `DiscountCode` union.
        customer_ids: for whom; None for everybody.
    """

    id: int
    code: str
    title: str
    starts_at: datetime
    ends_at: datetime | None = None
    usage_limit: int | None = None
    once_per_customer: bool = False
    customer_ids: tuple[int, ...] | None = None
    kind: str = "DiscountCodeBasic"


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    """A webhook subscription."""

    id: int
    topic: str
    uri: str


_CREATED = attrgetter("created_at")


@dataclass(slots=True)
class History:
    """One customer's orders by time, those of the future included."""

    orders: list[OrderRecord] = field(default_factory=list)

    def add(self, order: OrderRecord) -> None:
        """Put the order in its place."""
        insort(self.orders, order, key=_CREATED)

    def count_until(self, now: datetime) -> int:
        """How many exist by then."""
        return bisect_right(self.orders, now, key=_CREATED)


@dataclass(slots=True)
class ShopState:
    """One shop.

    Attributes:
        domain: `demo.myshopify.com`.
        token: what `X-Shopify-Access-Token` must be.
        secret: what its webhooks are signed with.
        scopes: what the app may do; without `read_all_orders` orders end 60 days ago.
        hook: where the app's own configuration has webhooks delivered: those that no subscription can ask for, and all
            of them as long as there is no subscription at all. None: nowhere.
        installed: whether the app is; without, its token opens nothing.
    """

    domain: str
    token: str
    secret: str
    name: str = "Sandbox"
    time_zone: str = "UTC"
    currency: str = "USD"
    scopes: frozenset[str] = ALL_SCOPES
    customers: dict[int, CustomerRecord] = field(default_factory=dict)
    histories: dict[int, History] = field(default_factory=dict)
    orders: dict[int, OrderRecord] = field(default_factory=dict)
    discounts: dict[str, DiscountRecord] = field(default_factory=dict)
    subscriptions: list[SubscriptionRecord] = field(default_factory=list)
    checkouts: dict[str, CheckoutRecord] = field(default_factory=dict)
    hook: str | None = None
    installed: bool = True
    _changes: Changes = field(default_factory=Changes)
    _by_phone: dict[str, int] = field(default_factory=dict)
    _next_id: int = 1

    def load(self, customers: Iterable[CustomerRecord] = (), orders: Iterable[OrderRecord] = ()) -> None:
        """Add many at once; records of known ids are replaced."""
        for customer in customers:
            self.put_customer(customer)
        touched: set[int] = set()
        moments: list[tuple[datetime, int]] = []
        for order in orders:
            if order.id in self.orders:
                self.put_order(order)
                continue
            self.orders[order.id] = order
            moments += ((at, order.id) for at in order.moments)
            if order.customer_id is not None:
                self.histories.setdefault(order.customer_id, History()).orders.append(order)
                touched.add(order.customer_id)
        for customer_id in touched:
            self.histories[customer_id].orders.sort(key=_CREATED)
        self._changes.load(moments)

    def put_customer(self, customer: CustomerRecord) -> None:
        """Add or replace a customer."""
        self.drop_customer(customer.id)
        self.customers[customer.id] = customer
        self.histories.setdefault(customer.id, History())
        if customer.phone is not None:
            self._by_phone[customer.phone] = customer.id

    def drop_customer(self, customer_id: int) -> None:
        """Forget a customer; their orders stay."""
        former = self.customers.pop(customer_id, None)
        if former is not None and former.phone is not None and self._by_phone.get(former.phone) == customer_id:
            del self._by_phone[former.phone]

    def put_order(self, order: OrderRecord) -> None:
        """Add or replace an order: placing one now, cancelling one, planting one in the future."""
        former = self.orders.get(order.id)
        if former is not None:
            for at in former.moments:
                self._changes.drop(at, order.id)
            if former.customer_id is not None:
                self.histories[former.customer_id].orders.remove(former)
        for at in order.moments:
            self._changes.add(at, order.id)
        self.orders[order.id] = order
        if order.customer_id is not None:
            self.histories.setdefault(order.customer_id, History()).add(order)

    def put_discount(self, discount: DiscountRecord) -> None:
        """Add or replace a code; codes differ in more than case."""
        self.discounts[discount.code.casefold()] = discount

    def set_consent(self, customer_id: int, state: ConsentState, at: datetime) -> None:
        """Record a customer's word on marketing over WhatsApp."""
        self.put_customer(replace(self.customers[customer_id], consent=state, consent_updated_at=at))

    def by_phone(self, phone: str) -> CustomerRecord | None:
        """Whose number this is."""
        customer_id = self._by_phone.get(phone)
        return None if customer_id is None else self.customers[customer_id]

    def visible_orders(self, customer_id: int, now: datetime) -> list[OrderRecord]:
        """The customer's orders that exist now and that the app may see, oldest first."""
        history = self.histories.get(customer_id)
        if history is None:
            return []
        end = history.count_until(now)
        start = 0 if "read_all_orders" in self.scopes else bisect_right(history.orders, now - ORDER_WALL, key=_CREATED)
        return history.orders[start:end]

    def changed_orders(self, since: datetime, now: datetime) -> list[OrderRecord]:
        """Orders whose last change so far was at `since` or later and that the app may see, oldest change first."""
        wall = None if "read_all_orders" in self.scopes else now - ORDER_WALL
        changed = (self.orders[one] for one in self._changes.between(since, now))
        seen = (one for one in changed if one.created_at <= now and (wall is None or one.created_at > wall))
        return sorted(seen, key=lambda one: (one.updated_at(now), one.id))

    def new_id(self) -> int:
        """An id for something that the shop itself makes, and that nothing it was filled with has."""
        self._next_id += 1
        while self._next_id in self.orders:
            self._next_id += 1
        return self._next_id
