"""Asking the shop whether the customer has bought, and telling the database what it says."""

from activities.services import Services
from models.journey import Tracking
from models.money import Money
from policies.tracking import bought_since
from providers.shopify.records import ShopOrder
from storage.enrollments import EnrollmentFacts
from storage.orders import OrderFacts
from storage.subjects import NO_SUBJECT, Subject


async def purchases_of(services: Services, facts: EnrollmentFacts, subject: Subject = NO_SUBJECT) -> list[OrderFacts]:
    """The customer's orders since the enrollment's selection, as the shop has them now.

    Of somebody who left a cart since they left it, and of somebody whom a review found since the review's window: they
    may have paid in the time before they entered, and the shop's webhook been lost. A customer who is not the shop's
    (met on WhatsApp only) has none that the shop could know.

    Raises:
        ProviderError: the shop could not be asked.
    """
    external_id = facts.customer.external_id
    if external_id is None or not external_id.isdigit():
        return []
    since = facts.enrollment.selected_at
    if subject.checkout is not None and subject.checkout.idle_since is not None:
        since = min(since, subject.checkout.idle_since)
    if subject.analysis is not None and isinstance(facts.definition, Tracking):
        since = min(since, bought_since(subject.analysis.wrote_at, facts.definition.window_hours))
    orders = await services.shopify.purchases_since(services.shop_access(facts.shop), int(external_id), since)
    return [order_facts(order) for order in orders]


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
