"""What a journey's own state means for a stage that is due: asked before anything is paid for, and at the claim."""

from datetime import datetime
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.outcomes import hold_stage, skip_stage
from models.enums import JourneyState
from models.orchestration import ExitNotice, StageResult, StageStep
from models.tables import Send
from models.verdicts import Exit, Hold, SkipStage
from policies.guards import journey_verdict
from policies.sender import SenderState, sender_state
from storage.enrollments import EnrollmentFacts
from storage.pausing import journey_key
from storage.senders import is_unpaid, pause_of, waits_for_payment_alone
from storage.stages import StageFacts
from storage.stores import required_id


async def probes_for_payment(session: AsyncSession, facts: EnrollmentFacts, *, now: datetime) -> bool:
    """Whether a stage may find out if Meta has been paid, although its journey is paused for just that."""
    number = facts.number
    if facts.journey.state is not JourneyState.PAUSED or not is_unpaid(number):
        return False
    over = sender_state(pause_of(number), now) is SenderState.PROBE
    return over and await waits_for_payment_alone(session, required_id(facts.journey.id))


def obey_journey(
    session: AsyncSession, scene: StageFacts, send: Send, *, now: datetime, probes: bool = False
) -> StageResult | None:
    """Hold, skip or end the stage as its journey's state asks; None while the journey runs, or the stage probes."""
    facts = scene.enrollment
    match journey_verdict(JourneyState.ACTIVE if probes else facts.journey.state, missed=scene.missed):
        case None:
            return None
        case Hold() as hold:
            return hold_stage(session, facts, hold, journey_key(required_id(facts.journey.id)), now=now)
        case SkipStage(reason=reason):
            return skip_stage(session, facts, send, reason, now=now)
        case Exit(reason=reason):
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=reason, at=now))
        case other:
            assert_never(other)
