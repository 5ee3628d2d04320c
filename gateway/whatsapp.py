"""WhatsApp's webhooks: the handshake, and requests translated from the provider's updates into pieces to ingest."""

import hashlib
from collections.abc import Iterable, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from gateway.bodies import as_text, read_body
from gateway.credentials import Credentials, NumberCredentials
from gateway.state import Gateway, gateway_of
from gateway.whatsapp_pieces import translate
from providers.whatsapp.updates import Unrecognised, Update
from providers.whatsapp.webhooks import SIGNATURE_HEADER, parse, verify_signature
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppRequest

router = APIRouter()


@router.get("/webhooks/whatsapp")
async def handshake(request: Request) -> Response:
    """Answer Meta's question whether this address is meant: the bare challenge for one of our verify tokens."""
    query = request.query_params
    token, challenge = query.get("hub.verify_token"), query.get("hub.challenge")
    if query.get("hub.mode") != "subscribe" or not token or not challenge:
        return Response(status_code=403)
    credentials = gateway_of(request).credentials
    for look_again in (False, True):
        if (await credentials.known(look_again=look_again)).has_verify_token(token):
            return PlainTextResponse(challenge)
    return Response(status_code=403)


@router.post("/webhooks/whatsapp")
async def receive(request: Request) -> Response:
    """Take one request in: 200 once it is stored with its effects, 401 for a signature of nobody's."""
    gateway = gateway_of(request)
    raw = await read_body(request, gateway.max_body)
    numbers = await _signers(gateway.credentials, raw, request.headers.get(SIGNATURE_HEADER))
    if not numbers:
        return Response(status_code=401)
    now = gateway.clock()
    updates = parse(raw, received_at=now).updates
    if any(isinstance(one, Unrecognised) and one.field == "body" and not isinstance(one.raw, dict) for one in updates):
        return Response(status_code=400)
    await _ingest(gateway, raw, updates, numbers)
    return Response(status_code=200)


async def _ingest(
    gateway: Gateway, raw: bytes, updates: Sequence[Update], numbers: Sequence[NumberCredentials]
) -> None:
    stores = {number.store_id for number in numbers if _speaks_of(updates, number)}
    delivery = Delivery(
        source="whatsapp",
        topic="whatsapp",
        key=_key(raw, numbers),
        body=as_text(raw),
        received_at=gateway.clock(),
        store_id=stores.pop() if len(stores) == 1 else None,
    )
    done = await gateway.whatsapp.ingest(WhatsAppRequest(delivery, translate(updates, numbers)))
    if done.told:
        gateway.wake()


def _key(raw: bytes, numbers: Iterable[NumberCredentials]) -> str:
    """The request's key among those of its signer.

    Two apps that listen to one account get the same body, and each speaks for other numbers of it: neither's request
    is a repetition of the other's.
    """
    signer = min(number.id for number in numbers)
    return hashlib.sha256(b"%d\n" % signer + raw).hexdigest()


async def _signers(credentials: Credentials, raw: bytes, signature: str | None) -> list[NumberCredentials]:
    """The numbers whose app secret the body was signed with; nothing is said or believed about any other number."""
    if signature is None:
        return []
    for look_again in (False, True):
        for secret, numbers in (await credentials.known(look_again=look_again)).app_secrets.items():
            if verify_signature(raw, signature, [secret]):
                return numbers
    return []


def _speaks_of(updates: Iterable[Update], number: NumberCredentials) -> bool:
    return any(
        one.phone_number_id == number.phone_number_id or (one.phone_number_id is None and one.waba_id == number.waba_id)
        for one in updates
    )
