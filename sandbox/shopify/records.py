"""Records of the stand-in's shops that more than one of its modules makes: refunds, checkouts, changes of orders."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class RefundRecord:
    """Money given back, perhaps only in the future; `amount` in major units of the order's currency."""

    id: int
    at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CheckoutLine:
    """One line of a checkout; `price` is that of one piece."""

    title: str
    quantity: int = 1
    price: Decimal = Decimal(25)


@dataclass(frozen=True, slots=True)
class CheckoutRecord:
    """A checkout, open until an order is made of it.

    Attributes:
        customer_id: None for somebody whom the shop does not know (yet).
        phone: as the buyer typed it into the checkout.
        sms_phone: the number given for text messages.
        completed_at: when it became an order.
        agreed: what it comes to in all, where that is known and the prices of its lines are not.
    """

    id: int
    token: str
    cart_token: str
    customer_id: int | None
    created_at: datetime
    updated_at: datetime
    currency: str
    lines: tuple[CheckoutLine, ...]
    phone: str | None = None
    sms_phone: str | None = None
    locale: str | None = None
    completed_at: datetime | None = None
    agreed: Decimal | None = None

    @property
    def total(self) -> Decimal:
        """Major units; the stand-in knows neither taxes nor shipping."""
        if self.agreed is not None:
            return self.agreed
        return sum((one.price * one.quantity for one in self.lines), Decimal(0))


@dataclass(slots=True)
class Changes:
    """When which order changed, so that a question for the latest need not look at every order."""

    _moments: list[tuple[datetime, int]] = field(default_factory=list)

    def load(self, moments: Iterable[tuple[datetime, int]]) -> None:
        """Add many at once."""
        self._moments += moments
        self._moments.sort()

    def add(self, at: datetime, order_id: int) -> None:
        """Note one change."""
        insort(self._moments, (at, order_id))

    def drop(self, at: datetime, order_id: int) -> None:
        """Forget one change that was noted."""
        place = bisect_left(self._moments, (at, order_id))
        if self._moments[place : place + 1] == [(at, order_id)]:
            del self._moments[place]

    def between(self, since: datetime, until: datetime) -> set[int]:
        """Orders with a change at `since` or later and not after `until`."""
        found: set[int] = set()
        for place in range(bisect_left(self._moments, (since, 0)), len(self._moments)):
            at, order_id = self._moments[place]
            if at > until:
                break
            found.add(order_id)
        return found
