"""What the rest of the house gets from Shopify: plain numbers for ids, `Money` for money, UTC for time."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

from models.money import Money

ItemT = TypeVar("ItemT")

_SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")


@dataclass(frozen=True, slots=True)
class ShopAccess:
    """One shop's door and the key to it.

    Attributes:
        shop_domain: the permanent domain, such as `example.myshopify.com`.
        token: the Admin API access token; never shown.
        endpoint: where the shop is reached instead of at its own domain (a sandbox); none of Shopify's own.
    """

    shop_domain: str
    token: str = field(repr=False)
    endpoint: str | None = None

    def __post_init__(self) -> None:
        # The token goes wherever this points: a custom domain or a typing error must not receive it.
        if _SHOP_DOMAIN.fullmatch(self.shop_domain) is None:
            msg = "a shop is addressed by its permanent domain, such as example.myshopify.com"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """One page of a list.

    Attributes:
        items: in the service's order.
        next_cursor: pass as `after` to go on; None at the end.
        total: how many the whole list has, where the service says.
    """

    items: tuple[ItemT, ...]
    next_cursor: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentMember:
    """A customer in a segment. Shopify's own counts: test and cancelled orders may be in them."""

    customer_id: int
    number_of_orders: int | None
    last_order_id: int | None


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """An order as the shop has it now.

    Attributes:
        created_at: when the customer completed the checkout, UTC.
        updated_at: last change of anything in it, UTC; of two views of one order the later wins.
        cancelled_at: UTC; None while it stands.
        financial_status: `OrderDisplayFinancialStatus` in lower case, such as `paid`; None where Shopify says nothing.
        total: what is left of it after returns and removals, in the shop's currency.
        discount_codes: codes that the customer used, as typed; a staff member's manual discount is not among them.
            Not asked for, and so empty, in `ShopCustomer.last_order`.
    """

    id: int
    created_at: datetime
    updated_at: datetime
    test: bool
    cancelled_at: datetime | None
    financial_status: str | None
    total: Money
    discount_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """One order as a webhook, or the list of orders that changed, shows it.

    Attributes:
        customer_id: None for an order without a customer account.
        updated_at: of two updates of one order the later wins; they may arrive in either order, and twice.
        cancelled_at: UTC; None while it stands.
        financial_status: lower case, such as `paid`; None where Shopify says nothing.
        total: what is left of it after returns and removals, in the shop's currency.
        discount_codes: codes that the customer used, as typed, without a staff member's manual discounts.
        phone: the order's own number, else the customer's, as Shopify gives it.
        original_total: before returns and refunds, in the shop's currency.
        refunded: money given back so far, in the shop's currency; None where the payload does not tell.
        checkout_token: of the checkout that it was made of; None for one that staff or another app made.
        cart_token: of the cart that the checkout was made of.
        first_name: the customer's.
    """

    id: int
    customer_id: int | None
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None
    test: bool
    financial_status: str | None
    total: Money
    discount_codes: tuple[str, ...]
    phone: str | None = field(repr=False)
    original_total: Money
    refunded: Money | None
    checkout_token: str | None
    cart_token: str | None
    first_name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShopCustomer:
    """A customer as the shop has them now.

    Attributes:
        phone: E.164; None if the customer has none.
        whatsapp_consent: `CustomerMarketingConsentState` in lower case (`models.enums.ConsentState` unless Shopify
            adds a state); None without a phone number.
        last_order: the newest order that is neither a test nor cancelled; None if there is none or the app may not
            see it (`ShopInfo.has_all_orders`).
    """

    id: int
    first_name: str | None = field(repr=False)
    locale: str
    phone: str | None = field(repr=False)
    whatsapp_consent: str | None
    consent_updated_at: datetime | None
    number_of_orders: int
    last_order: ShopOrder | None


@dataclass(frozen=True, slots=True)
class DiscountSpec:
    """One code for one customer, usable once.

    Attributes:
        code: what the customer types; compared without regard to case.
        title: what staff see; with `customer_id` it tells our own earlier code from somebody else's.
        percent: whole per cent off, 1 to 100; exactly one of `percent` and `amount` is given.
        amount: so much off the whole order, in the shop's currency.
        minimum: smallest subtotal for which the code works.
    """

    code: str
    title: str
    customer_id: int
    starts_at: datetime
    ends_at: datetime | None
    percent: int | None = None
    amount: Decimal | None = None
    minimum: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            msg = "a discount takes off either a percentage or an amount"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Discount:
    """A code as the shop has it now.

    Attributes:
        kind: `DiscountCodeBasic`, `DiscountCodeBxgy`, `DiscountCodeFreeShipping` or `DiscountCodeApp`.
        status: `active`, `expired` or `scheduled`, as of the moment of the answer.
        customer_ids: who may use it, if it is for named customers; else None.
        usage_limit: uses by all customers together; None for no limit.
        uses: how often it was used; Shopify counts some minutes late.
    """

    id: int
    code: str
    kind: str
    title: str
    status: str
    starts_at: datetime
    ends_at: datetime | None
    usage_limit: int | None
    uses: int
    customer_ids: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class ShopInfo:
    """The shop's settings and what this app may do there."""

    name: str
    time_zone: str
    currency: str
    scopes: frozenset[str]

    @property
    def has_all_orders(self) -> bool:
        """Whether orders older than 60 days are visible; a win-back of longer silence is blind without."""
        return "read_all_orders" in self.scopes


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic delivered to one address; `topic` is the enum's name, such as `ORDERS_CREATE`."""

    id: str
    topic: str
    uri: str
