"""Webhooks as the stand-in's shops send them: bodies in the REST dialect, signed with the app's secret."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from sandbox.shopify.reading import Json
from sandbox.shopify.records import RefundRecord
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState

API_VERSION = "2026-10"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One delivery: what to post, with every header."""

    topic: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


def webhook(shop: ShopState, topic: str, content: Json, at: datetime) -> Webhook:
    """One delivery of any topic; the same content of the same moment is the same delivery again."""
    body = json.dumps(content).encode()
    about = f"{topic}:{hashlib.sha256(body).hexdigest()}"
    return Webhook(topic, headers(shop, topic, body, about, at), body)


def order_webhook(shop: ShopState, order: OrderRecord, topic: str, at: datetime) -> tuple[dict[str, str], bytes]:
    """One delivery about an order.

    The delivery's id follows from shop, topic, order and time: calling it again with the same gives the same bytes
    and headers, which is what a repeated delivery is.

    Args:
        shop: whose order it is.
        order: as it is now; `cancelled_at` counts once it is reached.
        topic: `orders/create`, `orders/paid`, `orders/updated` or `orders/cancelled`.
        at: when it happened.
    """
    body = json.dumps(order_body(shop, order, at)).encode()
    return headers(shop, topic, body, f"{topic}:{order.id}", at), body


def headers(shop: ShopState, topic: str, body: bytes, about: str, at: datetime) -> dict[str, str]:
    """Every header of a delivery, with the body's signature."""
    triggered_at = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    subject = f"{shop.domain}:{about}:{triggered_at}"
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(shop.secret.encode(), body, hashlib.sha256)).decode(),
        "X-Shopify-Shop-Domain": shop.domain,
        "X-Shopify-API-Version": API_VERSION,
        "X-Shopify-Webhook-Id": str(uuid5(NAMESPACE_URL, f"webhook:{subject}")),
        "X-Shopify-Triggered-At": triggered_at,
        "X-Shopify-Event-Id": str(uuid5(NAMESPACE_URL, f"event:{subject}")),
        "X-Shopify-Name": topic.replace("/", "-"),
    }


def order_body(shop: ShopState, order: OrderRecord, at: datetime) -> Json:
    """An order in the REST dialect; of the vendor's many fields, those that somebody might read."""
    cancelled_at = order.cancelled(at)
    total, current = price(order.total), price(order.total - order.refunded(at))
    total_set, current_set = (
        {name: {"amount": amount, "currency_code": order.currency} for name in _MONIES} for amount in (total, current)
    )
    typed = [{"code": code, "type": "discount_code", "target_type": "line_item"} for code in order.discount_codes]
    manual = [{"title": title, "type": "manual", "target_type": "line_item"} for title in order.manual_discounts]
    customer = shop.customers.get(order.customer_id or 0)
    return {
        "id": order.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.id}",
        "buyer_accepts_marketing": False,
        "cancel_reason": "customer" if cancelled_at is not None else None,
        "cancelled_at": rest_instant(cancelled_at),
        "cart_token": order.cart_token,
        "checkout_token": order.checkout_token,
        "confirmed": True,
        "created_at": rest_instant(order.created_at),
        "currency": order.currency,
        "current_subtotal_price": current,
        "current_total_price": current,
        "current_total_price_set": current_set,
        "customer_locale": customer.locale if customer is not None else None,
        "discount_codes": [
            {"code": code, "amount": "0.00", "type": "fixed_amount"}
            for code in (*order.discount_codes, *order.manual_discounts)
        ],
        "email": None,
        "financial_status": order.status(at).lower(),
        "fulfillment_status": None,
        "name": f"#{order.id}",
        "order_number": order.id,
        "phone": order.phone,
        "presentment_currency": order.currency,
        "processed_at": rest_instant(order.created_at),
        "source_name": "web",
        "subtotal_price": total,
        "test": order.test,
        "total_price": total,
        "total_price_set": total_set,
        "updated_at": rest_instant(max(order.created_at, at)),
        "customer": customer_node(customer),
        "discount_applications": [*typed, *manual],
        "line_items": [],
        "refunds": [refund_body(order, one) for one in order.refunds if one.at <= at],
        "returns": [],
    }


def refund_body(order: OrderRecord, refund: RefundRecord) -> Json:
    """A refund in the REST dialect, with its one transaction."""
    at = rest_instant(refund.at)
    paid_back = {
        "id": refund.id + 1,
        "order_id": order.id,
        "kind": "refund",
        "gateway": "bogus",
        "status": "success",
        "message": "Bogus Gateway: Forced success",
        "created_at": at,
        "processed_at": at,
        "test": order.test,
        "amount": price(refund.amount),
        "currency": order.currency,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{refund.id + 1}",
    }
    return {
        "id": refund.id,
        "order_id": order.id,
        "created_at": at,
        "processed_at": at,
        "note": None,
        "user_id": None,
        "restock": False,
        "admin_graphql_api_id": f"gid://shopify/Refund/{refund.id}",
        "order_adjustments": [],
        "refund_line_items": [],
        "transactions": [paid_back],
    }


_MONIES = ("shop_money", "presentment_money")


def customer_node(customer: CustomerRecord | None) -> Json | None:
    """The customer inside an order or a checkout."""
    if customer is None:
        return None
    return {
        "id": customer.id,
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer.id}",
        "email": None,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "phone": customer.phone,
        "state": "disabled",
    }


def rest_instant(at: datetime | None) -> str | None:
    """A time as REST bodies write it: with an offset, in whole seconds."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def price(amount: Decimal) -> str:
    """REST prices are padded: "414.95", "12.00"."""
    return f"{amount:.2f}"
