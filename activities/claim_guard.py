"""What the guard before a claim is asked, and what is done with its answer."""

from datetime import datetime, timedelta
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.messages import Outgoing
from activities.outcomes import hold_key, hold_stage, skip_stage
from models.enums import WITHDRAWN_CONSENT, HoldReason, TemplateStatus
from models.journey import FollowUp, Tracking
from models.orchestration import ExitNotice, StageResult, StageStep
from models.tables import Send
from models.verdicts import Exit, Hold, Proceed, SkipStage
from policies.allowance import forbids_marketing
from policies.guards import ClaimFacts, before_claim
from policies.pacing import spread_offset
from policies.phones import is_us_number, region_of
from policies.schedule import sending_hours, zone_at
from policies.sender import SPREAD_S, SenderState, look_again_at, sender_state
from policies.whatsapp_reactions import gets_nothing
from storage.enrollments import EnrollmentFacts
from storage.reachability import unreachable_with
from storage.senders import is_blocked as is_country_blocked
from storage.senders import pause_of
from storage.stages import StageFacts
from storage.template_states import block_key, is_blocked, version_of

_MARKETING = "MARKETING"
"""Meta's word for a template's category."""


def claim_facts(scene: StageFacts, send: Send, message: Outgoing, *, keep_text: bool, now: datetime) -> ClaimFacts:
    """What the guard looks at, as it is in this transaction."""
    facts, template = scene.enrollment, scene.template
    marketing = message.uses_template and template is not None and template.category == _MARKETING
    rules = facts.definition.sending
    kept = keep_text or facts.definition.needs_approval
    moments = [send.checked_at] if kept else [send.checked_at, send.drafted_at]
    oldest = min((moment for moment in moments if moment is not None), default=None)
    # Its free text is part of a conversation that the customer has opened, and no marketing.
    is_reply = isinstance(facts.definition, FollowUp | Tracking) and not message.uses_template
    smart = 0 if is_reply else rules.smart_sending_days
    pause, unreachable = pause_of(facts.number), unreachable_with(facts.customer, now)
    paused = sender_state(pause, now) is SenderState.PAUSED
    return ClaimFacts(
        at=now,
        journey_state=facts.journey.state,
        missed=scene.missed,
        hours=sending_hours(rules),
        zone=zone_at(facts.definition, facts.where, now),
        erased=facts.customer.erased_at is not None,
        opted_out=facts.customer.opted_out_at is not None or facts.customer.consent in WITHDRAWN_CONSENT,
        credential_ok=facts.number.credential_ok,
        unreachable=gets_nothing(unreachable),
        country_blocked=bool(facts.number.blocked_countries) and _is_country_blocked(facts, now),
        template_blocked=is_blocked(template, facts.definition.stages[send.stage].message),
        sender_paused=paused or (marketing and forbids_marketing(facts.number.quality)),
        sender_paused_until=look_again_at(pause, now, offset=_place(facts)) if pause is not None else None,
        says_nothing=message.says_nothing,
        uses_template=message.uses_template,
        marketing_refused=marketing
        and (unreachable is not None or (message.to is not None and is_us_number(message.to))),
        template_exists=template is not None,
        template_status=template.status if template is not None else TemplateStatus.UNKNOWN,
        check_age=now - oldest if oldest is not None else timedelta.max,
        smart_sending_days=smart,
        last_other_marketing_at=scene.other_marketing_at if smart else None,
        recent_order_days=rules.recent_order_days,
        last_order_at=facts.customer.last_order_at,
    )


def obey_guard(
    session: AsyncSession,
    scene: StageFacts,
    send: Send,
    guard: ClaimFacts,
    *,
    now: datetime,
    draft: Send | None = None,
) -> StageResult | None:
    """Do what the guard says; None means that nothing speaks against the message.

    Args:
        session: a writing transaction that holds the customer's lock.
        scene: the stage.
        send: its send.
        guard: what the guard looks at.
        now: the time.
        draft: what would be said, where that is not in the send yet.
    """
    facts = scene.enrollment
    match before_claim(guard):
        case Proceed():
            return None
        case SkipStage(reason=reason):
            return skip_stage(session, facts, send, reason, now=now)
        case Hold() as hold:
            key = hold_key(facts, draft or send, hold.reason)
            if hold.reason is HoldReason.TEMPLATE_HELD and guard.template_blocked and scene.template is not None:
                template = scene.template
                key = block_key(template, version_of(template, facts.definition.stages[send.stage].message))
            return hold_stage(session, facts, hold, key, now=now)
        case Exit(reason=reason):
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=reason, at=now))
        case other:
            assert_never(other)


def _is_country_blocked(facts: EnrollmentFacts, now: datetime) -> bool:
    phone = facts.customer.phone
    return phone is not None and is_country_blocked(facts.number, region_of(phone), now)


def _place(facts: EnrollmentFacts) -> timedelta:
    """Where this customer is among those who wait for the number, so that not all look at one moment."""
    return timedelta(seconds=spread_offset(facts.enrollment.id, SPREAD_S))
