"""The claim: everything that may forbid a message is asked in the one transaction that takes the right to post it.

No claim commits after an exit event's commit, because both take the customer's lock (promise 2).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.claim_guard import claim_facts, obey_guard
from activities.journey_state import probes_for_payment
from activities.messages import Outgoing, outgoing
from activities.outcomes import finished_send, hold_key, hold_stage, skip_stage
from activities.prepare import notice_of
from activities.room import look_for_room
from activities.services import Services
from activities.subjects import asked_of_subject
from models.enums import (
    AttemptStatus,
    ExitReason,
    HoldReason,
    JourneyState,
    SendState,
    SkipReason,
)
from models.orchestration import ExitNotice, StageRef, StageResult, StageStep
from models.tables import Send
from models.verdicts import Hold
from policies.sender import SenderState, sender_state
from storage.credits import reserve_message
from storage.enrollments import EnrollmentFacts, set_holding
from storage.senders import pause_of, take_probe
from storage.sends import claim, is_over, latest_attempt, record_unknown, template_of
from storage.stages import StageFacts, locked_stage
from storage.stores import required_id
from storage.subjects import subject_of
from storage.substitutions import stand_in


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
        guard = claim_facts(scene, send, message, keep_text=ask.keep_text, now=now)
        sender = sender_state(pause_of(facts.number), now)
        if await probes_for_payment(session, facts, now=now):
            guard = replace(guard, journey_state=JourneyState.ACTIVE)
        blocked = obey_guard(session, scene, send, guard, now=now)
        if blocked is not None:
            return blocked
        if guard.stale:
            return StageResult(step=StageStep.STALE)
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


async def _with_stand_in(session: AsyncSession, scene: StageFacts, send: Send) -> StageFacts:
    waba_id = scene.enrollment.number.waba_id
    template = await template_of(session, waba_id, send.template_name or "", send.template_language or "")
    return replace(scene, template=template)
