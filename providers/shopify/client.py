"""What the house asks of a shop, one method per question, answered in the house's own records."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import httpx

from models.enums import ConsentState
from providers.errors import Rejected
from providers.shopify import mapping, operations
from providers.shopify.records import (
    Discount,
    DiscountSpec,
    OrderUpdate,
    Page,
    SegmentMember,
    ShopAccess,
    ShopCustomer,
    ShopInfo,
    ShopOrder,
    Subscription,
)
from providers.shopify.transport import SERVICE, GraphQLTransport
from providers.shopify.wire import CustomerWire, OrderWire, SubscriptionWire, UserErrorWire, customer_gid

API_VERSION: Final = "2026-10"

CUSTOMERS_PER_REQUEST: Final = 50
"""A customer with three orders counts 14 points (objects 1, a connection 2 and its items): 700 of the 1,000 allowed."""

ORDERS_PER_REQUEST: Final = 10
UPDATED_ORDERS_PER_REQUEST: Final = 30
"""An order with its sums, discounts and buyer counts 21 points: 632 of the 1,000 allowed."""

SUBSCRIPTIONS_PER_REQUEST: Final = 100


class CodeTaken(Rejected):
    """The discount code exists and is not the one that we would have made."""


class ShopifyClient:
    """Shopify's Admin API for any number of shops; holds no token and no state.

    Every method raises `providers.errors.ProviderError`s only (the table stands in `providers.shopify.transport`) and
    may be repeated after any of them: reads have no effect, and each write first or afterwards finds out whether it
    already stands.
    """

    def __init__(self, http: httpx.AsyncClient, *, version: str = API_VERSION, base_url: str | None = None) -> None:
        """Args as in `providers.shopify.transport.GraphQLTransport`."""
        self._transport = GraphQLTransport(http, version=version, base_url=base_url)

    async def shop(self, access: ShopAccess) -> ShopInfo:
        """The shop's settings and this app's scopes."""
        answer = await self._transport.run(access, operations.SHOP)
        return ShopInfo(
            name=answer.shop.name,
            time_zone=answer.shop.iana_timezone,
            currency=answer.shop.currency_code,
            scopes=frozenset(scope.handle for scope in answer.current_app_installation.access_scopes),
        )

    async def lapsed_customers(
        self,
        access: ShopAccess,
        *,
        inactive_days: int,
        inactive_days_max: int | None,
        time_zone: str,
        after: str | None = None,
        first: int = 250,
    ) -> Page[SegmentMember]:
        """Customers whose last order is so many calendar dates ago, the longest silence first.

        Shopify's own last order may be a test or cancelled one: whoever comes back here is a candidate to check with
        `customers`; and somebody who cancelled a recent order is not offered.

        Args:
            access: the shop.
            inactive_days: at least so many dates of `time_zone` between the last order and today.
            inactive_days_max: at most so many, if given.
            time_zone: IANA name; without it Shopify would count days of UTC.
            after: a page's `next_cursor`.
            first: page size, at most 1,000.
        """
        answer = await self._transport.run(
            access,
            operations.LAPSED_CUSTOMERS,
            {
                "query": lapsed_query(inactive_days, inactive_days_max),
                "timezone": time_zone,
                "first": first,
                "after": after,
                "sortKey": "last_order_date",
            },
        )
        members = answer.customer_segment_members
        return Page(
            items=tuple(
                SegmentMember(
                    customer_id=edge.node.id,
                    number_of_orders=edge.node.number_of_orders,
                    last_order_id=edge.node.last_order_id,
                )
                for edge in members.edges
            ),
            next_cursor=members.page_info.end_cursor if members.page_info.has_next_page else None,
            total=members.total_count,
        )

    async def customers(self, access: ShopAccess, ids: Sequence[int]) -> list[ShopCustomer]:
        """These customers with their last real order, in the order given; whom the shop does not know is left out."""
        found: list[ShopCustomer] = []
        for start in range(0, len(ids), CUSTOMERS_PER_REQUEST):
            some = ids[start : start + CUSTOMERS_PER_REQUEST]
            answer = await self._transport.run(
                access, operations.CUSTOMERS_LAST_ORDERS, {"ids": [customer_gid(one) for one in some]}
            )
            found += [await self._complete(access, customer) for customer in answer.nodes if customer is not None]
        return found

    async def customer_by_phone(self, access: ShopAccess, phone: str) -> ShopCustomer | None:
        """The customer with this E.164 number, read directly and not through the search index."""
        answer = await self._transport.run(access, operations.CUSTOMER_BY_PHONE, {"phone": phone})
        customer = answer.customer_by_identifier
        return None if customer is None else await self._complete(access, customer)

    async def purchases_since(self, access: ShopAccess, customer_id: int, since: datetime) -> list[ShopOrder]:
        """The customer's orders created at `since` or later, newest first, test and cancelled ones among them.

        A customer whom the shop does not know has none.
        """
        recent: list[ShopOrder] = []
        async for order in self._orders(access, customer_id):
            if order.created_at < since:
                break
            recent.append(mapping.order_record(order))
        return recent

    async def orders_updated_since(
        self, access: ShopAccess, since: datetime, after: str | None = None, *, first: int = UPDATED_ORDERS_PER_REQUEST
    ) -> Page[OrderUpdate]:
        """The shop's orders that changed at `since` or later, the oldest change first, of all customers and guests.

        The list comes from Shopify's search index, which may lag behind by moments: whoever keeps a cursor reads
        again from a little before it. Without `read_all_orders`, orders made more than 60 days ago are missing.

        Args:
            access: the shop.
            since: with an offset; a fraction of a second is cut off, so that nothing of that second is missed.
            after: a page's `next_cursor`; with the same `since`.
            first: page size, at most 47 by what one query may cost.
        """
        moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = await self._transport.run(
            access,
            operations.ORDERS_UPDATED_SINCE,
            {"query": f"updated_at:>='{moment}'", "first": first, "after": after},
        )
        page = answer.orders.page_info
        return Page(
            items=tuple(mapping.order_update(order) for order in answer.orders.nodes),
            next_cursor=page.end_cursor if page.has_next_page else None,
        )

    async def ensure_discount(self, access: ShopAccess, spec: DiscountSpec) -> Discount:
        """Make the code, or find that we made it before.

        Shopify's discount mutations know no idempotency key, so the code itself is one: if it is taken and the one
        that has it carries our title and is for this very customer, that is the answer, with the dates of its making.

        Raises:
            CodeTaken: the code belongs to another discount.
            Rejected: Shopify did not accept the discount; the code is that of the first user error.
        """
        name = operations.DISCOUNT_CREATE.name
        answer = await self._transport.run(
            access, operations.DISCOUNT_CREATE, {"discount": mapping.discount_input(spec)}
        )
        payload = answer.discount_code_basic_create
        if any(error.code == "TAKEN" for error in payload.user_errors):
            existing = await self.discount_status(access, spec.code)
            if existing is None:  # taken a moment ago, or gone since: the next attempt will see
                raise Rejected(service=SERVICE, operation=name, status=200, code="TAKEN", transient=True)
            if existing.title != spec.title or existing.customer_ids != frozenset({spec.customer_id}):
                raise CodeTaken(service=SERVICE, operation=name, status=200, code="TAKEN")
            return existing
        _refuse(name, payload.user_errors)
        if payload.code_discount_node is None:
            raise Rejected(service=SERVICE, operation=name, status=200, code="unspecified")
        return mapping.discount_record(payload.code_discount_node, spec.code)

    async def discount_status(self, access: ShopAccess, code: str) -> Discount | None:
        """What the code is now, of whatever kind and maker; None if there is no such code."""
        answer = await self._transport.run(access, operations.DISCOUNT_BY_CODE, {"code": code})
        node = answer.code_discount_node_by_code
        return None if node is None else mapping.discount_record(node, code)

    async def set_whatsapp_consent(
        self, access: ShopAccess, customer_id: int, state: ConsentState, at: datetime
    ) -> None:
        """Write the customer's WhatsApp opt-in or opt-out back to the shop, with its own time.

        Raises:
            ValueError: the state is one that Shopify only sets itself.
            Rejected: Shopify refused, for one because the customer has no phone number of their own.
        """
        if state in (ConsentState.NEVER_SUBSCRIBED, ConsentState.REDACTED):
            msg = f"{state} is set by Shopify alone"
            raise ValueError(msg)
        consent = {"state": state.upper(), "updatedAt": at.astimezone(UTC).isoformat()}
        answer = await self._transport.run(
            access,
            operations.CONSENT_UPDATE,
            {"input": {"customerId": customer_gid(customer_id), "whatsAppMarketingConsent": consent}},
        )
        payload = answer.customer_whats_app_marketing_consent_update
        _refuse(operations.CONSENT_UPDATE.name, payload.user_errors)

    async def subscriptions(self, access: ShopAccess) -> list[Subscription]:
        """Every webhook subscription that this app made at the shop through the API."""
        found: list[Subscription] = []
        after: str | None = None
        while True:
            answer = await self._transport.run(
                access, operations.WEBHOOK_SUBSCRIPTIONS, {"first": SUBSCRIPTIONS_PER_REQUEST, "after": after}
            )
            page = answer.webhook_subscriptions
            found += [_subscription(one) for one in page.nodes]
            after = page.page_info.end_cursor
            if not page.page_info.has_next_page or after is None:
                return found

    async def subscribe(self, access: ShopAccess, topic: str, uri: str) -> Subscription:
        """Have a topic (`ORDERS_CREATE`) delivered as JSON to an address, unless it already is.

        Raises:
            Rejected: Shopify did not accept the address; these user errors carry no code of their own.
        """
        name = operations.WEBHOOK_SUBSCRIPTION_CREATE.name
        answer = await self._transport.run(
            access,
            operations.WEBHOOK_SUBSCRIPTION_CREATE,
            {"topic": topic, "subscription": {"uri": uri, "format": "JSON"}},
        )
        payload = answer.webhook_subscription_create
        if payload.webhook_subscription is not None and not payload.user_errors:
            return _subscription(payload.webhook_subscription)
        # A second subscription of one address to one topic is refused without a code, so look instead of guessing.
        for existing in await self.subscriptions(access):
            if (existing.topic, existing.uri) == (topic, uri):
                return existing
        _refuse(name, payload.user_errors)
        raise Rejected(service=SERVICE, operation=name, status=200, code="unspecified")

    async def _complete(self, access: ShopAccess, customer: CustomerWire) -> ShopCustomer:
        """The customer's record; older orders are read only if all of the newest few are tests or cancelled."""
        last = mapping.last_real_order(customer.orders.nodes)
        more = customer.orders.page_info
        if last is None and more.has_next_page:
            async for order in self._orders(access, customer.id, after=more.end_cursor):
                last = mapping.last_real_order((order,))
                if last is not None:
                    break
        return mapping.customer_record(customer, last)

    async def _orders(self, access: ShopAccess, customer_id: int, after: str | None = None) -> AsyncIterator[OrderWire]:
        """The customer's orders, newest first, page by page as far as they are wanted."""
        while True:
            answer = await self._transport.run(
                access,
                operations.PURCHASES_SINCE,
                {"customer": customer_gid(customer_id), "first": ORDERS_PER_REQUEST, "after": after},
            )
            if answer.customer is None:
                return
            for order in answer.customer.orders.nodes:
                yield order
            page = answer.customer.orders.page_info
            if not page.has_next_page or page.end_cursor is None:
                return
            after = page.end_cursor


def lapsed_query(inactive_days: int, inactive_days_max: int | None) -> str:
    """The segment of those whose last order is between so many whole days ago."""
    longest = [] if inactive_days_max is None else [f"last_order_date >= -{inactive_days_max}d"]
    return " AND ".join([f"last_order_date <= -{inactive_days}d", *longest, "number_of_orders >= 1"])


def _refuse(operation: str, errors: Sequence[UserErrorWire]) -> None:
    """Raise the first user error, if any: its code and the field's name, not its message, which may quote values."""
    for error in errors:
        raise Rejected(
            service=SERVICE,
            operation=operation,
            status=200,
            code=error.code or "user_error",
            subcode=".".join(error.field) if error.field else None,
        )


def _subscription(one: SubscriptionWire) -> Subscription:
    return Subscription(id=one.id, topic=one.topic, uri=one.uri)
