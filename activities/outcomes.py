"""The ways in which a stage can end or wait, each written into the database together with the answer."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, HoldReason, SendState, SkipReason
from models.orchestration import StageResult, StageStep
from models.tables import Send
from models.verdicts import Hold
from policies.schedule import due_after
from storage.credits import credits_key
from storage.enrollments import RESTARTED, EnrollmentFacts, note, note_skip, set_holding, set_waiting
from storage.pausing import journey_key
from storage.sends import settle
from storage.stores import required_id

_PATIENT = frozenset({HoldReason.HOURS, HoldReason.JOURNEY_PAUSED, HoldReason.APPROVAL})
"""Holds with an end of their own, for which the hold clock does not run (DESIGN section 4)."""


def finished_stage(facts: EnrollmentFacts, stage: int, step: StageStep, settled_at: datetime) -> StageResult:
    """The answer for a stage that is over; the enrollment's next due time is written down with it."""
    due_at = due_after(facts.definition, stage + 1, settled_at, facts.where)
    if facts.enrollment.stage <= stage:
        # Else it was written down before: a worker that was given up must not undo what the next stage waits for.
        set_waiting(facts.enrollment, stage=stage + 1, due_at=due_at, stages=len(facts.definition.stages))
    return StageResult(step=step, due_at=due_at)


def finished_send(facts: EnrollmentFacts, stage: int, send: Send, *, now: datetime) -> StageResult:
    """The answer for a stage whose send was settled before, by another attempt or by a status."""
    match send.state:
        case SendState.SKIPPED:
            step = StageStep.SKIPPED
        case SendState.PARKED | SendState.FAILED:
            step = StageStep.PARKED
        case _:
            step = StageStep.ACCEPTED
    return finished_stage(facts, stage, step, send.settled_at or now)


def skip_stage(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, reason: SkipReason, *, now: datetime
) -> StageResult:
    """Pass the stage over and go on with the next."""
    settle(send, SendState.SKIPPED, now=now, reason=reason)
    note_skip(session, facts.enrollment, reason=reason, stage=send.stage, now=now)
    return finished_stage(facts, send.stage, StageStep.SKIPPED, send.settled_at or now)


def hold_stage(
    session: AsyncSession,
    facts: EnrollmentFacts,
    hold: Hold,
    key: str | None,
    *,
    now: datetime,
    patient: bool = False,
) -> StageResult:
    """Let the stage wait; `patient` where a person has to mend the cause, and nobody shall leave meanwhile."""
    set_holding(session, facts.enrollment, reason=hold.reason, key=key, until=hold.until, now=now)
    return StageResult(
        step=StageStep.HOLD,
        hold_reason=hold.reason,
        hold_until=hold.until,
        technical=hold.reason not in _PATIENT and not patient,
    )


def restart_stage(
    session: AsyncSession, facts: EnrollmentFacts, stage: int, due_at: datetime, *, now: datetime
) -> StageResult:
    """Let the stage's delay begin again, because our own side has written in the meantime."""
    enrollment = facts.enrollment
    if (enrollment.state, enrollment.due_at) != (EnrollmentState.WAITING, due_at):  # else it is a repeated activity
        note(session, enrollment.id, what=RESTARTED, reason=None, stage=stage, at=now)
    set_waiting(enrollment, stage=stage, due_at=due_at, stages=len(facts.definition.stages))
    return StageResult(step=StageStep.LATER, due_at=due_at)


def hold_key(facts: EnrollmentFacts, send: Send, reason: HoldReason) -> str | None:
    """What a broadcast must name to release this hold; None where only time does."""
    match reason:
        case HoldReason.TEMPLATE_HELD:
            return template_key(facts.number.waba_id, send.template_name or "", send.template_language or "")
        case HoldReason.CREDENTIAL | HoldReason.SENDER_PAUSED:
            return number_key(facts.number.phone_number_id)
        case HoldReason.JOURNEY_PAUSED:
            return journey_key(required_id(facts.journey.id))
        case HoldReason.NO_CREDITS:
            return credits_key(required_id(facts.store.id))
        case _:
            return None


def template_key(waba_id: str, name: str, language: str) -> str:
    """The key of everybody who waits for a template."""
    return f"template:{waba_id}:{name}:{language}"


def number_key(phone_number_id: str) -> str:
    """The key of everybody who waits for a number or its credential."""
    return f"number:{phone_number_id}"


def shop_key(domain: str) -> str:
    """The key of everybody who waits for a shop that refuses us."""
    return f"shop:{domain}"
