"""Takes WhatsApp's webhook POSTs apart: who sent it, and what each of up to a thousand updates says.

Meta repeats a POST for days until it gets a 200 and then never again, so parsing must not fail: each piece is read by
itself, and what cannot be read comes back as `Unrecognised` beside its readable neighbours.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.whatsapp.lenient import code_of, member, members, moment_of, phone_of, text_of
from providers.whatsapp.updates import (
    ButtonReply,
    DeliveryStatus,
    InboundMessage,
    NumberChanged,
    ReportedErrors,
    StatusUpdate,
    TemplateStatusUpdate,
    Unrecognised,
    Update,
    UpdateError,
    UserPreference,
    WebhookBatch,
)

SIGNATURE_HEADER = "X-Hub-Signature-256"
_SCHEME = b"sha256="


def verify_signature(raw: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether the body was signed with one of the app secrets (several while one is being rotated).

    The bytes must be those that arrived: Meta signs its own escaping, which a parsed and re-written body loses.
    """
    if header is None:
        return False
    given = header.strip().encode("utf-8", "replace")
    genuine = False
    for secret in secrets:
        expected = _SCHEME + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest().encode()
        genuine |= bool(secret) and hmac.compare_digest(given, expected)
    return genuine


def parse(raw: bytes, *, received_at: datetime | None = None) -> WebhookBatch:
    """Every update in a webhook body, over all its entries, changes, messages and statuses. Never raises.

    Args:
        raw: the body, its signature already verified.
        received_at: stands in for the time of an update that carries no readable one; without it, such an update is
            `Unrecognised`.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return WebhookBatch((_Reader(received_at=received_at).unknown("body", raw.decode("utf-8", "replace")),))
    return WebhookBatch(tuple(_updates(body, received_at)))


def _updates(body: Any, received_at: datetime | None) -> Iterator[Update]:
    nowhere = _Reader(received_at=received_at)
    entries = member(body, "entry")
    if not isinstance(entries, list):
        yield nowhere.unknown("body", body)
        return
    for entry in entries:
        changes = member(entry, "changes")
        if not isinstance(changes, list):
            yield nowhere.unknown("entry", entry)
            continue
        sent_at = moment_of(member(entry, "time"))
        for change in changes:
            value = member(change, "value")
            reader = _Reader(
                waba_id=text_of(member(entry, "id")) or "",
                phone_number_id=text_of(member(member(value, "metadata"), "phone_number_id")),
                sent_at=sent_at,
                received_at=received_at,
                contacts=tuple(members(value, "contacts")),
            )
            yield from _change(reader, text_of(member(change, "field")) or "change", value, change)


def _change(reader: "_Reader", field: str, value: Any, change: Any) -> Iterator[Update]:
    match field:
        case "messages":
            parts: dict[str, Callable[[Any], Update | None]] = {"messages": reader.message, "statuses": reader.status}
        case "user_preferences":
            parts = {"user_preferences": reader.preference}
        case "message_template_status_update":
            yield reader.template_status(value) or reader.unknown(field, value)
            return
        case _:
            yield reader.unknown(field, change if value is None else value)
            return
    found = False
    for key, read in parts.items():
        for piece in members(value, key):
            found = True
            yield read(piece) or reader.unknown(f"{field}.{key}", piece)
    if field == "messages" and (errors := _errors(value)):
        found = True
        yield reader.reported(errors, value)
    if not found:
        yield reader.unknown(field, value)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the pieces of one change; each method answers None for a piece that it cannot read."""

    waba_id: str = ""
    phone_number_id: str | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    contacts: tuple[Any, ...] = ()

    def message(self, piece: Any) -> Update | None:
        message_id, kind = text_of(member(piece, "id")), text_of(member(piece, "type"))
        at = self._at(member(piece, "timestamp"))
        if message_id is None or kind is None or at is None:
            return None
        phone, user_id = phone_of(member(piece, "from")), text_of(member(piece, "from_user_id"))
        content = member(piece, kind)
        if kind == "system":
            if text_of(member(content, "type")) not in {"user_changed_number", "customer_changed_number"}:
                return None
            return NumberChanged(
                waba_id=self.waba_id,
                phone_number_id=self.phone_number_id,
                dedupe_key=_key("in", message_id),
                id=message_id,
                old_phone=phone,
                new_phone=phone_of(member(content, "wa_id")) or phone_of(member(content, "new_wa_id")),
                at=at,
            )
        contact = self._contact(member(piece, "from"), user_id)
        text, button = _content(kind, content)
        return InboundMessage(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            dedupe_key=_key("in", message_id),
            kind=kind,
            id=message_id,
            from_phone=phone,
            from_user_id=user_id or text_of(member(contact, "user_id")),
            profile_name=text_of(member(member(contact, "profile"), "name")),
            at=at,
            text=text,
            button=button,
            context_id=text_of(member(member(piece, "context"), "id")),
            group_id=text_of(member(piece, "group_id")),
            errors=_errors(piece),
        )

    def status(self, piece: Any) -> Update | None:
        wamid, word = text_of(member(piece, "id")), text_of(member(piece, "status"))
        at = self._at(member(piece, "timestamp"))
        if wamid is None or word not in set(DeliveryStatus) or at is None:
            return None
        pricing = member(piece, "pricing")
        return StatusUpdate(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            dedupe_key=_key("st", wamid, word),
            wamid=wamid,
            status=DeliveryStatus(word),
            at=at,
            callback_data=text_of(member(piece, "biz_opaque_callback_data")),
            recipient_phone=phone_of(member(piece, "recipient_id")),
            recipient_user_id=text_of(member(piece, "recipient_user_id")),
            errors=_errors(piece),
            pricing_category=text_of(member(pricing, "category")),
            pricing_type=text_of(member(pricing, "type")),
        )

    def preference(self, piece: Any) -> Update | None:
        value, at = text_of(member(piece, "value")), self._at(member(piece, "timestamp"))
        wa_id, user_id = text_of(member(piece, "wa_id")), text_of(member(piece, "user_id"))
        if value is None or at is None or (wa_id is None and user_id is None):
            return None
        stamp = text_of(member(piece, "timestamp")) or ""
        contact = self._contact(wa_id, user_id)
        return UserPreference(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            dedupe_key=_key("pref", self.waba_id, wa_id or user_id or "", value, stamp),
            phone=phone_of(wa_id),
            user_id=user_id or text_of(member(contact, "user_id")),
            category=text_of(member(piece, "category")) or "",
            value=value.lower(),
            at=at,
        )

    def template_status(self, value: Any) -> Update | None:
        template_id, event = text_of(member(value, "message_template_id")), text_of(member(value, "event"))
        name, language = (
            text_of(member(value, "message_template_name")),
            text_of(member(value, "message_template_language")),
        )
        if template_id is None or event is None or name is None or language is None:
            return None
        reason = text_of(member(value, "reason"))
        stamp = self.sent_at.isoformat() if self.sent_at else ""
        return TemplateStatusUpdate(
            waba_id=self.waba_id,
            phone_number_id=None,
            dedupe_key=_key("tpl", template_id, event.upper(), stamp),
            template_id=template_id,
            name=name,
            language=language.replace("-", "_"),
            event=event.upper(),
            reason=None if reason == "NONE" else reason,
            at=self.sent_at or self.received_at,
        )

    def reported(self, errors: tuple[UpdateError, ...], value: Any) -> ReportedErrors:
        return ReportedErrors(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            dedupe_key=self._raw_key("messages.errors", member(value, "errors")),
            errors=errors,
        )

    def unknown(self, field: str, raw: Any) -> Unrecognised:
        return Unrecognised(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            dedupe_key=self._raw_key(field, raw),
            field=field,
            raw=raw,
        )

    def _raw_key(self, field: str, raw: Any) -> str:
        stamp = self.sent_at.isoformat() if self.sent_at else ""
        try:
            content = json.dumps(raw, sort_keys=True)
        except RecursionError:  # the encoder's limit is lower than the decoder's
            content = "too deep"
        return _key("raw", self.waba_id, field, stamp, content)

    def _at(self, value: Any) -> datetime | None:
        return moment_of(value) or self.sent_at or self.received_at

    def _contact(self, wa_id: Any, user_id: str | None) -> Any:
        """The contact that belongs to this sender: by id, because a batch may hold several."""
        for contact in self.contacts:
            known = (member(contact, "wa_id"), member(contact, "user_id"))
            if (wa_id is not None and wa_id == known[0]) or (user_id is not None and user_id == known[1]):
                return contact
        return None


def _content(kind: str, content: Any) -> tuple[str | None, ButtonReply | None]:
    """The words of a message and the button behind it."""
    match kind:
        case "text":
            return text_of(member(content, "body")), None
        case "button":
            label, payload = text_of(member(content, "text")), text_of(member(content, "payload"))
        case "interactive":
            reply = member(content, text_of(member(content, "type")) or "")
            label, payload = text_of(member(reply, "title")), text_of(member(reply, "id"))
        case "reaction":
            return text_of(member(content, "emoji")), None
        case _:
            return text_of(member(content, "caption")), None
    given = payload if payload is not None else label
    return label, None if given is None else ButtonReply(payload=given, label=label)


def _errors(holder: Any) -> tuple[UpdateError, ...]:
    return tuple(
        UpdateError(
            code=code_of(member(error, "code")),
            title=text_of(member(error, "title")),
            details=text_of(member(member(error, "error_data"), "details")) or text_of(member(error, "error_data")),
        )
        for error in members(holder, "errors")
    )


def _key(*parts: str) -> str:
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{parts[0]}:{digest[:40]}"
