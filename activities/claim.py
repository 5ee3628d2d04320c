"""The claim: everything that may forbid a message is asked in the one transaction that takes the right to post it.

No claim commits after an exit event's commit, because both take the customer's lock (promise 2).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.journey_state import probes_for_payment
from activities.messages import Outgoing, outgoing
from activities.outcomes import finished_send, hold_key, hold_stage, skip_stage
from activities.prepare import notice_of
from activities.room import look_for_room
from activities.services import Services
from activities.subjects import asked_of_subject
from models.enums import (
    WITHDRAWN_CONSENT,
    AttemptStatus,
    ExitReason,
    HoldReason,
    JourneyState,
    SendState,
    SkipReason,
    TemplateStatus,
)
from models.journey import FollowUp
from models.orchestration import ExitNotice, StageRef, StageResult, StageStep
from models.tables import Send
from models.verdicts import Exit, Hold, Proceed, SkipStage
from policies.allowance import forbids_marketing
from policies.guards import ClaimFacts, before_claim
from policies.pacing import spread_offset
from policies.phones import is_us_number, region_of
from policies.schedule import sending_hours, zone_at
from policies.sender import SPREAD_S, SenderState, look_again_at, sender_state
from policies.whatsapp_reactions import gets_nothing
from storage.credits import reserve_message
from storage.enrollments import EnrollmentFacts, set_holding
from storage.reachability import unreachable_with
from storage.senders import is_blocked as is_country_blocked
from storage.senders import pause_of, take_probe
from storage.sends import claim, is_over, latest_attempt, record_unknown, template_of
from storage.stages import StageFacts, locked_stage
from storage.stores import required_id
from storage.subjects import subject_of
from storage.substitutions import stand_in
from storage.template_states import block_key, is_blocked, version_of

_MARKETING = "MARKETING"
"""Meta's word for a template's category."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The right to post one message once."""

    attempt_id: str
    message: Outgoing
    phone_number_id: str
    token: str
    endpoint: str | None


async def claim_stage(services: Services, ask: StageRef, *, now: datetime) -> Claimed | StageResult:
    """Take the right to post a prepared stage, or say what happens to it instead.

    Everything that could forbid it is read in the transaction that claims, under the customer's lock. What only
    counts (the portfolio's room, credits) is taken last, when nothing else can refuse any more.
    """
    async with services.database.write() as session:
        scene = await locked_stage(session, ask.enrollment_id, ask.stage, ask.occurrence)
        facts, send = scene.enrollment, scene.send
        if send is None or send.drafted_at is None:
            return StageResult(step=StageStep.STALE)
        known = await _known_already(session, services, scene, send, ask, now=now)
        if known is not None:
            return known
        if await stand_in(session, facts, send):
            scene = await _with_stand_in(session, scene, send)
        message = outgoing(facts, send, scene.template, now=now)
        guard = _claim_facts(scene, send, message, keep_text=ask.keep_text, now=now)
        sender = sender_state(pause_of(facts.number), now)
        if await probes_for_payment(session, facts, now=now):
            guard = replace(guard, journey_state=JourneyState.ACTIVE)
        blocked = _obey(session, scene, send, guard, now=now)
        if blocked is not None:
            return blocked
        if not message.fits():
            # Found out after the claim it would leave a send that nobody can say was not sent.
            return skip_stage(session, facts, send, SkipReason.TEMPLATE_DEAD, now=now)
        room = await look_for_room(session, services, scene, message, now=now)
        if isinstance(room, StageResult):
            return room
        if sender is SenderState.PROBE and not await take_probe(session, required_id(facts.number.id), now=now):
            hold = Hold(HoldReason.SENDER_PAUSED, guard.sender_paused_until)
            return hold_stage(session, facts, hold, hold_key(facts, send, hold.reason), now=now)
        if not await reserve_message(session, facts.store, send, now=now):
            hold = Hold(HoldReason.NO_CREDITS)
            return hold_stage(session, facts, hold, hold_key(facts, send, hold.reason), now=now)
        if room is not None:
            await room.take()
        attempt_id = await claim(
            session, send, number_id=required_id(facts.number.id), used_template=message.uses_template, now=now
        )
        if attempt_id is None:
            return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)
        number = facts.number
        return Claimed(attempt_id, message, number.phone_number_id, services.number_token(number), number.endpoint)


async def _known_already(
    session: AsyncSession, services: Services, scene: StageFacts, send: Send, ask: StageRef, *, now: datetime
) -> StageResult | None:
    """What decides whatever the message is: what was sent before, what has happened since, and who it is."""
    facts = scene.enrollment
    if is_over(send):
        return finished_send(facts, ask.stage, send, now=now)
    if send.state in (SendState.IN_FLIGHT, SendState.UNKNOWN):
        return await _nobody_knows(session, facts, send, now=now)
    notice = notice_of(facts, scene.exit_event, now=now)
    if notice is not None:
        return StageResult(step=StageStep.EXIT, exit=notice)
    if ask.revision is not None and send.revision != ask.revision:
        return StageResult(step=StageStep.UNAPPROVED)
    asked = await asked_of_subject(session, facts, await subject_of(session, facts.enrollment), ask, now=now)
    if asked is not None:
        return asked
    if facts.customer.phone_synthetic and not services.allow_synthetic:
        return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.UNDELIVERABLE, at=now))
    return None


async def _nobody_knows(session: AsyncSession, facts: EnrollmentFacts, send: Send, *, now: datetime) -> StageResult:
    """Somebody claimed and did not record: a crash, or a worker that is still at it. Nothing may be posted."""
    attempt = await latest_attempt(session, send)
    if attempt is not None and attempt.status is AttemptStatus.CLAIMED:
        record_unknown(send, attempt)
    return wait_for_outcome(session, facts, now=now)


def wait_for_outcome(session: AsyncSession, facts: EnrollmentFacts, *, now: datetime) -> StageResult:
    """Nobody knows whether the message left: the journey waits for a status."""
    set_holding(session, facts.enrollment, reason=HoldReason.SEND_UNKNOWN, key=None, until=None, now=now)
    return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)


def _claim_facts(scene: StageFacts, send: Send, message: Outgoing, *, keep_text: bool, now: datetime) -> ClaimFacts:
    facts, template = scene.enrollment, scene.template
    marketing = message.uses_template and template is not None and template.category == _MARKETING
    rules = facts.definition.sending
    kept = keep_text or rules.approval == "required"
    moments = [send.checked_at] if kept else [send.checked_at, send.drafted_at]
    oldest = min((moment for moment in moments if moment is not None), default=None)
    # A follow-up's free text is part of a conversation that the customer has opened, and no marketing.
    is_reply = isinstance(facts.definition, FollowUp) and not message.uses_template
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


def _is_country_blocked(facts: EnrollmentFacts, now: datetime) -> bool:
    phone = facts.customer.phone
    return phone is not None and is_country_blocked(facts.number, region_of(phone), now)


def _place(facts: EnrollmentFacts) -> timedelta:
    """Where this customer is among those who wait for the number, so that not all look at one moment."""
    return timedelta(seconds=spread_offset(facts.enrollment.id, SPREAD_S))


async def _with_stand_in(session: AsyncSession, scene: StageFacts, send: Send) -> StageFacts:
    waba_id = scene.enrollment.number.waba_id
    template = await template_of(session, waba_id, send.template_name or "", send.template_language or "")
    return replace(scene, template=template)


def _obey(
    session: AsyncSession, scene: StageFacts, send: Send, guard: ClaimFacts, *, now: datetime
) -> StageResult | None:
    """Do what the guard says; None means that the claim may be taken."""
    facts = scene.enrollment
    match before_claim(guard):
        case Proceed():
            return StageResult(step=StageStep.STALE) if guard.stale else None
        case SkipStage(reason=reason):
            return skip_stage(session, facts, send, reason, now=now)
        case Hold() as hold:
            key = hold_key(facts, send, hold.reason)
            if hold.reason is HoldReason.TEMPLATE_HELD and guard.template_blocked and scene.template is not None:
                template = scene.template
                key = block_key(template, version_of(template, facts.definition.stages[send.stage].message))
            return hold_stage(session, facts, hold, key, now=now)
        case Exit(reason=reason):
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=reason, at=now))
        case other:
            assert_never(other)
