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
        financial_status: `OrderDisplayFinancialStatus`.
        discount_codes: codes that the customer typed.
        manual_discounts: titles of discounts that staff gave.
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
    _by_phone: dict[str, int] = field(default_factory=dict)
    _next_id: int = 1

    def load(self, customers: Iterable[CustomerRecord] = (), orders: Iterable[OrderRecord] = ()) -> None:
        """Add many at once; records of known ids are replaced."""
        for customer in customers:
            self.put_customer(customer)
        touched: set[int] = set()
        for order in orders:
            if order.id in self.orders:
                self.put_order(order)
                continue
            self.orders[order.id] = order
            if order.customer_id is not None:
                self.histories.setdefault(order.customer_id, History()).orders.append(order)
                touched.add(order.customer_id)
        for customer_id in touched:
            self.histories[customer_id].orders.sort(key=_CREATED)

    def put_customer(self, customer: CustomerRecord) -> None:
        """Add or replace a customer."""
        former = self.customers.get(customer.id)
        if former is not None and former.phone is not None:
            self._by_phone.pop(former.phone, None)
        self.customers[customer.id] = customer
        self.histories.setdefault(customer.id, History())
        if customer.phone is not None:
            self._by_phone[customer.phone] = customer.id

    def put_order(self, order: OrderRecord) -> None:
        """Add or replace an order: placing one now, cancelling one, planting one in the future."""
        former = self.orders.get(order.id)
        if former is not None and former.customer_id is not None:
            self.histories[former.customer_id].orders.remove(former)
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

    def new_id(self) -> int:
        """An id for something that the shop itself makes: a discount, a subscription."""
        self._next_id += 1
        return self._next_id
