"""Asking the shop whether the customer has bought, and telling the database what it says."""

from activities.services import Services
from models.money import Money
from providers.shopify.records import ShopOrder
from storage.enrollments import EnrollmentFacts
from storage.orders import OrderFacts


async def purchases_of(services: Services, facts: EnrollmentFacts) -> list[OrderFacts]:
    """The customer's orders since the enrollment's selection, as the shop has them now.

    A customer who is not the shop's (met on WhatsApp only) has none that the shop could know.

    Raises:
        ProviderError: the shop could not be asked.
    """
    external_id = facts.customer.external_id
    if external_id is None or not external_id.isdigit():
        return []
    orders = await services.shopify.purchases_since(
        services.shop_access(facts.shop), int(external_id), facts.enrollment.selected_at
    )
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
