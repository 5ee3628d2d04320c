"""WhatsApp's webhooks: the handshake, and requests translated from the provider's updates into pieces to ingest."""

import hashlib
from collections.abc import Iterable, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from gateway.bodies import as_text, read_body
from gateway.credentials import Credentials, NumberCredentials
from gateway.state import Gateway, gateway_of
from models.enums import TemplateStatus
from providers.whatsapp.updates import (
    DeliveryStatus,
    InboundMessage,
    StatusUpdate,
    TemplateStatusUpdate,
    Unrecognised,
    Update,
    UserPreference,
)
from providers.whatsapp.webhooks import SIGNATURE_HEADER, parse, verify_signature
from storage.ingest import Delivery
from storage.ingest_whatsapp import MessagePiece, PreferencePiece, TemplatePiece, WhatsAppPieces, ingest_whatsapp
from storage.people import Address
from storage.statuses import Report, StatusPiece

router = APIRouter()

_LONGEST_ID = 255
_LONGEST_USER_ID = 128
_LONGEST_KIND = 40

_REPORTS = {
    DeliveryStatus.SENT: Report.SENT,
    DeliveryStatus.DELIVERED: Report.DELIVERED,
    DeliveryStatus.READ: Report.READ,
    DeliveryStatus.PLAYED: Report.READ,
    DeliveryStatus.FAILED: Report.FAILED,
}


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
        key=hashlib.sha256(raw).hexdigest(),
        body=as_text(raw),
        received_at=gateway.clock(),
        store_id=stores.pop() if len(stores) == 1 else None,
    )
    await ingest_whatsapp(gateway.database, delivery, translate(updates, numbers))
    gateway.wake()


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


def translate(updates: Iterable[Update], numbers: Iterable[NumberCredentials]) -> WhatsAppPieces:
    """What the updates mean for the numbers that the signer may speak for; the rest is kept with the raw body only."""
    by_id = {number.phone_number_id: number for number in numbers}
    wabas = {number.waba_id for number in by_id.values()}
    people: list[MessagePiece | PreferencePiece] = []
    statuses: list[StatusPiece] = []
    templates: list[TemplatePiece] = []
    for update in updates:
        if isinstance(update, TemplateStatusUpdate):
            if update.waba_id in wabas:
                templates.append(_template(update))
            continue
        number = by_id.get(update.phone_number_id or "")
        if number is None:
            continue
        piece = _about(number, update)
        if isinstance(piece, StatusPiece):
            statuses.append(piece)
        elif piece is not None:
            people.append(piece)
    return WhatsAppPieces(tuple(people), tuple(statuses), tuple(templates))


def _about(number: NumberCredentials, update: Update) -> MessagePiece | PreferencePiece | StatusPiece | None:
    match update:
        case StatusUpdate():
            return _status(number, update)
        case InboundMessage():
            return _message(number, update)
        case UserPreference(value="stop" | "resume"):
            sender = _address(number, update.phone, update.user_id)
            if sender is None:
                return None
            key = f"{number.id}:{update.dedupe_key}"
            return PreferencePiece(dedupe_key=key, sender=sender, stop=update.value == "stop", at=update.at)
        case _:
            return None


def _message(number: NumberCredentials, update: InboundMessage) -> MessagePiece | None:
    sender = _address(number, update.from_phone, update.from_user_id)
    # What somebody says in a group is not said to the business.
    if sender is None or update.group_id is not None or len(update.id) > _LONGEST_ID:
        return None
    return MessagePiece(
        dedupe_key=f"{number.id}:{update.dedupe_key}",
        sender=sender,
        number_id=number.id,
        wamid=update.id,
        kind=update.kind[:_LONGEST_KIND],
        text=update.text,
        button_payload=update.button.payload if update.button is not None else None,
        at=update.at,
    )


def _status(number: NumberCredentials, update: StatusUpdate) -> StatusPiece | None:
    report = _REPORTS.get(update.status)
    if report is None or len(update.wamid) > _LONGEST_ID:
        return None
    return StatusPiece(
        dedupe_key=f"{number.id}:{update.dedupe_key}",
        number_id=number.id,
        wamid=update.wamid,
        report=report,
        at=update.at,
        callback_data=update.callback_data,
        error_code=next((error.code for error in update.errors if error.code is not None), None),
    )


def _template(update: TemplateStatusUpdate) -> TemplatePiece:
    known = update.event in set(TemplateStatus)
    return TemplatePiece(
        dedupe_key=f"{update.waba_id}:{update.dedupe_key}"[:300],
        waba_id=update.waba_id,
        name=update.name,
        language=update.language,
        status=TemplateStatus(update.event) if known else TemplateStatus.UNKNOWN,
        at=update.at,
    )


def _address(number: NumberCredentials, phone: str | None, user_id: str | None) -> Address | None:
    if user_id is not None and len(user_id) > _LONGEST_USER_ID:
        user_id = None
    return None if phone is None and user_id is None else Address(number.store_id, phone, user_id)
