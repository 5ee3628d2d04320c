"""Asking the shop whether the customer has bought, and telling the database what it says."""

from datetime import datetime

from activities.services import Services
from models.journey import Tracking
from models.money import Money
from models.tables import Customer, Shop, Store
from policies.tracking import bought_since
from providers.shopify.records import ShopOrder
from storage.enrollments import EnrollmentFacts
from storage.orders import OrderFacts
from storage.subjects import NO_SUBJECT, Subject


async def purchases_of(services: Services, facts: EnrollmentFacts, subject: Subject = NO_SUBJECT) -> list[OrderFacts]:
    """The customer's orders since the enrollment's selection, as the shop has them now.

    Of somebody who left a cart since they left it, and of somebody whom a review found since the review's window: they
    may have paid in the time before they entered, and the shop's webhook been lost. A customer who is not the shop's
    (met on WhatsApp only) has none that the shop could know, but whom a review found it is asked about by phone.

    Raises:
        ProviderError: the shop could not be asked.
    """
    since = facts.enrollment.selected_at
    if subject.checkout is not None and subject.checkout.idle_since is not None:
        since = min(since, subject.checkout.idle_since)
    if subject.analysis is not None and isinstance(facts.definition, Tracking):
        since = min(since, bought_since(subject.analysis.wrote_at, facts.definition.window_hours))
        return await orders_by_phone_too(services, facts.shop, facts.customer, since=since)
    return await _orders(services, facts.shop, facts.customer, since=since)


async def orders_by_phone_too(
    services: Services, shop: Shop, customer: Customer, *, since: datetime
) -> list[OrderFacts]:
    """The customer's orders by the shop's own number, or by phone of somebody whom it has not named to us.

    Raises:
        ProviderError: the shop could not be asked.
    """
    if customer.external_id is not None or customer.phone is None:
        return await _orders(services, shop, customer, since=since)
    access = services.shop_access(shop)
    known = await services.shopify.customer_by_phone(access, customer.phone)
    if known is None:
        return []
    return [order_facts(order) for order in await services.shopify.purchases_since(access, known.id, since)]


async def _orders(services: Services, shop: Shop, customer: Customer, *, since: datetime) -> list[OrderFacts]:
    if customer.external_id is None or not customer.external_id.isdigit():
        return []
    orders = await services.shopify.purchases_since(services.shop_access(shop), int(customer.external_id), since)
    return [order_facts(order) for order in orders]


async def bought_elsewhere(services: Services, facts: EnrollmentFacts, subject: Subject) -> bool:
    """Whether the store's own CRM knows of a purchase of somebody whom a review found; asked of nobody else.

    A review's follow-up may wait for days, and for a person: what was right when they entered is asked again.

    Raises:
        ProviderError: the CRM could not be asked.
    """
    if subject.analysis is None or not isinstance(facts.definition, Tracking):
        return False
    since = bought_since(subject.analysis.wrote_at, facts.definition.window_hours)
    return await crm_knows_purchase(services, facts.store, facts.customer, since=since)


async def crm_knows_purchase(services: Services, store: Store, customer: Customer, *, since: datetime) -> bool:
    """Whether the store's own CRM, if it has one, knows of a purchase since that moment.

    Somebody of whom we have neither a number nor the shop's id is nobody whom it could know.

    Raises:
        ProviderError: the CRM could not be asked.
    """
    access = services.crm_access(store)
    if access is None or (customer.phone is None and customer.external_id is None):
        return False
    answer = await services.crm.has_bought(access, phone=customer.phone, external_id=customer.external_id, since=since)
    return answer.bought


def order_facts(order: ShopOrder) -> OrderFacts:
    """A shop's order in the database's words."""
    return OrderFacts(
        external_id=str(order.id),
        ordered_at=order.created_at,
        updated_at=order.updated_at,
        total=Money(order.total.minor, order.total.currency),
        test=order.test,
        cancelled_at=order.cancelled_at,
        financial_status=order.financial_status,
        discount_codes=order.discount_codes,
    )
