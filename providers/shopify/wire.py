"""What Shopify's Admin GraphQL API answers, field by field as it stands on the wire.

Only what our operations ask for is modelled, and unknown fields are ignored. Enum-typed fields are plain strings: a
new currency or financial status in a later release must not turn an answer into an error. `Decimal` and
`UnsignedInt64` arrive as JSON strings and are never read through a float.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

CUSTOMER = "Customer"


def numeric_id(gid: str) -> int:
    """The number at the end of a global id: `gid://shopify/Order/12` is 12.

    The type in the middle is not looked at: a segment member's id names another type than `Customer` although its
    number is the customer's.

    Raises:
        ValueError: the text is no Shopify global id with a number.
    """
    head, _, tail = gid.partition("?")[0].rpartition("/")
    if not head.startswith("gid://shopify/") or not (tail.isascii() and tail.isdigit()):
        msg = "not a Shopify global id with a number"
        raise ValueError(msg)
    return int(tail)


def customer_gid(customer_id: int) -> str:
    """The global id of a customer."""
    return f"gid://shopify/{CUSTOMER}/{customer_id}"


Gid = Annotated[int, BeforeValidator(lambda gid: numeric_id(str(gid)))]
"""A global id, read as the number that it ends in."""


class Wire(BaseModel):
    """Base of every answer: camelCase on the wire, unknown fields ignored, values kept out of error texts."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )


class PageInfoWire(Wire):
    """`PageInfo`."""

    has_next_page: bool
    end_cursor: str | None = None


class MoneyWire(Wire):
    """`MoneyV2`: major units."""

    amount: Annotated[Decimal, Field(allow_inf_nan=False, max_digits=20)]
    currency_code: str


class MoneyBagWire(Wire):
    """`MoneyBag`, of which only the shop's own currency is asked for."""

    shop_money: MoneyWire


class DiscountApplicationWire(Wire):
    """`DiscountApplication`; `code` is there only for a code that the customer typed."""

    code: str | None = None


class DiscountApplicationsWire(Wire):
    """`DiscountApplicationConnection`."""

    nodes: tuple[DiscountApplicationWire, ...] = ()


class OrderWire(Wire):
    """`Order`."""

    id: Gid
    created_at: AwareDatetime
    updated_at: AwareDatetime
    test: bool
    cancelled_at: AwareDatetime | None = None
    display_financial_status: str | None = None
    current_total_price_set: MoneyBagWire
    discount_applications: DiscountApplicationsWire = DiscountApplicationsWire()


class OrdersWire(Wire):
    """`OrderConnection`."""

    nodes: tuple[OrderWire, ...]
    page_info: PageInfoWire


class ConsentWire(Wire):
    """`CustomerWhatsAppMarketingConsent`."""

    state: str
    updated_at: AwareDatetime | None = None


class PhoneWire(Wire):
    """`CustomerPhoneNumber`."""

    phone_number: str
    whats_app_marketing_consent: ConsentWire


class CustomerWire(Wire):
    """`Customer`."""

    id: Gid
    first_name: str | None = None
    locale: str
    number_of_orders: int
    default_phone_number: PhoneWire | None = None
    orders: OrdersWire


class CustomersAnswer(Wire):
    """Answer of `customers_last_orders`: null where no such customer is."""

    nodes: tuple[CustomerWire | None, ...]


class CustomerByPhoneAnswer(Wire):
    """Answer of `customer_by_phone`."""

    customer_by_identifier: CustomerWire | None


class CustomerOrdersWire(Wire):
    """`Customer` with nothing but orders."""

    orders: OrdersWire


class PurchasesAnswer(Wire):
    """Answer of `purchases_since`: null for a customer that the shop does not know (any more)."""

    customer: CustomerOrdersWire | None


class BuyerPhoneWire(Wire):
    """`CustomerPhoneNumber` with nothing but the number."""

    phone_number: str


class BuyerWire(Wire):
    """`Customer` with what an order needs of it."""

    id: Gid
    first_name: str | None = None
    default_phone_number: BuyerPhoneWire | None = None


class UpdatedOrderWire(OrderWire):
    """`Order` with its buyer and all its sums."""

    phone: str | None = None
    checkout_token: str | None = None
    cart_token: str | None = None
    total_price_set: MoneyBagWire
    total_refunded_set: MoneyBagWire
    customer: BuyerWire | None = None


class UpdatedOrdersWire(Wire):
    """`OrderConnection`."""

    nodes: tuple[UpdatedOrderWire, ...]
    page_info: PageInfoWire


class UpdatedOrdersAnswer(Wire):
    """Answer of `orders_updated_since`."""

    orders: UpdatedOrdersWire


class SegmentMemberWire(Wire):
    """`CustomerSegmentMember`."""

    id: Gid
    number_of_orders: int | None = None
    last_order_id: Gid | None = None


class SegmentEdgeWire(Wire):
    """`CustomerSegmentMemberEdge`."""

    node: SegmentMemberWire


class SegmentMembersWire(Wire):
    """`CustomerSegmentMemberConnection`."""

    total_count: int
    edges: tuple[SegmentEdgeWire, ...]
    page_info: PageInfoWire


class LapsedCustomersAnswer(Wire):
    """Answer of `lapsed_customers`."""

    customer_segment_members: SegmentMembersWire


class UserErrorWire(Wire):
    """A mutation's refusal inside an HTTP 200; some payloads carry no code."""

    field: tuple[str, ...] | None = None
    message: str
    code: str | None = None


class NodeWire(Wire):
    """Anything of which only the id is asked for."""

    id: Gid


class DiscountContextWire(Wire):
    """`DiscountContext`: who may use a discount; `customers` is there only for `DiscountCustomers`."""

    typename: Annotated[str, Field(alias="__typename")]
    customers: tuple[NodeWire, ...] = ()


class DiscountWire(Wire):
    """`DiscountCode`, whatever its kind."""

    typename: Annotated[str, Field(alias="__typename")]
    title: str
    status: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    usage_limit: int | None = None
    async_usage_count: int = 0
    context: DiscountContextWire


class DiscountNodeWire(Wire):
    """`DiscountCodeNode`."""

    id: Gid
    code_discount: DiscountWire


class DiscountByCodeAnswer(Wire):
    """Answer of `discount_by_code`."""

    code_discount_node_by_code: DiscountNodeWire | None


class DiscountCreatePayload(Wire):
    """`DiscountCodeBasicCreatePayload`."""

    code_discount_node: DiscountNodeWire | None = None
    user_errors: tuple[UserErrorWire, ...]


class DiscountCreateAnswer(Wire):
    """Answer of `discount_create`."""

    discount_code_basic_create: DiscountCreatePayload


class ConsentPayload(Wire):
    """`CustomerWhatsAppMarketingConsentUpdatePayload`, of which only the refusals matter."""

    user_errors: tuple[UserErrorWire, ...]


class ConsentUpdateAnswer(Wire):
    """Answer of `consent_update`."""

    customer_whats_app_marketing_consent_update: ConsentPayload


class ShopWire(Wire):
    """`Shop`."""

    name: str
    iana_timezone: str
    currency_code: str


class ScopeWire(Wire):
    """`AccessScope`."""

    handle: str


class InstallationWire(Wire):
    """`AppInstallation`."""

    access_scopes: tuple[ScopeWire, ...]


class ShopAnswer(Wire):
    """Answer of `shop`."""

    shop: ShopWire
    current_app_installation: InstallationWire


class SubscriptionWire(Wire):
    """`WebhookSubscription`."""

    id: str
    topic: str
    uri: str


class SubscriptionsWire(Wire):
    """`WebhookSubscriptionConnection`."""

    nodes: tuple[SubscriptionWire, ...]
    page_info: PageInfoWire


class SubscriptionsAnswer(Wire):
    """Answer of `webhook_subscriptions`."""

    webhook_subscriptions: SubscriptionsWire


class SubscriptionPayload(Wire):
    """`WebhookSubscriptionCreatePayload`."""

    webhook_subscription: SubscriptionWire | None = None
    user_errors: tuple[UserErrorWire, ...]


class SubscriptionCreateAnswer(Wire):
    """Answer of `webhook_subscription_create`."""

    webhook_subscription_create: SubscriptionPayload


class ThrottleStatusWire(Wire):
    """The leaky bucket's state after a request."""

    maximum_available: float
    currently_available: float
    restore_rate: float


class CostWire(Wire):
    """`extensions.cost`."""

    requested_query_cost: float
    actual_query_cost: float | None = None
    throttle_status: ThrottleStatusWire


class ExtensionsWire(Wire):
    """The answer's `extensions`."""

    cost: CostWire | None = None


class ErrorExtensionsWire(Wire):
    """One error's `extensions`."""

    code: str | None = None
    required_access: str | None = None


class GraphQLErrorWire(Wire):
    """One of the answer's top-level `errors`; its message may quote what we sent and is not read."""

    extensions: ErrorExtensionsWire | None = None

    @property
    def code(self) -> str:
        """Shopify's word for what went wrong, if it has one."""
        return (self.extensions.code if self.extensions is not None else None) or "unspecified"


class EnvelopeWire(Wire):
    """A whole answer; `data` is read by the operation's own model."""

    data: dict[str, Any] | None = None
    errors: tuple[GraphQLErrorWire, ...] = ()
    extensions: ExtensionsWire = ExtensionsWire()
