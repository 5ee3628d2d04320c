"""What the stand-in answers to questions, as plain dictionaries in the schema's shapes.

A value that takes arguments is a function of them; graphql-core calls it. A dictionary's `__typename` tells it which
member of a union or interface it has.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from graphql import GraphQLError

from sandbox.shopify.segments import Member, SegmentLists, SegmentSyntaxError
from sandbox.shopify.state import CustomerRecord, DiscountRecord, OrderRecord, ShopState, SubscriptionRecord

Json = dict[str, Any]

DEFAULT_PAGE = 50
SEGMENT_PAGE_MAXIMUM = 1000
PAGE_MAXIMUM = 250
_UPDATED_SINCE = re.compile(r"updated_at:>='(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'")


def instant(at: datetime | None) -> str | None:
    """`DateTime` as Shopify writes it."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def gid(kind: str, number: int) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def number_of(text: str, kind: str) -> int | None:
    """The number of a global id of this kind; None for another kind or no such id."""
    head, _, tail = text.rpartition("/")
    return int(tail) if head == f"gid://shopify/{kind}" and tail.isdecimal() else None


def cursor(place: str) -> str:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def place_of(text: str) -> str:
    """What `cursor` hid.

    Raises:
        GraphQLError: it is none of our cursors.
    """
    try:
        return base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise GraphQLError("Invalid cursor for current pagination sort.") from None


@dataclass(frozen=True, slots=True)
class Reading:
    """One request's view of one shop."""

    shop: ShopState
    now: datetime
    segments: SegmentLists

    def root(self) -> dict[str, Callable[..., Any]]:
        """The query fields."""
        return {
            "shop": self._shop,
            "currentAppInstallation": self._installation,
            "customer": self._customer,
            "customerByIdentifier": self._customer_by_identifier,
            "customerSegmentMembers": self._segment_members,
            "nodes": self._nodes,
            "orders": self._changed_orders,
            "codeDiscountNodeByCode": self._discount_by_code,
            "webhookSubscriptions": self._subscriptions,
        }

    def customer(self, customer: CustomerRecord) -> Json:
        """`Customer`."""
        return {
            "__typename": "Customer",
            "id": gid("Customer", customer.id),
            "legacyResourceId": str(customer.id),
            "firstName": customer.first_name,
            "lastName": customer.last_name,
            "locale": customer.locale,
            "createdAt": lambda _info: self._created_at(customer.id),
            "numberOfOrders": str(self.shop.histories[customer.id].count_until(self.now)),
            "defaultPhoneNumber": phone_number(customer),
            "orders": lambda _info, **args: self._orders(customer.id, **args),
            "lastOrder": lambda _info: self._last_order(customer.id),
        }

    def order(self, order: OrderRecord) -> Json:
        """`Order`."""
        refunded = order.refunded(self.now)
        return {
            "__typename": "Order",
            "id": gid("Order", order.id),
            "legacyResourceId": str(order.id),
            "name": f"#{order.id}",
            "createdAt": instant(order.created_at),
            "processedAt": instant(order.created_at),
            "updatedAt": instant(order.updated_at(self.now)),
            "cancelledAt": instant(order.cancelled(self.now)),
            "test": order.test,
            "displayFinancialStatus": order.status(self.now),
            "currencyCode": order.currency,
            "currentTotalPriceSet": money_bag(order.total - refunded, order.currency),
            "totalPriceSet": money_bag(order.total, order.currency),
            "totalRefundedSet": money_bag(refunded, order.currency),
            "phone": order.phone,
            "checkoutToken": order.checkout_token,
            "cartToken": order.cart_token,
            "discountCodes": [*order.discount_codes, *order.manual_discounts],
            "discountApplications": lambda _info, **_args: {"nodes": applications(order)},
            "customer": lambda _info: self._known_customer(order.customer_id),
        }

    def discount(self, discount: DiscountRecord) -> Json:
        """`DiscountCodeNode`."""
        if self.now < discount.starts_at:
            status = "SCHEDULED"
        elif discount.ends_at is not None and self.now >= discount.ends_at:
            status = "EXPIRED"
        else:
            status = "ACTIVE"
        context: Json = {"__typename": "DiscountBuyerSelectionAll", "all": "ALL"}
        if discount.customer_ids is not None:
            known = [self._known_customer(one) for one in discount.customer_ids]
            context = {"__typename": "DiscountCustomers", "customers": [one for one in known if one is not None]}
        return {
            "id": gid("DiscountCodeNode", discount.id),
            "codeDiscount": {
                "__typename": discount.kind,
                "title": discount.title,
                "status": status,
                "startsAt": instant(discount.starts_at),
                "endsAt": instant(discount.ends_at),
                "usageLimit": discount.usage_limit,
                "asyncUsageCount": self._uses(discount.code),
                "appliesOncePerCustomer": discount.once_per_customer,
                "context": context,
            },
        }

    def _uses(self, code: str) -> int:
        """In how many orders the code was typed, however it was written."""
        wanted = code.casefold()
        return sum(any(one.casefold() == wanted for one in order.discount_codes) for order in self.shop.orders.values())

    def _shop(self, _info: Any) -> Json:
        return {
            "id": gid("Shop", 1),
            "name": self.shop.name,
            "ianaTimezone": self.shop.time_zone,
            "currencyCode": self.shop.currency,
            "myshopifyDomain": self.shop.domain,
        }

    def _installation(self, _info: Any) -> Json:
        return {
            "id": gid("AppInstallation", 1),
            "accessScopes": [{"handle": scope} for scope in sorted(self.shop.scopes)],
        }

    def _customer(self, _info: Any, id: str) -> Json | None:  # noqa: A002 - the schema's own argument name
        return self._known_customer(number_of(id, "Customer"))

    def _customer_by_identifier(self, _info: Any, identifier: Json) -> Json | None:
        given = {name: value for name, value in identifier.items() if value is not None}
        if len(given) != 1:
            raise GraphQLError(
                "Variable $identifier requires exactly one argument", extensions={"code": "INVALID_VARIABLE"}
            )
        if "id" in given:
            return self._known_customer(number_of(given["id"], "Customer"))
        customer = self.shop.by_phone(given["phoneNumber"])
        return None if customer is None else self.customer(customer)

    def _segment_members(
        self,
        _info: Any,
        *,
        query: str = "",
        timezone: str = "UTC",
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        sortKey: str = "last_order_date",  # noqa: N803 - the schema's own argument name
        reverse: bool = False,
    ) -> Json:
        if sortKey != "last_order_date" or reverse or not 1 <= first <= SEGMENT_PAGE_MAXIMUM:
            raise GraphQLError("The sandbox lists a segment by last_order_date, ascending, at most 1000 at a time.")
        try:
            listed, start = self.segments.after(
                None if after is None else _segment_place(after), self.shop, query, timezone, self.now
            )
        except (SegmentSyntaxError, ZoneInfoNotFoundError) as exc:
            raise GraphQLError(str(exc), extensions={"code": "INVALID"}) from None
        edges = [{"cursor": _segment_cursor(one), "node": self._member(one)} for one in listed[start : start + first]]
        return {
            "edges": edges,
            "totalCount": len(listed),
            "pageInfo": _page_info(edges, more=start + first < len(listed), later=after is not None),
        }

    def _member(self, member: Member) -> Json:
        customer = self.shop.customers[member.customer_id]
        # The type in this id is not documented; a name of its own makes sure that nobody relies on `Customer`.
        return {
            "id": gid("CustomerSegmentMember", member.customer_id),
            "displayName": " ".join(one for one in (customer.first_name, customer.last_name) if one),
            "firstName": customer.first_name,
            "numberOfOrders": str(member.number_of_orders),
            "lastOrderId": gid("Order", member.last_order_id),
            "defaultPhoneNumber": phone_number(customer),
        }

    def _nodes(self, _info: Any, ids: Sequence[str]) -> list[Json | None]:
        return [self._node(one) for one in ids]

    def _node(self, global_id: str) -> Json | None:
        order = self.shop.orders.get(number_of(global_id, "Order") or 0)
        if order is not None and order.created_at <= self.now:
            return self.order(order)
        return self._known_customer(number_of(global_id, "Customer"))

    def _changed_orders(
        self,
        _info: Any,
        *,
        query: str = "",
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        sortKey: str = "PROCESSED_AT",  # noqa: N803 - the schema's own argument name
        reverse: bool = False,
    ) -> Json:
        since = _UPDATED_SINCE.fullmatch(query)
        if since is None or sortKey != "UPDATED_AT" or reverse or not 1 <= first <= PAGE_MAXIMUM:
            raise GraphQLError("The sandbox lists orders by UPDATED_AT, ascending, for updated_at:>='a moment' only.")
        orders = self.shop.changed_orders(datetime.fromisoformat(since[1]), self.now)
        if after is not None:
            last = place_of(after)
            orders = [one for one in orders if self._change(one) > last]
        edges = [{"cursor": cursor(self._change(one)), "node": self.order(one)} for one in orders[:first]]
        return {
            "edges": edges,
            "nodes": [one["node"] for one in edges],
            "pageInfo": _page_info(edges, more=len(orders) > first, later=after is not None),
        }

    def _change(self, order: OrderRecord) -> str:
        """The place of an order among those that changed: texts that sort as time and then id do."""
        at = order.updated_at(self.now).astimezone(UTC)
        return f"{at.isoformat(timespec='microseconds')}#{order.id:020}"

    def _discount_by_code(self, _info: Any, code: str) -> Json | None:
        found = self.shop.discounts.get(code.casefold())
        return None if found is None else self.discount(found)

    def _subscriptions(self, _info: Any, first: int = DEFAULT_PAGE, after: str | None = None) -> Json:
        start = 0 if after is None else int(place_of(after))
        some = self.shop.subscriptions[start : start + first]
        edges = [{"cursor": cursor(str(start + at + 1)), "node": subscription(one)} for at, one in enumerate(some)]
        more = start + first < len(self.shop.subscriptions)
        return {
            "nodes": [one["node"] for one in edges],
            "pageInfo": _page_info(edges, more=more, later=after is not None),
        }

    def _known_customer(self, customer_id: int | None) -> Json | None:
        customer = self.shop.customers.get(customer_id or 0)
        return None if customer is None else self.customer(customer)

    def _created_at(self, customer_id: int) -> str | None:
        orders = self.shop.histories[customer_id].orders
        return instant(min(orders[0].created_at, self.now) if orders else self.now)

    def _last_order(self, customer_id: int) -> Json | None:
        orders = self.shop.visible_orders(customer_id, self.now)
        return self.order(orders[-1]) if orders else None

    def _orders(
        self,
        customer_id: int,
        *,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        reverse: bool = False,
        sortKey: str = "ID",  # noqa: N803 - the schema's own argument name
    ) -> Json:
        orders = self.shop.visible_orders(customer_id, self.now)
        if sortKey == "ID":
            orders = sorted(orders, key=lambda one: one.id)
        elif sortKey != "CREATED_AT":
            raise GraphQLError("The sandbox lists a customer's orders by CREATED_AT or ID.")
        if reverse:
            orders = orders[::-1]
        if after is not None:
            last = place_of(after)
            at = next((at for at, one in enumerate(orders) if str(one.id) == last), len(orders))
            orders = orders[at + 1 :]
        edges = [{"cursor": cursor(str(one.id)), "node": self.order(one)} for one in orders[:first]]
        return {
            "edges": edges,
            "nodes": [one["node"] for one in edges],
            "pageInfo": _page_info(edges, more=len(orders) > first, later=after is not None),
        }


def phone_number(customer: CustomerRecord) -> Json | None:
    """`CustomerPhoneNumber`."""
    if customer.phone is None:
        return None
    return {
        "phoneNumber": customer.phone,
        "whatsAppMarketingConsent": {
            "state": customer.consent.upper(),
            "updatedAt": instant(customer.consent_updated_at),
            "optInLevel": "SINGLE_OPT_IN",
            "collectedFrom": "OTHER",
        },
    }


def applications(order: OrderRecord) -> list[Json]:
    """`DiscountApplication`s: what customers typed, then what staff gave."""
    typed = [{"__typename": "DiscountCodeApplication", "code": code} for code in order.discount_codes]
    manual = [{"__typename": "ManualDiscountApplication", "title": title} for title in order.manual_discounts]
    return [{**one, "index": index} for index, one in enumerate([*typed, *manual])]


def subscription(record: SubscriptionRecord) -> Json:
    """`WebhookSubscription`."""
    return {"id": gid("WebhookSubscription", record.id), "topic": record.topic, "uri": record.uri}


def money_bag(amount: Decimal, currency: str) -> Json:
    """`MoneyBag`; a buyer pays in the shop's own currency here."""
    money = {"amount": decimal_text(amount), "currencyCode": currency}
    return {"shopMoney": money, "presentmentMoney": money}


def decimal_text(amount: Decimal) -> str:
    """GraphQL's `Decimal`: unpadded, "11884.9"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _segment_cursor(member: Member) -> str:
    at, customer_id = member.position
    return cursor(f"{at!r}:{customer_id}")


def _segment_place(after: str) -> tuple[float, int]:
    at, _, customer_id = place_of(after).partition(":")
    try:
        return float(at), int(customer_id)
    except ValueError:
        raise GraphQLError("Invalid cursor for current pagination sort.") from None


def _page_info(edges: Sequence[Json], *, more: bool, later: bool) -> Json:
    return {
        "hasNextPage": more,
        "hasPreviousPage": later,
        "startCursor": edges[0]["cursor"] if edges else None,
        "endCursor": edges[-1]["cursor"] if edges else None,
    }
