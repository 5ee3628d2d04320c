"""From the wire's shapes to the house's records."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from models.money import Money
from providers.shopify.records import Discount, DiscountSpec, OrderUpdate, ShopCustomer, ShopOrder
from providers.shopify.wire import (
    CustomerWire,
    DiscountNodeWire,
    MoneyWire,
    OrderWire,
    UpdatedOrderWire,
    customer_gid,
)


def in_utc(at: datetime | None) -> datetime | None:
    """The same instant in UTC."""
    return None if at is None else at.astimezone(UTC)


def order_record(order: OrderWire) -> ShopOrder:
    """An order."""
    return ShopOrder(
        id=order.id,
        created_at=order.created_at.astimezone(UTC),
        updated_at=order.updated_at.astimezone(UTC),
        test=order.test,
        cancelled_at=in_utc(order.cancelled_at),
        financial_status=_financial_status(order),
        total=_money(order.current_total_price_set.shop_money),
        discount_codes=_typed_codes(order),
    )


def order_update(order: UpdatedOrderWire) -> OrderUpdate:
    """An order of the list of changes, in the form that webhooks have as well."""
    buyer = order.customer
    buyers_phone = buyer.default_phone_number if buyer is not None else None
    return OrderUpdate(
        id=order.id,
        customer_id=buyer.id if buyer is not None else None,
        created_at=order.created_at.astimezone(UTC),
        updated_at=order.updated_at.astimezone(UTC),
        cancelled_at=in_utc(order.cancelled_at),
        test=order.test,
        financial_status=_financial_status(order),
        total=_money(order.current_total_price_set.shop_money),
        discount_codes=_typed_codes(order),
        phone=order.phone or (buyers_phone.phone_number if buyers_phone is not None else None),
        original_total=_money(order.total_price_set.shop_money),
        refunded=_money(order.total_refunded_set.shop_money),
        checkout_token=order.checkout_token,
        cart_token=order.cart_token,
        first_name=(buyer.first_name or None) if buyer is not None else None,
    )


def customer_record(customer: CustomerWire, last_order: ShopOrder | None) -> ShopCustomer:
    """A customer with the last real order found for them."""
    phone = customer.default_phone_number
    consent = phone.whats_app_marketing_consent if phone is not None else None
    return ShopCustomer(
        id=customer.id,
        first_name=customer.first_name or None,
        locale=customer.locale,
        phone=phone.phone_number if phone is not None else None,
        whatsapp_consent=consent.state.lower() if consent is not None else None,
        consent_updated_at=in_utc(consent.updated_at) if consent is not None else None,
        number_of_orders=customer.number_of_orders,
        last_order=last_order,
    )


def last_real_order(orders: Iterable[OrderWire]) -> ShopOrder | None:
    """The first that is neither a test nor cancelled, of orders that come newest first."""
    real = (order for order in orders if not order.test and order.cancelled_at is None)
    newest = next(real, None)
    return None if newest is None else order_record(newest)


def discount_record(node: DiscountNodeWire, code: str) -> Discount:
    """A code discount."""
    discount = node.code_discount
    named = discount.context.typename == "DiscountCustomers"
    return Discount(
        id=node.id,
        code=code,
        kind=discount.typename,
        title=discount.title,
        status=discount.status.lower(),
        starts_at=discount.starts_at.astimezone(UTC),
        ends_at=in_utc(discount.ends_at),
        usage_limit=discount.usage_limit,
        uses=discount.async_usage_count,
        customer_ids=frozenset(one.id for one in discount.context.customers) if named else None,
    )


def discount_input(spec: DiscountSpec) -> dict[str, Any]:
    """`DiscountCodeBasicInput` for a code that one customer can use once, on the whole order."""
    value: dict[str, Any]
    if spec.percent is not None:
        value = {"percentage": spec.percent / 100}
    else:
        value = {"discountAmount": {"amount": str(spec.amount), "appliesOnEachItem": False}}
    wanted: dict[str, Any] = {
        "code": spec.code,
        "title": spec.title,
        "startsAt": spec.starts_at.astimezone(UTC).isoformat(),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [customer_gid(spec.customer_id)]}},
        "customerGets": {"items": {"all": True}, "value": value},
    }
    if spec.ends_at is not None:
        wanted["endsAt"] = spec.ends_at.astimezone(UTC).isoformat()
    if spec.minimum is not None:
        wanted["minimumRequirement"] = {"subtotal": {"greaterThanOrEqualToSubtotal": str(spec.minimum)}}
    return wanted


def _money(money: MoneyWire) -> Money:
    return Money.of(money.amount, money.currency_code)


def _financial_status(order: OrderWire) -> str | None:
    return order.display_financial_status.lower() if order.display_financial_status else None


def _typed_codes(order: OrderWire) -> tuple[str, ...]:
    return tuple(one.code for one in order.discount_applications.nodes if one.code is not None)
