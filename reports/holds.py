"""Why a stage waits, in one sentence that also says what to do, where somebody can do something."""

from collections.abc import Mapping
from datetime import datetime

from models.enums import SENDABLE_TEMPLATE_STATUSES, HoldReason
from models.tables import Number, Template
from policies.whatsapp_reactions import explain
from reports.pauses import paused_words
from reports.refusals import pause_in_words
from reports.template_advice import advice_for
from reports.wording import HOLDS
from storage.lookup import Passage


def hold_words(
    passage: Passage, templates: Mapping[tuple[str, str], Template], number: Number | None, now: datetime | None
) -> str:
    """The sentence for an enrollment that holds.

    Args:
        passage: of the enrollment.
        templates: the mirror, by name and language.
        number: the store's; None where nobody asks why it is paused.
        now: the time, with a number.
    """
    reason, journey = passage.enrollment.hold_reason, passage.journey
    if reason is None:
        return ""
    match reason:
        case HoldReason.JOURNEY_PAUSED if journey.state_reason is not None:
            return f"the journey is {journey.state.value}: {paused_words(journey)}"
        case HoldReason.SENDER_PAUSED if number is not None and now is not None:
            return pause_in_words(number, now) or HOLDS[reason]
        case HoldReason.TEMPLATE_HELD:
            return _of_template(passage, templates) or HOLDS[reason]
        case HoldReason.META_RETRY_LATER | HoldReason.CREDENTIAL:
            code = _last_code(passage)
            return HOLDS[reason] if code is None else f"{HOLDS[reason]}: {explain(code)}"
        case _:
            return HOLDS[reason]


def _of_template(passage: Passage, templates: Mapping[tuple[str, str], Template]) -> str | None:
    send = next((one for one in passage.sends if one.stage == passage.enrollment.stage), None)
    template = templates.get((send.template_name or "", send.template_language or "")) if send is not None else None
    if template is None:
        return None
    _, _, version = (passage.enrollment.hold_key or "").partition("#")
    block = template.blocks.get(version)
    if block is not None:
        return (
            f"Meta calls this message wrong for the template {template.name} (code {block['code']}). "
            f"{explain(block['code'])} Then `templates unblock {template.name}`."
        )
    if template.status in SENDABLE_TEMPLATE_STATUSES:
        return None
    return f"the template {template.name} is {template.status.value}: {advice_for(template.status)}"


def _last_code(passage: Passage) -> int | None:
    for send in passage.sends:
        if send.stage == passage.enrollment.stage and send.id is not None:
            attempts = passage.attempts.get(send.id, [])
            return attempts[-1].error_code if attempts else None
    return None
