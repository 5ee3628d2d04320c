"""Webhooks as the stand-in's shops send them: order bodies in the REST dialect, signed with the app's secret."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from sandbox.shopify.reading import Json
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState

API_VERSION = "2026-10"


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
    cancelled_at = order.cancelled_at if order.cancelled_at is not None and order.cancelled_at <= at else None
    total = _price(order.total)
    total_set = {name: {"amount": total, "currency_code": order.currency} for name in _MONIES}
    typed = [{"code": code, "type": "discount_code", "target_type": "line_item"} for code in order.discount_codes]
    manual = [{"title": title, "type": "manual", "target_type": "line_item"} for title in order.manual_discounts]
    customer = shop.customers.get(order.customer_id or 0)
    return {
        "id": order.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.id}",
        "buyer_accepts_marketing": False,
        "cancel_reason": "customer" if cancelled_at is not None else None,
        "cancelled_at": _instant(cancelled_at),
        "confirmed": True,
        "created_at": _instant(order.created_at),
        "currency": order.currency,
        "current_subtotal_price": total,
        "current_total_price": total,
        "current_total_price_set": total_set,
        "customer_locale": customer.locale if customer is not None else None,
        "discount_codes": [
            {"code": code, "amount": "0.00", "type": "fixed_amount"}
            for code in (*order.discount_codes, *order.manual_discounts)
        ],
        "email": None,
        "financial_status": order.financial_status.lower(),
        "fulfillment_status": None,
        "name": f"#{order.id}",
        "order_number": order.id,
        "phone": None,
        "presentment_currency": order.currency,
        "processed_at": _instant(order.created_at),
        "source_name": "web",
        "subtotal_price": total,
        "test": order.test,
        "total_price": total,
        "total_price_set": total_set,
        "updated_at": _instant(max(order.created_at, at)),
        "customer": _customer(customer),
        "discount_applications": [*typed, *manual],
        "line_items": [],
        "refunds": [],
        "returns": [],
    }


_MONIES = ("shop_money", "presentment_money")


def _customer(customer: CustomerRecord | None) -> Json | None:
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


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def _price(amount: Decimal) -> str:
    """REST prices are padded: "414.95", "12.00"."""
    return f"{amount:.2f}"
