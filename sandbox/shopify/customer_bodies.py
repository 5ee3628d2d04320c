"""Customers, their consent and the shop itself as the stand-in's webhooks show them, each in its topic's dialect."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from models.enums import ConsentState
from sandbox.shopify.reading import Json, gid
from sandbox.shopify.state import CustomerRecord, ShopState
from sandbox.shopify.webhooks import rest_instant

Channel = Literal["whatsapp", "sms", "email"]

SHOP_ID: Final = 1

CONSENT_TOPICS: Final[dict[Channel, str]] = {
    "whatsapp": "customers_whats_app_marketing_consent/update",
    "sms": "customers_marketing_consent/update",
    "email": "customers_email_marketing_consent/update",
}


def customer_body(customer: CustomerRecord, at: datetime) -> Json:
    """`customers/create` and `customers/update`: no consent, no tags, no counts."""
    return {
        "id": customer.id,
        "created_at": rest_instant(at),
        "updated_at": rest_instant(at),
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "state": "disabled",
        "verified_email": True,
        "email": None,
        "phone": customer.phone,
        "addresses": [],
        "tax_exemptions": [],
        "admin_graphql_api_id": gid("Customer", customer.id),
    }


def deleted_customer_body(customer_id: int) -> Json:
    """`customers/delete`."""
    return {"id": customer_id, "tax_exemptions": [], "admin_graphql_api_id": gid("Customer", customer_id)}


def merge_body(kept_id: int, deleted_id: int, status: str) -> Json:
    """`customers/merge`."""
    failure = {"customer_ids": [kept_id], "field": "merge_in_progress", "message": "The customer is being merged."}
    return {
        "admin_graphql_api_customer_kept_id": gid("Customer", kept_id),
        "admin_graphql_api_customer_deleted_id": gid("Customer", deleted_id),
        "admin_graphql_api_job_id": None,
        "status": status,
        "errors": [failure] if status == "failed" else [],
    }


def consent_body(customer: CustomerRecord, channel: Channel, state: ConsentState, at: datetime | None) -> Json:
    """The three consent topics, no two of which agree on any name."""
    moment = rest_instant(at)
    word = "not_subscribed" if state is ConsentState.NEVER_SUBSCRIBED else state.value
    level = "single_opt_in" if state is ConsentState.SUBSCRIBED else None
    match channel:
        case "whatsapp":
            told = {"state": state.value, "opt_in_level": level, "updated_at": moment, "collected_from": "other"}
            return {
                "customer_id": customer.id,
                "phone_number": customer.phone,
                "whats_app_marketing_consent": told,
            }
        case "sms":
            told = {
                "state": word,
                "opt_in_level": level,
                "consent_updated_at": moment,
                "consent_collected_from": "other",
            }
            return {"id": customer.id, "phone": customer.phone, "sms_marketing_consent": told}
        case "email":
            told = {"state": word, "opt_in_level": level, "consent_updated_at": moment}
            return {"customer_id": customer.id, "email_address": None, "email_marketing_consent": told}


def data_request_body(shop: ShopState, customer: CustomerRecord, orders: Sequence[int], request_id: int) -> Json:
    """`customers/data_request`."""
    return {
        **_shop(shop),
        "customer": _person(customer),
        "orders_requested": list(orders),
        "data_request": {"id": request_id},
    }


def redact_body(shop: ShopState, customer: CustomerRecord, orders: Sequence[int]) -> Json:
    """`customers/redact`."""
    return {**_shop(shop), "customer": _person(customer), "orders_to_redact": list(orders)}


def shop_redact_body(shop: ShopState) -> Json:
    """`shop/redact`."""
    return _shop(shop)


def uninstalled_body(shop: ShopState) -> Json:
    """`app/uninstalled`: the shop's own record."""
    return {
        "id": SHOP_ID,
        "name": shop.name,
        "domain": shop.domain,
        "currency": shop.currency,
        "iana_timezone": shop.time_zone,
        "myshopify_domain": shop.domain,
        "plan_name": "enterprise",
    }


def _shop(shop: ShopState) -> Json:
    return {"shop_id": SHOP_ID, "shop_domain": shop.domain}


def _person(customer: CustomerRecord) -> Json:
    return {"id": customer.id, "email": None, "phone": customer.phone}
