"""The database's side of a journey's life: its plan when it starts, its pauses, and its end."""

from datetime import datetime, timedelta

from temporalio import activity

from activities.outcomes import finished_send, finished_stage
from activities.services import Services, started_at
from models.enums import EnrollmentState, ExitReason, SendState
from models.journey import JourneyDefinition, Stage, Tracking
from models.orchestration import (
    Awaited,
    Conclude,
    Concluded,
    ExitNotice,
    LoadPlan,
    Plan,
    SkipStage,
    StagePlan,
    StageResult,
    StageStep,
    Waiting,
)
from models.span import Unit
from policies.calendar import add_span
from policies.schedule import due_after, zone_at
from storage.enrollments import (
    EnrollmentFacts,
    close_enrollment,
    locked_facts,
    note_skip,
    set_holding,
    set_waiting,
)
from storage.events import first_exit_event
from storage.sends import ensure_send, is_over, settle
from storage.settling import park_open_sends
from storage.stores import StoreParts


class JourneyActivities:
    """What JourneyWorkflow asks of the database alone."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def load_plan(self, ask: LoadPlan) -> Plan:
        """The plan of the pinned version, and the exit event that came before the workflow could hear it (promise 3).

        Runs as a local activity, whose own clock is the worker's: the time comes with the question.
        """
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            enrollment, definition = facts.enrollment, facts.definition
            due_at = _due_at(facts)
            if enrollment.state is EnrollmentState.STARTING:
                set_waiting(enrollment, stage=0, due_at=due_at, stages=len(definition.stages))
            event = await first_exit_event(session, enrollment)
            parts = StoreParts(facts.store, facts.number, facts.shop)
            notice: ExitNotice | None = None
            if event is not None and event.exit_reason is not None:
                notice = ExitNotice(reason=event.exit_reason, at=event.occurred_at, event_id=event.id)
            elif enrollment.state is EnrollmentState.CLOSED:
                notice = ExitNotice(reason=enrollment.exit_reason or ExitReason.FAILED, at=ask.now)
            return Plan(
                stages=tuple(StagePlan(ai=_asks_the_model(definition, stage)) for stage in definition.stages),
                due_at=due_at,
                shop_queue=parts.shop_queue,
                whatsapp_queue=parts.whatsapp_queue,
                approval=definition.needs_approval,
                hold_for=_length(definition, facts, ask),
                on_expire=definition.sending.on_expire,
                unknown_wait=self._services.unknown_wait,
                exit=notice,
            )

    @activity.defn
    async def skip_stage(self, ask: SkipStage) -> StageResult:
        """Pass a stage over for a reason that the workflow found, such as an expired hold."""
        now = started_at()
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            send = await ensure_send(session, facts, ask.stage, ask.occurrence)
            if send.state in (SendState.IN_FLIGHT, SendState.UNKNOWN):
                settle(send, SendState.PARKED, now=now)
            if is_over(send):
                return finished_send(facts, ask.stage, send, now=now)
            settle(send, SendState.SKIPPED, now=now, reason=ask.reason)
            note_skip(session, facts.enrollment, reason=ask.reason, stage=ask.stage, now=now)
            return finished_stage(facts, ask.stage, StageStep.SKIPPED, send.settled_at or now)

    @activity.defn
    async def wait_for_person(self, ask: Waiting) -> Awaited | None:
        """Show that the enrollment waits for somebody's decision, and say until when.

        Journeys that began to wait under an older release had no answer, and wait for ever.
        """
        now = started_at()
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            definition = facts.definition
            until = add_span(now, definition.sending.approval_expires, zone_at(definition, facts.where, now))
            set_holding(session, facts.enrollment, reason=ask.reason, key=None, until=until, now=now)
            return Awaited(until=until)

    @activity.defn
    async def conclude(self, ask: Conclude) -> Concluded:
        """End the enrollment; the database's first exit event has the last word on the reason."""
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            reason = await close_enrollment(
                session, facts.enrollment, reason=ask.reason, event_id=ask.event_id, now=started_at()
            )
            await park_open_sends(session, ask.enrollment_id, now=started_at())
            return Concluded(reason=reason)


def _due_at(facts: EnrollmentFacts) -> datetime:
    """When the stage that comes next is due.

    A review's follow-up waits from the customer's last message, which entering reckoned with.
    """
    enrollment, definition = facts.enrollment, facts.definition
    if isinstance(definition, Tracking) and enrollment.stage == 0 and enrollment.due_at is not None:
        return enrollment.due_at
    return due_after(definition, enrollment.stage, enrollment.entered_at, facts.where)


def _asks_the_model(definition: JourneyDefinition, stage: Stage) -> bool:
    """Whether the stage's text is yet to be written; a review's was, with its verdict."""
    return stage.message.ai is not None and not isinstance(definition, Tracking)


def _length(definition: JourneyDefinition, facts: EnrollmentFacts, ask: LoadPlan) -> timedelta:
    """The hold clock as elapsed time; a calendar span is measured from now."""
    span = definition.sending.hold_for
    match span.unit:
        case Unit.MINUTES:
            return timedelta(minutes=span.amount)
        case Unit.HOURS:
            return timedelta(hours=span.amount)
        case Unit.DAYS:
            return timedelta(days=span.amount)
        case Unit.MONTHS:
            return add_span(ask.now, span, zone_at(definition, facts.where, ask.now)) - ask.now
