"""Shopify's webhooks: checked against the shop's secrets, read, and handed over to be stored with their effects."""

import hashlib

from fastapi import APIRouter, Request, Response

from gateway.bodies import as_text, read_body
from gateway.credentials import Credentials, ShopCredentials
from gateway.shop_words import translate
from gateway.state import gateway_of
from providers.shopify.webhooks import UnreadableWebhookError, WebhookHeaders, parse, verify
from storage.ingest import Delivery
from storage.shop_pieces import ShopifyRequest

router = APIRouter()

_LONGEST_KEY = 128


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
    now = gateway.clock()
    try:
        headers = WebhookHeaders.parse(request.headers)
        update = parse(headers.topic, raw)
        said_at = min(headers.triggered_at, now) if headers.triggered_at is not None else now
        piece = translate(update, shop, said_at=said_at) if update is not None else None
    except (UnreadableWebhookError, ArithmeticError, ValueError, RecursionError):
        return Response(status_code=400)
    delivery = Delivery(
        source="shopify",
        topic=headers.topic[:80],
        key=_key(shop.store_id, headers.webhook_id),
        body=as_text(raw),
        received_at=now,
        store_id=shop.store_id,
    )
    done = await gateway.shopify.ingest(ShopifyRequest(delivery, piece, headers.triggered_at))
    if done.told:
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


def _key(store_id: int, webhook_id: str) -> str:
    """A delivery's key. Its id is not signed, so that of one shop must say nothing about another's."""
    key = f"{store_id}:{webhook_id}"
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
