"""Whether a text that a model would write could leave at all: asked before it is paid for.

A text is too old after a quarter of an hour, so one that is written for a message that has to wait is paid again when
the wait is over. What the claim would refuse a moment later is therefore refused here, with the same words; nothing is
consumed, and the claim asks everything once more.
"""

from dataclasses import replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.claim_guard import claim_facts, obey_guard
from activities.messages import outgoing
from activities.room import room_for_recipient
from activities.services import Services
from models.enums import JourneyState, SendState
from models.orchestration import StageRef, StageResult
from models.tables import Send
from storage.sends import ensure_send, template_of
from storage.stages import StageFacts
from storage.stores import required_id
from storage.substitutions import stand_in

_SOME_TEXT = "…"


async def refused_anyway(
    session: AsyncSession, services: Services, scene: StageFacts, ask: StageRef, *, now: datetime, probes: bool
) -> StageResult | None:
    """What becomes of a stage whose text could not leave now; None where a model may be asked to write it.

    Nothing is foreseen where a person approves the text: it is kept for as long as the message waits, and paid once.
    Nor where no model is there to be paid, since what stands in for the text may be another template.

    Args:
        session: a writing transaction that holds the customer's lock.
        services: for the count of recipients.
        scene: the stage.
        ask: which stage.
        now: the time.
        probes: whether the stage may find out if a bill is paid, although its journey is paused for that.
    """
    facts = scene.enrollment
    if services.llm is None or facts.definition.needs_approval:
        return None
    assumed = await _assumed(session, scene, ask, now=now)
    template = await template_of(
        session, facts.number.waba_id, assumed.template_name or "", assumed.template_language or ""
    )
    scene = replace(scene, template=template)
    message = outgoing(facts, assumed, template, now=now)
    guard = claim_facts(scene, assumed, message, keep_text=False, now=now)
    if probes:
        guard = replace(guard, journey_state=JourneyState.ACTIVE)
    send = await ensure_send(session, facts, ask.stage, ask.occurrence)
    refused = obey_guard(session, scene, send, guard, draft=assumed, now=now)
    if refused is not None:
        return refused
    room = await room_for_recipient(session, services, facts, message, now=now)
    return room if isinstance(room, StageResult) else None


async def _assumed(session: AsyncSession, scene: StageFacts, ask: StageRef, *, now: datetime) -> Send:
    """The draft that would be there if the model had written a text just now; it is never stored."""
    facts = scene.enrollment
    named = facts.definition.stages[ask.stage].message.template
    assumed = Send(
        store_id=required_id(facts.store.id),
        journey_id=required_id(facts.journey.id),
        enrollment_id=facts.enrollment.id,
        customer_id=required_id(facts.customer.id),
        stage=ask.stage,
        occurrence=ask.occurrence,
        state=SendState.DRAFTED,
        template_name=named.name if named is not None else None,
        template_language=named.language if named is not None else None,
        free_text=_SOME_TEXT,
        drafted_at=now,
        checked_at=now,
    )
    await stand_in(session, facts, assumed)
    return assumed
