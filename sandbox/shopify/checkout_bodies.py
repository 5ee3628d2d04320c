"""Checkouts as the stand-in's webhooks show them; of the vendor's many fields, those that somebody might read."""

from sandbox.shopify.reading import Json
from sandbox.shopify.records import CheckoutLine, CheckoutRecord
from sandbox.shopify.state import ShopState
from sandbox.shopify.webhooks import customer_node, price, rest_instant


def checkout_body(shop: ShopState, checkout: CheckoutRecord) -> Json:
    """`checkouts/create` and `checkouts/update`."""
    customer = shop.customers.get(checkout.customer_id or 0)
    total = price(checkout.total)
    return {
        "token": checkout.token,
        "cart_token": checkout.cart_token,
        "email": None,
        "buyer_accepts_marketing": False,
        "created_at": rest_instant(checkout.created_at),
        "updated_at": rest_instant(checkout.updated_at),
        "taxes_included": False,
        "currency": checkout.currency,
        "completed_at": rest_instant(checkout.completed_at),
        "closed_at": None,
        "phone": checkout.phone,
        "customer_locale": checkout.locale,
        "line_items": [_line(one) for one in checkout.lines],
        "name": f"#{checkout.id}",
        "abandoned_checkout_url": f"https://{shop.domain}/checkouts/{checkout.token}/recover?key=sandbox",
        "discount_codes": [],
        "source_name": "web",
        "presentment_currency": checkout.currency,
        "buyer_accepts_sms_marketing": checkout.sms_phone is not None,
        "sms_marketing_phone": checkout.sms_phone,
        "total_discounts": "0.00",
        "total_line_items_price": total,
        "total_price": total,
        "total_tax": "0.00",
        "subtotal_price": total,
        "customer": customer_node(customer),
    }


def deleted_checkout_body(checkout: CheckoutRecord) -> Json:
    """`checkouts/delete`, which names the checkout by its number and its cart, not by its token."""
    total = price(checkout.total)
    return {
        "id": checkout.id,
        "presentment_currency": checkout.currency,
        "buyer_accepts_sms_marketing": checkout.sms_phone is not None,
        "sms_marketing_phone": checkout.sms_phone,
        "total_discounts": "0.00",
        "total_line_items_price": total,
        "total_price": total,
        "total_tax": "0.00",
        "subtotal_price": total,
        "cart_token": checkout.cart_token,
    }


def _line(line: CheckoutLine) -> Json:
    return {
        "title": line.title,
        "presentment_title": line.title,
        "quantity": line.quantity,
        "price": price(line.price),
        "line_price": price(line.price * line.quantity),
        "gift_card": False,
        "requires_shipping": True,
        "taxable": True,
    }
