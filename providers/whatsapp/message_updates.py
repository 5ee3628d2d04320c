"""Reads what webhooks tell about people and messages: written, echoed, delivered, preferred, moved.

Each function answers None for a piece that it cannot read.
"""

from typing import Any

from providers.whatsapp.change import Change, digest_key
from providers.whatsapp.lenient import code_of, member, members, phone_of, text_of
from providers.whatsapp.updates import (
    ButtonReply,
    DeliveryStatus,
    Echo,
    InboundMessage,
    NumberChanged,
    ReportedErrors,
    StatusUpdate,
    UpdateError,
    UserPreference,
)

_STATUSES = frozenset(DeliveryStatus)
_MOVES = frozenset({"user_changed_number", "customer_changed_number", "user_changed_user_id"})


def message(change: Change, piece: Any) -> InboundMessage | NumberChanged | None:
    """A piece of `messages`: what a customer wrote, tapped or did, or that they moved to another number."""
    message_id, kind = text_of(member(piece, "id")), text_of(member(piece, "type"))
    at = change.moment(member(piece, "timestamp"))
    if message_id is None or kind is None or at is None:
        return None
    if kind == "system":
        return _number_changed(change, piece, message_id)
    contact = change.contact(member(piece, "from"), text_of(member(piece, "from_user_id")))
    text, button = _content(kind, member(piece, kind))
    return InboundMessage(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=digest_key("in", message_id),
        kind=kind,
        id=message_id,
        from_phone=phone_of(member(piece, "from")),
        from_user_id=change.user_id(member(piece, "from_user_id"), contact),
        profile_name=text_of(member(member(contact, "profile"), "name")),
        at=at,
        text=text,
        button=button,
        context_id=text_of(member(member(piece, "context"), "id")),
        group_id=text_of(member(piece, "group_id")),
        errors=_errors(piece),
    )


def _number_changed(change: Change, piece: Any, message_id: str) -> NumberChanged | None:
    system, at = member(piece, "system"), change.moment(member(piece, "timestamp"))
    old_phone = phone_of(member(piece, "from")) or phone_of(member(system, "customer"))
    old_user_id = text_of(member(piece, "from_user_id")) or text_of(member(system, "previous_user_id"))
    # Where both are given, in the oldest dialect, `wa_id` is the number that was left.
    new_phone = phone_of(member(system, "new_wa_id")) or phone_of(member(system, "wa_id"))
    new_user_id = text_of(member(system, "user_id"))
    known = (old_phone or old_user_id) and (new_phone or new_user_id)
    if text_of(member(system, "type")) not in _MOVES or not known or at is None:
        return None
    return NumberChanged(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=digest_key("in", message_id),
        id=message_id,
        old_phone=old_phone,
        new_phone=new_phone,
        at=at,
        old_user_id=old_user_id,
        new_user_id=new_user_id,
    )


def echo(change: Change, piece: Any) -> Echo | None:
    """A piece of `message_echoes`: what our side wrote elsewhere."""
    message_id, kind = text_of(member(piece, "id")), text_of(member(piece, "type"))
    at = change.moment(member(piece, "timestamp"))
    contact = change.contact(member(piece, "to"), text_of(member(piece, "to_user_id")))
    to_phone, to_user_id = phone_of(member(piece, "to")), change.user_id(member(piece, "to_user_id"), contact)
    if message_id is None or kind is None or at is None or (to_phone is None and to_user_id is None):
        return None
    content = member(piece, kind)
    original_id = text_of(member(content, "original_message_id")) if kind in {"edit", "revoke"} else None
    key = digest_key("echo", message_id)
    if original_id is not None:
        # The same message may be edited more than once, and its echo may carry its own id again.
        key = digest_key("echo", message_id, kind, text_of(member(piece, "timestamp")) or "")
    return Echo(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=key,
        id=message_id,
        to_phone=to_phone,
        to_user_id=to_user_id,
        at=at,
        kind=kind,
        text=_sent_words(kind, content),
        original_id=original_id,
    )


def status(change: Change, piece: Any) -> StatusUpdate | None:
    """A piece of `statuses`: how a message of ours is doing."""
    wamid, word = text_of(member(piece, "id")), text_of(member(piece, "status"))
    at = change.moment(member(piece, "timestamp"))
    if wamid is None or word not in _STATUSES or at is None:
        return None
    pricing = member(piece, "pricing")
    return StatusUpdate(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=digest_key("st", wamid, word),
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


def preference(change: Change, piece: Any) -> UserPreference | None:
    """A piece of `user_preferences`: a customer's wish about marketing messages."""
    value, at = text_of(member(piece, "value")), change.moment(member(piece, "timestamp"))
    wa_id, user_id = text_of(member(piece, "wa_id")), text_of(member(piece, "user_id"))
    if value is None or at is None or (wa_id is None and user_id is None):
        return None
    stamp = text_of(member(piece, "timestamp")) or ""
    return UserPreference(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=digest_key("pref", change.waba_id, wa_id or user_id or "", value, stamp),
        phone=phone_of(wa_id),
        user_id=change.user_id(user_id, change.contact(wa_id, user_id)),
        category=text_of(member(piece, "category")) or "",
        value=value.lower(),
        at=at,
    )


def reported_errors(change: Change, value: Any) -> ReportedErrors | None:
    """The errors of a change that belong to no message of it."""
    errors = _errors(value)
    if not errors:
        return None
    return ReportedErrors(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=change.raw_key("messages.errors", member(value, "errors")),
        errors=errors,
    )


def _content(kind: str, content: Any) -> tuple[str | None, ButtonReply | None]:
    """The words of a customer's message and the button behind it."""
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


def _sent_words(kind: str, content: Any) -> str | None:
    """The words of a message of our side, whose buttons are still to be tapped."""
    match kind:
        case "interactive":
            return text_of(member(member(content, "body"), "text"))
        case "edit":
            edited = member(content, "message")
            inner = text_of(member(edited, "type")) or ""
            return _content(inner, member(edited, inner))[0]
        case _:
            return _content(kind, content)[0]


def _errors(holder: Any) -> tuple[UpdateError, ...]:
    return tuple(
        UpdateError(
            code=code_of(member(error, "code")),
            title=text_of(member(error, "title")),
            details=text_of(member(member(error, "error_data"), "details")) or text_of(member(error, "error_data")),
        )
        for error in members(holder, "errors")
    )
