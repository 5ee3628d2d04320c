"""Reads what webhooks tell about templates, accounts, limits and numbers: a change holds one, and it is the change.

Each function answers None for a change that it cannot read. None of them takes a doubtful word for good news: a limit
that cannot be read is no missing limit, and a restriction without a readable end has none.
"""

from typing import Any

from providers.whatsapp.change import Change, digest_key
from providers.whatsapp.lenient import (
    UNLIMITED,
    day_of,
    display_phone_of,
    expiry_of,
    limit_of,
    member,
    text_of,
    word_of,
)
from providers.whatsapp.updates import (
    AccountUpdate,
    CapabilityUpdate,
    PhoneQualityUpdate,
    Restriction,
    TemplateCategoryUpdate,
    TemplateQualityUpdate,
    TemplateStatusUpdate,
)

_LIMIT_KEY = "max_daily_conversations_per_business"


def template_status(change: Change, value: Any) -> TemplateStatusUpdate | None:
    """`message_template_status_update`."""
    template, event = _template(value), word_of(member(value, "event"))
    if template is None or event is None:
        return None
    template_id, name, language = template
    reason = text_of(member(value, "reason"))
    return TemplateStatusUpdate(
        waba_id=change.waba_id,
        phone_number_id=None,
        dedupe_key=digest_key("tpl", template_id, event, change.stamp),
        template_id=template_id,
        name=name,
        language=language,
        event=event,
        reason=None if reason == "NONE" else reason,
        at=change.at,
    )


def template_quality(change: Change, value: Any) -> TemplateQualityUpdate | None:
    """`message_template_quality_update`."""
    template, new = _template(value), word_of(member(value, "new_quality_score"))
    if template is None or new is None or change.at is None:
        return None
    template_id, name, language = template
    return TemplateQualityUpdate(
        waba_id=change.waba_id,
        phone_number_id=None,
        dedupe_key=digest_key("tplq", template_id, new, change.stamp),
        template_id=template_id,
        name=name,
        language=language,
        previous=word_of(member(value, "previous_quality_score")),
        new=new,
        at=change.at,
    )


def template_category(change: Change, value: Any) -> TemplateCategoryUpdate | None:
    """`template_category_update`."""
    template, new = _template(value), word_of(member(value, "new_category"))
    if template is None or new is None or change.at is None:
        return None
    template_id, name, language = template
    correct = word_of(member(value, "correct_category"))
    return TemplateCategoryUpdate(
        waba_id=change.waba_id,
        phone_number_id=None,
        dedupe_key=digest_key("tplc", template_id, new, correct or "", change.stamp),
        template_id=template_id,
        name=name,
        language=language,
        new_category=new,
        previous_category=word_of(member(value, "previous_category")),
        correct_category=correct,
        at=change.at,
    )


def account(change: Change, value: Any) -> AccountUpdate | None:
    """`account_update`."""
    event = word_of(member(value, "event"))
    if event is None or change.at is None:
        return None
    ban = member(value, "ban_info")
    return AccountUpdate(
        # Where a partner is told about a client's account, the entry may be the partner's own.
        waba_id=text_of(member(member(value, "waba_info"), "waba_id")) or change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=change.raw_key("account_update", value),
        event=event,
        ban_state=word_of(member(ban, "waba_ban_state")),
        ban_date=day_of(member(ban, "waba_ban_date")),
        restrictions=_restrictions(member(value, "restriction_info")),
        violation=text_of(member(member(value, "violation_info"), "violation_type")),
        at=change.at,
    )


def capability(change: Change, value: Any) -> CapabilityUpdate | None:
    """`business_capability_update`."""
    limit = limit_of(member(value, _LIMIT_KEY))
    if limit is None or change.at is None:
        return None
    return CapabilityUpdate(
        waba_id=change.waba_id,
        phone_number_id=None,
        dedupe_key=digest_key("cap", change.waba_id, str(limit), change.stamp),
        max_daily=None if limit == UNLIMITED else limit,
        at=change.at,
    )


def phone_quality(change: Change, value: Any) -> PhoneQualityUpdate | None:
    """`phone_number_quality_update`."""
    event = word_of(member(value, "event"))
    phone = display_phone_of(member(value, "display_phone_number"))
    if event is None or phone is None or change.at is None:
        return None
    limit = limit_of(member(value, _LIMIT_KEY))
    return PhoneQualityUpdate(
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        dedupe_key=digest_key("phq", change.waba_id, phone, event, "" if limit is None else str(limit), change.stamp),
        display_phone=phone,
        event=event,
        limit_told=limit is not None,
        max_daily=None if limit == UNLIMITED else limit,
        at=change.at,
    )


def _template(value: Any) -> tuple[str, str, str] | None:
    """The id, name and language of the template that a change is about."""
    template_id, name, language = (
        text_of(member(value, f"message_template_{part}")) for part in ("id", "name", "language")
    )
    if template_id is None or name is None or language is None:
        return None
    return template_id, name, language.replace("-", "_")


def _restrictions(given: Any) -> tuple[Restriction, ...]:
    pieces = given if isinstance(given, list) else [given] if isinstance(given, dict) else []
    return tuple(
        Restriction(
            type=word_of(member(piece, "restriction_type")) or "UNKNOWN",
            expires_at=expiry_of(member(piece, "expiration")),
        )
        for piece in pieces
    )
