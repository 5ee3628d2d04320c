"""What a send does about an answer of WhatsApp's that says "not sent": the table's word put into effect.

It is the same whether the answer came to our request or as a status later. What it says of others than this message
is `storage.refusals`'.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.outcomes import hold_key, hold_stage, skip_stage
from models.enums import ExitReason, HoldReason, SkipReason
from models.orchestration import ExitNotice, StageResult, StageStep
from models.tables import Send
from models.verdicts import Hold
from policies.pacing import spread_offset
from policies.whatsapp_reactions import Reaction, pacing_of
from policies.windows import SERVICE_WINDOW
from storage.enrollments import EnrollmentFacts
from storage.outgoing import announce_failure
from storage.refusals import heed
from storage.senders import is_unpaid
from storage.sends import tries_with

_DAY = timedelta(hours=24)
_DAY_JITTER_S = 3600
_MOST_DAYS_LATER = 2
_MOST_TAKEN = 6
"""How often a message may be taken and dropped for one passing cause: the hold clock begins anew with each time."""
_LONGEST_SPREAD_S = 60
_HOLDS = {
    Reaction.TEMPLATE_HELD: HoldReason.TEMPLATE_HELD,
    Reaction.SENDER_PAUSED: HoldReason.SENDER_PAUSED,
    Reaction.CREDENTIAL_FATAL: HoldReason.CREDENTIAL,
}
_SPREAD = 0.25
"""By how much of itself a pause is made longer at most, so that not all come back at once; by a minute at most."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an attempt was not sent.

    Attributes:
        reaction: the table's word for it.
        code: WhatsApp's; None where the answer had none.
        used_template: whether it was a template and no free text.
        told_by_status: a status told it, and with it what it says of others was written down already.
        asked: how long WhatsApp asks us to wait.
    """

    reaction: Reaction
    code: int | None = None
    used_template: bool = True
    told_by_status: bool = False
    asked: timedelta | None = None


async def react(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, refusal: Refusal, *, now: datetime
) -> StageResult:
    """Put a reaction into effect for a send whose last attempt was not sent.

    Where no further attempt follows, the store's own systems are told.
    """
    result = await _react(session, facts, send, refusal, now=now)
    if result.step in (StageStep.SKIPPED, StageStep.EXIT):
        await announce_failure(session, send, code=refusal.code, at=now)
    return result


async def _react(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, refusal: Refusal, *, now: datetime
) -> StageResult:
    blocked_for: str | None = None
    if not refusal.told_by_status or refusal.reaction is Reaction.REQUEST_BUG:
        blocked_for = await heed(
            session, facts, send, refusal.reaction, refusal.code, now=now, used_template=refusal.used_template
        )
    match refusal.reaction:
        case Reaction.RETRY_SOON:
            return await _soon(session, facts, send, refusal, now=now)
        case Reaction.RETRY_24H:
            return await _tomorrow(session, facts, send, refusal, now=now)
        case Reaction.WINDOW_CLOSED:
            return _with_template(session, facts, send, refusal, now=now)
        case Reaction.RECIPIENT_OPTOUT:
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.UNSUBSCRIBED, at=now))
        case Reaction.RECIPIENT_PERMANENT:
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.UNDELIVERABLE, at=now))
        case Reaction.RECIPIENT_COOLDOWN | Reaction.COUNTRY_BLOCKED:
            return skip_stage(session, facts, send, SkipReason.META_DECLINED, now=now)
        case Reaction.TEMPLATE_DEAD:
            return skip_stage(session, facts, send, SkipReason.TEMPLATE_DEAD, now=now)
        case Reaction.REQUEST_BUG if refusal.code is None:
            # Somebody between us and Meta refused, and says nothing of the message.
            return await _soon(session, facts, send, refusal, now=now)
        case Reaction.REQUEST_BUG if blocked_for is None:
            return skip_stage(session, facts, send, SkipReason.REQUEST_REFUSED, now=now)
        case Reaction.REQUEST_BUG:
            return hold_stage(session, facts, Hold(HoldReason.TEMPLATE_HELD), blocked_for, now=now)
        case Reaction.TEMPLATE_HELD | Reaction.SENDER_PAUSED | Reaction.CREDENTIAL_FATAL as cause:
            hold = _HOLDS[cause]
            # Whoever met the refusal is the first to ask again when a pause is over; the others come after.
            until = facts.number.paused_until if hold is HoldReason.SENDER_PAUSED else None
            # A bill or a token takes a person, and nobody shall leave meanwhile.
            patient = hold is HoldReason.CREDENTIAL or is_unpaid(facts.number)
            return hold_stage(session, facts, Hold(hold, until), hold_key(facts, send, hold), now=now, patient=patient)
        case Reaction.UNKNOWN_OUTCOME:
            return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)
        case other:
            assert_never(other)


def pause_before_next(refusal: Refusal, send: Send, tries: int) -> timedelta:
    """How long to wait before the next try: the code's own pace, or what WhatsApp asks for if that is longer."""
    pause = max(pacing_of(refusal.code).pause(tries), refusal.asked or timedelta(0))
    spread = min(max(1, int(pause.total_seconds() * _SPREAD)), _LONGEST_SPREAD_S)
    return pause + timedelta(seconds=spread_offset(send.enrollment_id, spread))


async def _soon(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, refusal: Refusal, *, now: datetime
) -> StageResult:
    tries, pacing = await tries_with(session, send, refusal.code), pacing_of(refusal.code)
    if pacing.is_over(tries) and pacing.then is not None:
        last = Refusal(pacing.then, refusal.code, refusal.used_template)
        return await _react(session, facts, send, last, now=now)
    if refusal.told_by_status and tries >= _MOST_TAKEN:
        return skip_stage(session, facts, send, SkipReason.META_DECLINED, now=now)
    until = now + pause_before_next(refusal, send, tries)
    return hold_stage(session, facts, Hold(HoldReason.META_RETRY_LATER, until), None, now=now)


def _with_template(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, refusal: Refusal, *, now: datetime
) -> StageResult:
    """Meta knows the window better than we do. Were it still open for us, the same text would be tried for ever."""
    if refusal.used_template:
        return skip_stage(session, facts, send, SkipReason.WINDOW_CLOSED, now=now)
    send.free_text = None
    if facts.customer.last_inbound_at is not None:
        facts.customer.last_inbound_at = min(facts.customer.last_inbound_at, now - SERVICE_WINDOW)
    return StageResult(step=StageStep.STALE)


async def _tomorrow(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, refusal: Refusal, *, now: datetime
) -> StageResult:
    """Meta's own limit for this person: a day later at the earliest, twice at most, and not all at one moment."""
    send.declined = await tries_with(session, send, refusal.code)
    if send.declined > _MOST_DAYS_LATER:
        return skip_stage(session, facts, send, SkipReason.META_DECLINED, now=now)
    later = now + _DAY + timedelta(seconds=spread_offset(send.enrollment_id, _DAY_JITTER_S))
    return hold_stage(session, facts, Hold(HoldReason.META_RETRY_LATER, later), None, now=now)
