"""What a send does about an answer of WhatsApp's that says "not sent": the table's word put into effect."""

from datetime import datetime, timedelta
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.outcomes import hold_key, hold_stage, skip_stage
from models.enums import ExitReason, HoldReason, SkipReason, TemplateStatus
from models.orchestration import ExitNotice, StageResult, StageStep
from models.tables import Send
from models.verdicts import Hold
from policies.pacing import spread_offset
from policies.whatsapp_reactions import Reaction
from policies.windows import SERVICE_WINDOW
from storage.enrollments import EnrollmentFacts
from storage.opt_outs import OptOutSource, opt_out
from storage.sends import template_of

_DAY = timedelta(hours=24)
_DAY_JITTER_S = 3600
_MOST_DAYS_LATER = 2
_SOON = timedelta(minutes=15)


async def react(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, reaction: Reaction, *, now: datetime
) -> StageResult:
    """Put a reaction into effect for a send whose last attempt was not sent."""
    match reaction:
        case Reaction.RETRY_SOON:
            return hold_stage(session, facts, Hold(HoldReason.META_RETRY_LATER, now + _SOON), None, now=now)
        case Reaction.RETRY_24H:
            return _tomorrow(session, facts, send, now=now)
        case Reaction.WINDOW_CLOSED:
            # Meta knows the window better than we do. Were it still open for us, the same text would be tried for ever.
            send.free_text = None
            if facts.customer.last_inbound_at is not None:
                facts.customer.last_inbound_at = min(facts.customer.last_inbound_at, now - SERVICE_WINDOW)
            return StageResult(step=StageStep.STALE)
        case Reaction.RECIPIENT_OPTOUT:
            await opt_out(
                session,
                facts.customer,
                source=OptOutSource.WHATSAPP_REFUSAL,
                at=now,
                received_at=now,
                dedupe_key=f"refused:{send.id}:{send.attempt}",
            )
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.UNSUBSCRIBED, at=now))
        case Reaction.RECIPIENT_PERMANENT:
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.UNDELIVERABLE, at=now))
        case Reaction.RECIPIENT_COOLDOWN:
            return skip_stage(session, facts, send, SkipReason.META_DECLINED, now=now)
        case Reaction.TEMPLATE_HELD:
            await mark_template(session, facts, send, TemplateStatus.PAUSED)
            return _held(session, facts, send, HoldReason.TEMPLATE_HELD, now=now)
        case Reaction.TEMPLATE_DEAD | Reaction.REQUEST_BUG:
            return skip_stage(session, facts, send, SkipReason.TEMPLATE_DEAD, now=now)
        case Reaction.SENDER_PAUSED:
            if not (facts.number.paused_reason or "").startswith("account:"):
                # What Meta has told of the whole account is known better, and may last longer.
                facts.number.paused_reason, facts.number.paused_until = "refused", now + _DAY
            return hold_stage(
                session,
                facts,
                Hold(HoldReason.SENDER_PAUSED, facts.number.paused_until),
                hold_key(facts, send, HoldReason.SENDER_PAUSED),
                now=now,
            )
        case Reaction.CREDENTIAL_FATAL:
            facts.number.credential_ok = False
            return _held(session, facts, send, HoldReason.CREDENTIAL, now=now)
        case Reaction.UNKNOWN_OUTCOME:
            return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)
        case _:
            assert_never(reaction)


async def mark_template(session: AsyncSession, facts: EnrollmentFacts, send: Send, status: TemplateStatus) -> None:
    """Remember what Meta just said of a template, so that the next customers wait without a request each."""
    template = await template_of(session, facts.number.waba_id, send.template_name or "", send.template_language or "")
    if template is not None:
        template.status = status


def _held(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, reason: HoldReason, *, now: datetime
) -> StageResult:
    return hold_stage(session, facts, Hold(reason), hold_key(facts, send, reason), now=now)


def _tomorrow(session: AsyncSession, facts: EnrollmentFacts, send: Send, *, now: datetime) -> StageResult:
    """Meta's own limit for this person: a day later at the earliest, twice at most, and not all at one moment."""
    send.declined += 1
    if send.declined > _MOST_DAYS_LATER:
        return skip_stage(session, facts, send, SkipReason.META_DECLINED, now=now)
    later = now + _DAY + timedelta(seconds=spread_offset(send.enrollment_id, _DAY_JITTER_S))
    return hold_stage(session, facts, Hold(HoldReason.META_RETRY_LATER, later), None, now=now)
