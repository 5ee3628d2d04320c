"""Sending: the claim, the one POST, and the record of what is known after it (promises 1 and 2).

The order is the promise. The claim is committed before the request leaves; a repeat of this activity that finds a
claim without a record knows that somebody may have posted, and posts nothing.
"""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.claim import Claimed, claim_stage, wait_for_outcome
from activities.errors import to_application_error
from activities.outcomes import finished_send, finished_stage, hold_stage
from activities.reactions import react
from activities.services import Services, started_at
from models.enums import AttemptStatus, HoldReason, SendState
from models.orchestration import StageRef, StageResult, StageStep
from models.verdicts import Hold
from policies.whatsapp_reactions import Reaction, reaction_for
from providers.errors import BadAnswer, CredentialRefused, NotSent, OutcomeUnknown, ProviderError, Rejected, Throttled
from providers.whatsapp.wire import MessageStatus, SendResponse
from storage.enrollments import locked_facts
from storage.sends import (
    SETTLED,
    find_send,
    latest_attempt,
    record_accepted,
    record_failed,
    record_unknown,
    settle,
    write_chat,
)
from storage.stages import AttemptFacts, locked_attempt
from storage.statuses import apply_kept_statuses

_MOST_QUICK_TRIES = 6
_SLOW_TRY = timedelta(minutes=15)


class SendActivities:
    """What is asked of WhatsApp for one number; it runs on that number's own task queue."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def send_message(self, ask: StageRef) -> StageResult:
        """Send a prepared stage, unless a guard says otherwise in the transaction that would claim it."""
        claimed = await claim_stage(self._services, ask, now=started_at())
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

    async def _accepted(self, ask: StageRef, claimed: Claimed, response: SendResponse, *, now: datetime) -> StageResult:
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
        self, ask: StageRef, claimed: Claimed, error: ProviderError, *, now: datetime
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
                return wait_for_outcome(session, facts, now=now)
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


async def _locked_attempt(session: AsyncSession, ask: StageRef, claimed: Claimed) -> AttemptFacts:
    return await locked_attempt(session, ask.enrollment_id, ask.stage, ask.occurrence, attempt_id=claimed.attempt_id)
