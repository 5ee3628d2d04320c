"""Webhooks about orders and refunds."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from models.money import Money
from providers.shopify.records import OrderUpdate
from providers.shopify.webhook_bodies import (
    Body,
    Currency,
    Id,
    Moment,
    Price,
    Text,
    UnreadableWebhookError,
    first_text,
    read,
)

ORDER_TOPICS: Final = frozenset({"orders/create", "orders/paid", "orders/updated", "orders/cancelled"})
"""Topics whose body is an order."""

NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for no currency at all: that of a refund in which no money moved."""


@dataclass(frozen=True, slots=True)
class RefundUpdate:
    """One refund, which may have given back no money (goods were put back in stock only).

    Attributes:
        at: when it was processed, UTC.
        amount: what the customer got back: the sum of the refund transactions that succeeded, in the shop's currency
            where the payload tells it, else in the payment's own; zero of `NO_CURRENCY` or of the refunded goods'
            currency if there was none.
    """

    id: int
    order_id: int
    at: datetime
    amount: Money


def parse_order(raw: bytes) -> OrderUpdate:
    """Read the body of a webhook of one of `ORDER_TOPICS`; fields that we do not know are ignored.

    Raises:
        UnreadableWebhookError: it is no order.
    """
    order = read(_Order, raw, "order")
    customer = order.customer
    total = Money.of(order.current_total_price, order.currency)
    return OrderUpdate(
        id=order.id,
        customer_id=customer.id if customer is not None else None,
        created_at=order.created_at,
        updated_at=order.updated_at,
        cancelled_at=order.cancelled_at,
        test=order.test,
        financial_status=order.financial_status,
        total=total,
        discount_codes=_typed_codes(order),
        phone=first_text(order.phone, customer.phone if customer is not None else None),
        original_total=total if order.total_price is None else Money.of(order.total_price, order.currency),
        refunded=_refunded(order),
        checkout_token=order.checkout_token,
        cart_token=order.cart_token,
        first_name=first_text(customer.first_name) if customer is not None else None,
    )


def parse_refund(raw: bytes) -> RefundUpdate:
    """Read the body of `refunds/create`.

    Raises:
        UnreadableWebhookError: it is no refund.
    """
    refund = read(_Refund, raw, "refund")
    at = refund.processed_at or refund.created_at
    if at is None:
        raise UnreadableWebhookError("no refund can be read: created_at, processed_at")
    given_back = [one.money for one in refund.transactions if one.gave_back]
    currency = given_back[0].currency if given_back else _goods_currency(refund)
    minor = sum(one.minor for one in given_back if one.currency == currency)
    return RefundUpdate(id=refund.id, order_id=refund.order_id, at=at, amount=Money(minor, currency))


class _Amount(Body):
    amount: Price
    currency_code: Currency


class _AmountSet(Body):
    shop_money: _Amount


class _Transaction(Body):
    kind: Text | None = None
    status: Text | None = None
    amount: Price = Decimal(0)
    currency: Currency = NO_CURRENCY
    amount_set: _AmountSet | None = None

    @property
    def gave_back(self) -> bool:
        """Whether money went back; pending, failed and voided ones moved none."""
        return self.kind == "refund" and self.status == "success"

    @property
    def money(self) -> Money:
        """In the shop's currency where it is told: the plain amount is in the currency that the customer paid in."""
        if self.amount_set is not None:
            shop_money = self.amount_set.shop_money
            return Money.of(shop_money.amount, shop_money.currency_code)
        return Money.of(self.amount, self.currency)


class _RefundedLine(Body):
    subtotal_set: _AmountSet | None = None


class _RefundOfOrder(Body):
    transactions: tuple[_Transaction, ...] = ()


class _Refund(_RefundOfOrder):
    id: Id
    order_id: Id
    created_at: Moment | None = None
    processed_at: Moment | None = None
    refund_line_items: tuple[_RefundedLine, ...] = ()


class _Customer(Body):
    id: Id
    first_name: Text | None = None
    phone: Text | None = None


class _DiscountCode(Body):
    code: Text


class _DiscountApplication(Body):
    type: Text
    code: Text | None = None


class _Order(Body):
    id: Id
    created_at: Moment
    updated_at: Moment
    cancelled_at: Moment | None = None
    test: bool = False
    financial_status: Text | None = None
    currency: Currency
    current_total_price: Price
    total_price: Price | None = None
    discount_codes: tuple[_DiscountCode, ...] = ()
    discount_applications: tuple[_DiscountApplication, ...] | None = None
    phone: Text | None = None
    customer: _Customer | None = None
    refunds: tuple[_RefundOfOrder, ...] | None = None
    checkout_token: Text | None = None
    cart_token: Text | None = None


def _typed_codes(order: _Order) -> tuple[str, ...]:
    """Codes that the customer typed.

    A draft order lists a manual discount's title among `discount_codes`; only the applications tell the two apart, so
    the plain list counts only where the subscription leaves those out.
    """
    if order.discount_applications is None:
        return tuple(one.code for one in order.discount_codes)
    return tuple(
        one.code for one in order.discount_applications if one.type == "discount_code" and one.code is not None
    )


def _refunded(order: _Order) -> Money | None:
    """What was given back so far; None if the payload does not say, or says it in another currency only."""
    if order.refunds is None:
        return None
    given_back = [one.money for refund in order.refunds for one in refund.transactions if one.gave_back]
    if any(one.currency != order.currency for one in given_back):
        return None
    return Money(sum(one.minor for one in given_back), order.currency)


def _goods_currency(refund: _Refund) -> str:
    told = (one.subtotal_set.shop_money.currency_code for one in refund.refund_line_items if one.subtotal_set)
    return next(told, NO_CURRENCY)
