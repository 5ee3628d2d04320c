"""Sending: the claim, the one POST, and the record of what is known after it (promises 1 and 2).

The order is the promise. The claim is committed before the request leaves; a repeat of this activity that finds a
claim without a record knows that somebody may have posted, and posts nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.errors import to_application_error
from activities.messages import Outgoing, outgoing
from activities.outcomes import finished_send, finished_stage, hold_key, hold_stage, skip_stage
from activities.prepare import notice_of
from activities.reactions import react
from activities.services import Services, started_at
from activities.subjects import asked_of_subject
from models.enums import (
    WITHDRAWN_CONSENT,
    AttemptStatus,
    ExitReason,
    HoldReason,
    SendState,
    SkipReason,
    TemplateStatus,
)
from models.journey import FollowUp
from models.orchestration import ExitNotice, StageRef, StageResult, StageStep
from models.tables import Number, Send
from models.verdicts import Exit, Hold, Proceed, SkipStage
from policies.guards import ClaimFacts, before_claim
from policies.phones import is_us_number
from policies.schedule import sending_hours, zone_at
from policies.whatsapp_reactions import Reaction, reaction_for
from providers.errors import BadAnswer, CredentialRefused, NotSent, OutcomeUnknown, ProviderError, Rejected, Throttled
from providers.whatsapp.wire import MessageStatus, SendResponse
from storage.enrollments import EnrollmentFacts, locked_facts, set_holding
from storage.sends import (
    SETTLED,
    claim,
    find_send,
    latest_attempt,
    record_accepted,
    record_failed,
    record_unknown,
    settle,
    write_chat,
)
from storage.stages import AttemptFacts, StageFacts, locked_attempt, locked_stage
from storage.statuses import apply_kept_statuses
from storage.stores import required_id
from storage.subjects import subject_of

_MARKETING = "MARKETING"
"""Meta's word for a template's category."""
_MOST_QUICK_TRIES = 6
_SLOW_TRY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """The right to post one message once."""

    attempt_id: str
    message: Outgoing
    phone_number_id: str
    token: str
    endpoint: str | None


class SendActivities:
    """What is asked of WhatsApp for one number; it runs on that number's own task queue."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def send_message(self, ask: StageRef) -> StageResult:
        """Send a prepared stage, unless a guard says otherwise in the transaction that would claim it."""
        claimed = await self._claim(ask, now=started_at())
        if isinstance(claimed, StageResult):
            return claimed
        try:
            response = await self._services.whatsapp.send(
                claimed.phone_number_id,
                claimed.token,
                claimed.message.body(claimed.attempt_id),
                endpoint=claimed.endpoint,
            )
        except ProviderError as error:
            return await self._not_accepted(ask, claimed, error, now=started_at())
        return await self._accepted(ask, claimed, response, now=started_at())

    @activity.defn
    async def settle_unknown(self, ask: StageRef) -> StageResult:
        """No status came in time: take what is known by now, or park the send and let the journey go on."""
        now = started_at()
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            send = await find_send(session, ask.enrollment_id, ask.stage, ask.occurrence)
            if send is None or send.state is SendState.DRAFTED:
                return StageResult(step=StageStep.STALE)
            if send.state in SETTLED:
                return finished_send(facts, ask.stage, send, now=now)
            attempt = await latest_attempt(session, send)
            if attempt is not None and attempt.status is AttemptStatus.FAILED:
                reaction = reaction_for(attempt.error_code, None, 0, is_transient=False)
                if reaction is not Reaction.UNKNOWN_OUTCOME:
                    return await react(session, facts, send, reaction, now=now)
                # "Failed" without a code that says anything: waiting once more would tell nothing new.
            settle(send, SendState.PARKED, now=now)
            return finished_stage(facts, ask.stage, StageStep.PARKED, now)

    async def _claim(self, ask: StageRef, *, now: datetime) -> _Claimed | StageResult:
        async with self._services.database.write() as session:
            scene = await locked_stage(session, ask.enrollment_id, ask.stage, ask.occurrence)
            facts, send = scene.enrollment, scene.send
            if send is None or send.drafted_at is None:
                return StageResult(step=StageStep.STALE)
            if send.state in SETTLED:
                return finished_send(facts, ask.stage, send, now=now)
            if send.state in (SendState.IN_FLIGHT, SendState.UNKNOWN):
                return await _nobody_knows(session, facts, send, now=now)
            notice = notice_of(facts, scene.exit_event, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            asked = await asked_of_subject(session, facts, await subject_of(session, facts.enrollment), ask, now=now)
            if asked is not None:
                return asked
            if facts.customer.phone_synthetic and not self._services.allow_synthetic:
                return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.UNDELIVERABLE, at=now))
            message = outgoing(facts, send, scene.template, now=now)
            guard = _claim_facts(scene, send, message, now=now)
            blocked = _obey(session, facts, send, guard, now=now)
            if blocked is not None:
                return blocked
            if not message.fits():
                # Found out after the claim it would leave a send that nobody can say was not sent.
                return skip_stage(session, facts, send, SkipReason.TEMPLATE_DEAD, now=now)
            attempt_id = await claim(
                session, send, number_id=required_id(facts.number.id), used_template=message.uses_template, now=now
            )
            if attempt_id is None:
                return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)
            number = facts.number
            return _Claimed(
                attempt_id, message, number.phone_number_id, self._services.number_token(number), number.endpoint
            )

    async def _accepted(
        self, ask: StageRef, claimed: _Claimed, response: SendResponse, *, now: datetime
    ) -> StageResult:
        async with self._services.database.write() as session:
            known = await _locked_attempt(session, ask, claimed)
            facts, send, attempt = known.enrollment, known.send, known.attempt
            held = response.status is not MessageStatus.ACCEPTED
            record_accepted(send, attempt, wamid=response.wamid, held=held, now=now)
            message, chat = claimed.message, known.conversation_id
            await write_chat(
                session, facts, attempt, conversation_id=chat, text=message.shown, kind=message.kind, now=now
            )
            finished = finished_stage(facts, ask.stage, StageStep.ACCEPTED, send.settled_at or now)
            await apply_kept_statuses(session, attempt, now=now)
            return finished

    async def _not_accepted(
        self, ask: StageRef, claimed: _Claimed, error: ProviderError, *, now: datetime
    ) -> StageResult:
        async with self._services.database.write() as session:
            known = await _locked_attempt(session, ask, claimed)
            facts, send, attempt = known.enrollment, known.send, known.attempt
            if send.state in SETTLED:
                # A status was faster than the broken answer and has told the outcome.
                return finished_send(facts, ask.stage, send, now=now)
            reaction = _reaction(error)
            if reaction is Reaction.UNKNOWN_OUTCOME:
                record_unknown(send, attempt)
                return _unknown(session, facts, now=now)
            record_failed(send, attempt, code=error.code_number if isinstance(error, Rejected) else None, now=now)
            if reaction is not Reaction.RETRY_SOON:
                return await react(session, facts, send, reaction, now=now)
            if activity.info().attempt >= _MOST_QUICK_TRIES:
                until = now + _SLOW_TRY
                return hold_stage(session, facts, Hold(HoldReason.META_RETRY_LATER, until), None, now=now)
        raise _try_again(error)


def _reaction(error: ProviderError) -> Reaction:
    match error:
        case NotSent() | Throttled():
            return Reaction.RETRY_SOON
        case CredentialRefused():
            return Reaction.CREDENTIAL_FATAL
        case Rejected():
            subcode = int(error.subcode) if error.subcode is not None and error.subcode.isdecimal() else None
            return reaction_for(error.code_number, subcode, error.status, error.transient)
        case OutcomeUnknown() | BadAnswer():
            return Reaction.UNKNOWN_OUTCOME
        case _:
            return Reaction.UNKNOWN_OUTCOME


def _try_again(error: ProviderError) -> ApplicationError:
    """Temporal repeats the activity, which claims a further attempt: the last answer said "not sent"."""
    failure = to_application_error(error)
    return ApplicationError(
        failure.message, type=failure.type, next_retry_delay=failure.next_retry_delay, category=failure.category
    )


async def _locked_attempt(session: AsyncSession, ask: StageRef, claimed: _Claimed) -> AttemptFacts:
    return await locked_attempt(session, ask.enrollment_id, ask.stage, ask.occurrence, attempt_id=claimed.attempt_id)


async def _nobody_knows(session: AsyncSession, facts: EnrollmentFacts, send: Send, *, now: datetime) -> StageResult:
    """Somebody claimed and did not record: a crash, or a worker that is still at it. Nothing may be posted."""
    attempt = await latest_attempt(session, send)
    if attempt is not None and attempt.status is AttemptStatus.CLAIMED:
        record_unknown(send, attempt)
    return _unknown(session, facts, now=now)


def _unknown(session: AsyncSession, facts: EnrollmentFacts, *, now: datetime) -> StageResult:
    set_holding(session, facts.enrollment, reason=HoldReason.SEND_UNKNOWN, key=None, until=None, now=now)
    return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)


def _claim_facts(scene: StageFacts, send: Send, message: Outgoing, *, now: datetime) -> ClaimFacts:
    facts, template = scene.enrollment, scene.template
    marketing = message.uses_template and template is not None and template.category == _MARKETING
    rules = facts.definition.sending
    moments = [send.checked_at] if rules.approval == "required" else [send.checked_at, send.drafted_at]
    oldest = min((moment for moment in moments if moment is not None), default=None)
    # A follow-up's free text is part of a conversation that the customer has opened, and no marketing.
    is_reply = isinstance(facts.definition, FollowUp) and not message.uses_template
    smart = 0 if is_reply else rules.smart_sending_days
    return ClaimFacts(
        at=now,
        journey_state=facts.journey.state,
        hours=sending_hours(rules),
        zone=zone_at(facts.definition, facts.where, now),
        erased=facts.customer.erased_at is not None,
        opted_out=facts.customer.opted_out_at is not None or facts.customer.consent in WITHDRAWN_CONSENT,
        credential_ok=facts.number.credential_ok,
        sender_paused=is_paused(facts.number, now),
        sender_paused_until=facts.number.paused_until,
        says_nothing=message.says_nothing,
        uses_template=message.uses_template,
        marketing_refused=marketing and message.to is not None and is_us_number(message.to),
        template_exists=template is not None,
        template_status=template.status if template is not None else TemplateStatus.UNKNOWN,
        check_age=now - oldest if oldest is not None else timedelta.max,
        smart_sending_days=smart,
        last_other_marketing_at=scene.other_marketing_at if smart else None,
        recent_order_days=rules.recent_order_days,
        last_order_at=facts.customer.last_order_at,
    )


def is_paused(number: Number, now: datetime) -> bool:
    """Whether the number may not send; a pause whose time is over has ended, and the next send shows if rightly."""
    return number.paused_reason is not None and (number.paused_until is None or number.paused_until > now)


def _obey(
    session: AsyncSession, facts: EnrollmentFacts, send: Send, guard: ClaimFacts, *, now: datetime
) -> StageResult | None:
    """Do what the guard says; None means that the claim may be taken."""
    match before_claim(guard):
        case Proceed():
            return StageResult(step=StageStep.STALE) if guard.stale else None
        case SkipStage(reason=reason):
            return skip_stage(session, facts, send, reason, now=now)
        case Hold() as hold:
            return hold_stage(session, facts, hold, hold_key(facts, send, hold.reason), now=now)
        case Exit(reason=reason):
            return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=reason, at=now))
        case other:
            assert_never(other)
