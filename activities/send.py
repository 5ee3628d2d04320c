"""Sending: the claim, the one POST, and the record of what is known after it (promises 1 and 2).

The order is the promise. The claim is committed before the request leaves; a repeat of this activity that finds a
claim without a record knows that somebody may have posted, and posts nothing.
"""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.claim import Claimed, claim_stage, wait_for_outcome
from activities.errors import to_application_error
from activities.outcomes import finished_send, finished_stage
from activities.reactions import Refusal, pause_before_next, react
from activities.reopen import has_failed_since, told_by_status
from activities.services import Services, started_at
from models.enums import AttemptStatus, HoldReason, SendState
from models.orchestration import StageRef, StageResult, StageStep
from models.tables import Send, SendAttempt
from policies.whatsapp_reactions import Reaction, pacing_of, reaction_for
from providers.errors import CredentialRefused, NotSent, ProviderError, Rejected, Throttled
from providers.whatsapp.wire import MessageStatus, SendResponse
from storage.attribution import attribute_orders
from storage.credits import note_outcome
from storage.enrollments import EnrollmentFacts, locked_facts
from storage.events import add_attempt_settled
from storage.senders import heed_probes
from storage.sends import (
    all_failed,
    find_send,
    is_over,
    latest_attempt,
    record_accepted,
    record_failed,
    record_unknown,
    reopen,
    settle,
    tries_with,
    write_chat,
)
from storage.stages import AttemptFacts, locked_attempt
from storage.status_matching import apply_kept_statuses
from storage.stop_loss import check_loss

_MOST_QUICK_TRIES = 6
_QUICK = timedelta(minutes=6)
"""The longest pause that Temporal's own repetition bridges; beyond it the stage holds, and people see why."""
_BENIGN = ApplicationErrorCategory.BENIGN


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
            if is_over(send):
                return finished_send(facts, ask.stage, send, now=now)
            attempt = await latest_attempt(session, send)
            if attempt is not None and attempt.status is AttemptStatus.FAILED:
                if attempt.settled_by is not None or attempt.wamid is None:
                    # Not sent, as staff or the answer itself said: the window closed before a further attempt.
                    return StageResult(step=StageStep.STALE)
                refusal = told_by_status(attempt)
                if refusal.reaction is not Reaction.UNKNOWN_OUTCOME:
                    return await react(session, facts, send, refusal, now=now)
                # "Failed" without a code that says anything: waiting once more would tell nothing new.
            elif attempt is not None:
                self._see_that_it_waited(attempt, now=now)
            settle(send, SendState.PARKED, now=now)
            return finished_stage(facts, ask.stage, StageStep.PARKED, now)

    def _see_that_it_waited(self, attempt: SendAttempt, *, now: datetime) -> None:
        """Put a parking off that comes early: what woke the journey was the word of an older attempt.

        Raises:
            ApplicationError: Temporal asks again when the time is over.
        """
        rest = attempt.claimed_at + self._services.unknown_wait - now
        if rest > timedelta(0):
            raise ApplicationError("no status yet", type="OutcomeUnknown", next_retry_delay=rest, category=_BENIGN)

    async def _accepted(self, ask: StageRef, claimed: Claimed, response: SendResponse, *, now: datetime) -> StageResult:
        async with self._services.database.write() as session:
            known = await _locked_attempt(session, ask, claimed)
            facts, send, attempt = known.enrollment, known.send, known.attempt
            held = response.status is not MessageStatus.ACCEPTED
            before = send.state
            record_accepted(send, attempt, wamid=response.wamid, held=held, now=now)
            await note_outcome(session, facts.store, send, now=now)
            message, chat = claimed.message, known.conversation_id
            await write_chat(
                session, facts, attempt, conversation_id=chat, text=message.shown, kind=message.kind, now=now
            )
            await _tell_late(session, send, attempt, before, now=now)
            if attempt.number != send.attempt:
                # This worker was given up long ago, and another attempt has been made: nobody reads this answer.
                await _take_kept(session, facts, attempt, now=now)
                return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)
            still_in_it = facts.enrollment.stage <= ask.stage
            if still_in_it and has_failed_since(send, attempt) and await all_failed(session, send):
                # A status was faster than this record: Meta took the message and has dropped it already.
                await _note_probe(session, facts, attempt, now=now)
                reopen(send)
                return await react(session, facts, send, told_by_status(attempt), now=now)
            finished = finished_stage(facts, ask.stage, StageStep.ACCEPTED, send.settled_at or now)
            await _take_kept(session, facts, attempt, now=now)
            return finished

    async def _not_accepted(
        self, ask: StageRef, claimed: Claimed, error: ProviderError, *, now: datetime
    ) -> StageResult:
        async with self._services.database.write() as session:
            known = await _locked_attempt(session, ask, claimed)
            facts, send, attempt = known.enrollment, known.send, known.attempt
            refusal, before = _refusal(error, attempt), send.state
            known_already = attempt.status is AttemptStatus.FAILED
            if refusal.reaction is Reaction.UNKNOWN_OUTCOME:
                record_unknown(send, attempt)
            else:
                record_failed(send, attempt, code=refusal.code, now=now)
                await note_outcome(session, facts.store, send, now=now)
            if is_over(send):
                # A status was faster than the broken answer and has told the outcome.
                return finished_send(facts, ask.stage, send, now=now)
            if attempt.number != send.attempt or before is SendState.UNKNOWN:
                # This worker was given up long ago. What it knows is written down; what follows is another's to say.
                await _tell_late(session, send, attempt, before, now=now)
                return StageResult(step=StageStep.UNKNOWN, hold_reason=HoldReason.SEND_UNKNOWN)
            if known_already:
                refusal = told_by_status(attempt)
            if refusal.reaction is Reaction.UNKNOWN_OUTCOME:
                return wait_for_outcome(session, facts, now=now)
            quick = None if known_already else await self._quick_pause(session, send, refusal)
            if quick is None:
                answer = await react(session, facts, send, refusal, now=now)
                await check_loss(session, send.journey_id, now=now)
                return answer
        raise _try_again(error, quick)

    async def _quick_pause(self, session: AsyncSession, send: Send, refusal: Refusal) -> timedelta | None:
        """The pause after which Temporal repeats the activity; None where the stage waits, or something else follows.

        A short pause costs no history, and the slot is free meanwhile.
        """
        if refusal.reaction is not Reaction.RETRY_SOON or activity.info().attempt >= _MOST_QUICK_TRIES:
            return None
        tries = await tries_with(session, send, refusal.code)
        if pacing_of(refusal.code).is_over(tries):
            return None
        pause = pause_before_next(refusal, send, tries)
        return pause if pause <= _QUICK else None


async def _take_kept(session: AsyncSession, facts: EnrollmentFacts, attempt: SendAttempt, *, now: datetime) -> None:
    """What was reported of the message before its id was known, and then what its going says of its number.

    In this order: the ids' locks come before the number's, as where a batch of statuses is merged.
    """
    await apply_kept_statuses(session, attempt, now=now)
    await _note_probe(session, facts, attempt, now=now)


async def _note_probe(session: AsyncSession, facts: EnrollmentFacts, attempt: SendAttempt, *, now: datetime) -> None:
    """A message that Meta took may say that the number's pause is over, if its time was over."""
    if facts.number.paused_reason is not None:
        claims = {attempt.number_id: attempt.claimed_at}
        await heed_probes(session, claims, now=now, told_by_status=False)


async def _tell_late(
    session: AsyncSession, send: Send, attempt: SendAttempt, before: SendState, *, now: datetime
) -> None:
    """What an answer changes that came when nobody expected it any more: a journey that waits for it goes on."""
    if before is SendState.UNKNOWN and send.state is not before:
        add_attempt_settled(session, send.enrollment_id, attempt.id, now=now)
    if before in (SendState.UNKNOWN, SendState.PARKED) and send.state is SendState.ACCEPTED:
        await session.flush()
        await attribute_orders(session, send.customer_id)


def _refusal(error: ProviderError, attempt: SendAttempt) -> Refusal:
    template = attempt.used_template
    match error:
        case NotSent():
            return Refusal(Reaction.RETRY_SOON, None, template)
        case Throttled():
            return Refusal(Reaction.RETRY_SOON, _number(error.code), template, asked=error.retry_after)
        case CredentialRefused():
            return Refusal(Reaction.CREDENTIAL_FATAL, _number(error.code), template)
        case Rejected():
            code = error.code_number
            reaction = reaction_for(code, _number(error.subcode), error.status, error.transient)
            return Refusal(reaction, code, template, asked=error.retry_after)
        case _:
            return Refusal(Reaction.UNKNOWN_OUTCOME, None, template)


def _number(code: str | None) -> int | None:
    return int(code) if code is not None and code.isdecimal() else None


def _try_again(error: ProviderError, pause: timedelta) -> ApplicationError:
    """Temporal repeats the activity, which claims a further attempt: the last answer said "not sent"."""
    failure = to_application_error(error)
    return ApplicationError(failure.message, type=failure.type, next_retry_delay=pause, category=failure.category)


async def _locked_attempt(session: AsyncSession, ask: StageRef, claimed: Claimed) -> AttemptFacts:
    return await locked_attempt(session, ask.enrollment_id, ask.stage, ask.occurrence, attempt_id=claimed.attempt_id)
