"""The GraphQL documents beside this file, one operation each, read once when the module is imported."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Generic, TypeVar

from providers.shopify import wire

AnswerT = TypeVar("AnswerT", bound=wire.Wire)


@dataclass(frozen=True, slots=True)
class Operation(Generic[AnswerT]):
    """One call.

    Attributes:
        name: the file's name; it is what errors and recordings call it.
        document: the GraphQL text.
        answer: the model of the answer's `data`.
        mutation: whether it changes anything at the shop.
    """

    name: str
    document: str
    answer: type[AnswerT]
    mutation: bool


def _load(name: str, answer: type[AnswerT], *, mutation: bool = False) -> Operation[AnswerT]:
    document = files(__package__).joinpath(f"{name}.graphql").read_text(encoding="utf-8")
    return Operation(name, document, answer, mutation)


LAPSED_CUSTOMERS = _load("lapsed_customers", wire.LapsedCustomersAnswer)
CUSTOMERS_LAST_ORDERS = _load("customers_last_orders", wire.CustomersAnswer)
PURCHASES_SINCE = _load("purchases_since", wire.PurchasesAnswer)
ORDERS_UPDATED_SINCE = _load("orders_updated_since", wire.UpdatedOrdersAnswer)
CUSTOMER_BY_PHONE = _load("customer_by_phone", wire.CustomerByPhoneAnswer)
DISCOUNT_BY_CODE = _load("discount_by_code", wire.DiscountByCodeAnswer)
DISCOUNT_CREATE = _load("discount_create", wire.DiscountCreateAnswer, mutation=True)
CONSENT_UPDATE = _load("consent_update", wire.ConsentUpdateAnswer, mutation=True)
SHOP = _load("shop", wire.ShopAnswer)
WEBHOOK_SUBSCRIPTIONS = _load("webhook_subscriptions", wire.SubscriptionsAnswer)
WEBHOOK_SUBSCRIPTION_CREATE = _load("webhook_subscription_create", wire.SubscriptionCreateAnswer, mutation=True)
