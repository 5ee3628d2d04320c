"""Webhook bodies of what customers and Meta do, as opposed to what becomes of our messages (`statuses`)."""

from datetime import datetime
from typing import Any

from sandbox.whatsapp.outbox import Account, envelope, number_value, to_body
from sandbox.whatsapp.templates import SandboxTemplate


def inbound_body(
    account: Account,
    message: dict[str, Any],
    at: datetime,
    *,
    phone: str | None,
    user_id: str | None,
    name: str | None,
    context_id: str | None,
) -> bytes:
    """A customer's message; `message` holds its id, type and content."""
    contact: dict[str, Any] = {"profile": {"name": name}} if name else {}
    sender: dict[str, Any] = {}
    if phone is not None:
        sender["from"] = contact["wa_id"] = phone[1:]
    if user_id is not None:
        sender["from_user_id"] = contact["user_id"] = user_id
    piece = {**sender, "timestamp": str(int(at.timestamp())), **message}
    if context_id is not None:
        piece["context"] = {"from": account.display_phone_number, "id": context_id}
    content = number_value(account, contacts=[contact], messages=[piece])
    return to_body(envelope(account.waba_id, [{"field": "messages", "value": content}], at))


def preference_body(account: Account, phone: str, value: str, at: datetime) -> bytes:
    """A customer's wish about marketing messages, `stop` or `resume`."""
    wish = {
        "wa_id": phone[1:],
        "detail": f"User requested to {value} marketing messages",
        "category": "marketing_messages",
        "value": value,
        "timestamp": int(at.timestamp()),
    }
    content = number_value(account, contacts=[{"wa_id": phone[1:]}], user_preferences=[wish])
    return to_body(envelope(account.waba_id, [{"field": "user_preferences", "value": content}], at))


def template_status_body(account: Account, template: SandboxTemplate, at: datetime) -> bytes:
    """A template's state as it is now."""
    news = {
        "event": template.status.value,
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "reason": "NONE",
        "message_template_category": template.category,
    }
    return to_body(envelope(account.waba_id, [{"field": "message_template_status_update", "value": news}], at))
