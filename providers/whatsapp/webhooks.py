"""Takes WhatsApp's webhook POSTs apart: who sent it, and what each of up to a thousand updates says.

Meta repeats a POST for days until it gets a 200 and then never again, so parsing must not fail: each piece is read by
itself, and what cannot be read comes back as `Unrecognised` beside its readable neighbours.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from providers.whatsapp import account_updates, message_updates
from providers.whatsapp.change import Change
from providers.whatsapp.lenient import member, members, moment_of, text_of
from providers.whatsapp.updates import Update, WebhookBatch

SIGNATURE_HEADER = "X-Hub-Signature-256"
_SCHEME = b"sha256="

_Reader = Callable[[Change, Any], Update | None]

# Fields whose value holds lists of pieces, by the key of the list.
_LISTS: Mapping[str, Mapping[str, _Reader]] = {
    "messages": {"messages": message_updates.message, "statuses": message_updates.status},
    "message_echoes": {"message_echoes": message_updates.echo},
    "smb_message_echoes": {"message_echoes": message_updates.echo},
    "user_preferences": {"user_preferences": message_updates.preference},
}

# Fields whose value is one update.
_WHOLE: Mapping[str, _Reader] = {
    "account_update": account_updates.account,
    "business_capability_update": account_updates.capability,
    "message_template_quality_update": account_updates.template_quality,
    "message_template_status_update": account_updates.template_status,
    "phone_number_quality_update": account_updates.phone_quality,
    "template_category_update": account_updates.template_category,
}


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
        return WebhookBatch((Change(received_at=received_at).unrecognised("body", raw.decode("utf-8", "replace")),))
    return WebhookBatch(tuple(_updates(body, received_at)))


def _updates(body: Any, received_at: datetime | None) -> Iterator[Update]:
    nowhere = Change(received_at=received_at)
    entries = member(body, "entry")
    if not isinstance(entries, list):
        yield nowhere.unrecognised("body", body)
        return
    for entry in entries:
        changes = member(entry, "changes")
        if not isinstance(changes, list):
            yield nowhere.unrecognised("entry", entry)
            continue
        sent_at = moment_of(member(entry, "time"))
        for piece in changes:
            value = member(piece, "value")
            change = Change(
                waba_id=text_of(member(entry, "id")) or "",
                phone_number_id=text_of(member(member(value, "metadata"), "phone_number_id")),
                sent_at=sent_at,
                received_at=received_at,
                contacts=tuple(members(value, "contacts")),
            )
            yield from _of_change(change, text_of(member(piece, "field")) or "change", value, piece)


def _of_change(change: Change, field: str, value: Any, whole: Any) -> Iterator[Update]:
    if (read_value := _WHOLE.get(field)) is not None:
        yield read_value(change, value) or change.unrecognised(field, value)
        return
    if (lists := _LISTS.get(field)) is None:
        yield change.unrecognised(field, whole if value is None else value)
        return
    found = False
    for key, read in lists.items():
        for piece in members(value, key):
            found = True
            yield read(change, piece) or change.unrecognised(f"{field}.{key}", piece)
    if field == "messages" and (reported := message_updates.reported_errors(change, value)) is not None:
        found = True
        yield reported
    if not found:
        yield change.unrecognised(field, value)
