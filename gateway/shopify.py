"""Shopify's webhooks: checked against the shop's secrets, and orders translated into what the house ingests."""

import hashlib
import json

from fastapi import APIRouter, Request, Response

from gateway.bodies import as_text, read_body
from gateway.credentials import Credentials, ShopCredentials
from gateway.state import gateway_of
from policies.phones import PhoneError, parse_phone
from providers.shopify.webhooks import (
    ORDER_TOPICS,
    OrderUpdate,
    UnreadableWebhookError,
    WebhookHeaders,
    parse_order,
    verify,
)
from storage.ingest import Delivery
from storage.ingest_orders import OrderPiece, ingest_shopify
from storage.orders import OrderFacts

router = APIRouter()

_LONGEST_ID = 64
_LONGEST_KEY = 128
_LONGEST_WORD = 40
_LARGEST_TOTAL = 2**63 - 1


@router.post("/webhooks/shopify")
async def receive(request: Request) -> Response:
    """Take one request in: 200 once it is stored with its effects, 401 for a signature that is not the shop's."""
    gateway = gateway_of(request)
    raw = await read_body(request, gateway.max_body)
    shop = await _signer(
        gateway.credentials,
        raw,
        domain=request.headers.get("x-shopify-shop-domain", "").lower(),
        signature=request.headers.get("x-shopify-hmac-sha256"),
    )
    if shop is None:
        return Response(status_code=401)
    try:
        headers = WebhookHeaders.parse(request.headers)
        order = translate(parse_order(raw), shop) if headers.topic in ORDER_TOPICS else None
        if order is None:
            json.loads(raw)
    except (UnreadableWebhookError, ArithmeticError, ValueError, RecursionError):
        return Response(status_code=400)
    delivery = Delivery(
        source="shopify",
        topic=headers.topic[:80],
        key=_key(headers.webhook_id),
        body=as_text(raw),
        received_at=gateway.clock(),
        store_id=shop.store_id,
    )
    await ingest_shopify(gateway.database, delivery, order)
    gateway.wake()
    return Response(status_code=200)


async def _signer(
    credentials: Credentials, raw: bytes, *, domain: str, signature: str | None
) -> ShopCredentials | None:
    """The shop of that domain, if the body was signed with one of its secrets."""
    if signature is None:
        return None
    for look_again in (False, True):
        shop = (await credentials.known(look_again=look_again)).shops.get(domain)
        if shop is not None and verify(raw, signature, shop.secrets):
            return shop
    return None


def translate(update: OrderUpdate, shop: ShopCredentials) -> OrderPiece:
    """The order in the house's words.

    Raises:
        UnreadableWebhookError: a value is larger than any real order's.
    """
    customer_id = str(update.customer_id) if update.customer_id is not None else None
    if len(str(update.id)) > _LONGEST_ID or len(customer_id or "") > _LONGEST_ID:
        raise UnreadableWebhookError("an id is too long")
    if abs(update.total.minor) > _LARGEST_TOTAL or len(update.total.currency) != len("USD"):
        raise UnreadableWebhookError("the total is no amount of money")
    return OrderPiece(
        store_id=shop.store_id,
        customer_external_id=customer_id,
        phone=_phone(update.phone, shop.default_region),
        facts=OrderFacts(
            external_id=str(update.id),
            ordered_at=update.created_at,
            updated_at=update.updated_at,
            total=update.total,
            test=update.test,
            cancelled_at=update.cancelled_at,
            financial_status=(update.financial_status or "").replace("\x00", "")[:_LONGEST_WORD] or None,
            discount_codes=update.discount_codes,
        ),
    )


def _phone(written: str | None, region: str | None) -> str | None:
    try:
        return parse_phone(written, region) if written else None
    except PhoneError:
        return None


def _key(webhook_id: str) -> str:
    return webhook_id if len(webhook_id) <= _LONGEST_KEY else hashlib.sha256(webhook_id.encode()).hexdigest()
