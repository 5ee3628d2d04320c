"""Webhook bodies of what customers and Meta do, as opposed to what becomes of our messages (`statuses`)."""

from datetime import date, datetime
from typing import Any

from sandbox.whatsapp.outbox import Account, envelope, number_value, to_body
from sandbox.whatsapp.templates import SandboxTemplate

# Not `strftime`: the name that it gives a month depends on the machine's locale.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


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
    piece = {**sender, "timestamp": _seconds(at), **message}
    if context_id is not None:
        piece["context"] = {"from": account.display_phone_number, "id": context_id}
    content = number_value(account, contacts=[contact], messages=[piece])
    return _change_body(account, "messages", content, at)


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
    return _change_body(account, "user_preferences", content, at)


def echo_body(
    account: Account, message_id: str, text: str, at: datetime, *, phone: str | None, user_id: str | None
) -> bytes:
    """What staff wrote to a customer in the WhatsApp Business app."""
    piece: dict[str, Any] = {"from": account.display_phone_number, "id": message_id, "timestamp": _seconds(at)}
    if phone is not None:
        piece["to"] = phone[1:]
    if user_id is not None:
        piece["to_user_id"] = user_id
    content = number_value(account, message_echoes=[piece | {"type": "text", "text": {"body": text}}])
    return _change_body(account, "smb_message_echoes", content, at)


def number_changed_body(
    account: Account, message_id: str, at: datetime, *, old: str, new: str, user_id: str | None, new_user_id: str | None
) -> bytes:
    """A customer moved to another phone number, E.164 both."""
    system = {"type": "user_changed_number", "body": "User changed number", "wa_id": new[1:]}
    piece: dict[str, Any] = {"from": old[1:], "id": message_id, "timestamp": _seconds(at), "type": "system"}
    if user_id is not None:
        piece["from_user_id"] = user_id
    if new_user_id is not None:
        system["user_id"] = new_user_id
    return _change_body(account, "messages", number_value(account, messages=[piece | {"system": system}]), at)


def template_status_body(account: Account, template: SandboxTemplate, at: datetime) -> bytes:
    """A template's state as it is now."""
    news = {
        "event": template.status.value,
        **_named(template),
        "reason": "NONE",
        "message_template_category": template.category,
    }
    return _change_body(account, "message_template_status_update", news, at)


def template_quality_body(account: Account, template: SandboxTemplate, previous: str, at: datetime) -> bytes:
    """A template's colour as it is now."""
    news = {"previous_quality_score": previous, "new_quality_score": template.quality, **_named(template)}
    return _change_body(account, "message_template_quality_update", news, at)


def template_category_body(account: Account, template: SandboxTemplate, at: datetime, **categories: str) -> bytes:
    """A template's category as it is now; `previous_category` or `correct_category` say what was, or will be."""
    news = {**_named(template), "new_category": template.category, **categories}
    return _change_body(account, "template_category_update", news, at)


def restriction_body(account: Account, kind: str, until: datetime | None, at: datetime) -> bytes:
    """What the account may not do for a while; None is for good."""
    restriction: dict[str, Any] = {"restriction_type": kind}
    if until is not None:
        restriction["expiration"] = int(until.timestamp())
    news = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [restriction]}
    return _change_body(account, "account_update", news, at)


def ban_body(account: Account, state: str, day: date, at: datetime) -> bytes:
    """The account is to be disabled, is disabled or is reinstated on that day, which Meta writes for people."""
    ban = {"waba_ban_state": state, "waba_ban_date": f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"}
    return _change_body(account, "account_update", {"event": "DISABLED_UPDATE", "ban_info": ban}, at)


def capability_body(account: Account, limit: int | None, at: datetime) -> bytes:
    """The messaging limit of the portfolio; None is no limit."""
    news = {"max_daily_conversations_per_business": -1 if limit is None else limit}
    return _change_body(account, "business_capability_update", news, at)


def phone_quality_body(account: Account, event: str, limit: int | None, at: datetime) -> bytes:
    """Something happened to the number; the portfolio's limit comes with it."""
    news = {
        "display_phone_number": account.display_phone_number,
        "event": event,
        "max_daily_conversations_per_business": tier_word(limit),
    }
    return _change_body(account, "phone_number_quality_update", news, at)


def tier_word(limit: int | None) -> str:
    """A messaging limit as Meta's constants have it."""
    if limit is None:
        return "TIER_UNLIMITED"
    return f"TIER_{limit // 1000}K" if limit and limit % 1000 == 0 else f"TIER_{limit}"


def _named(template: SandboxTemplate) -> dict[str, Any]:
    return {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
    }


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _change_body(account: Account, field: str, value: dict[str, Any], at: datetime) -> bytes:
    return to_body(envelope(account.waba_id, [{"field": field, "value": value}], at))
