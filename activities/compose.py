"""Writing a message with a language model: brief, checks, two more tries with the reason, then the fallback.

Whatever happens to the model, the stage goes on: a customer's journey must not stand still because a text could not be
written. The fallback is what a person wrote; a message without one is passed over.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from temporalio import activity

from activities.briefs import TextRules, writing_brief
from activities.coupons import CouponValue, coupon_for
from activities.drafts import template_draft, values_for
from activities.errors import to_application_error
from activities.journey_state import probes_for_payment
from activities.outcomes import finished_send, hold_stage, skip_stage
from activities.prepare import exit_notice
from activities.services import Services, started_at
from models.enums import CreditKind, HoldReason, JourneyState, SkipReason
from models.journey import FallbackText, Message, TemplateRef
from models.orchestration import StageRef, StageResult, StageStep
from models.placeholders import AI_TEXT
from models.verdicts import Hold
from policies.message_text import VariableMissing, render
from policies.schedule import window_end
from providers.errors import BadAnswer, CredentialRefused, OutcomeUnknown, ProviderError, Rejected
from providers.llm.prompts import PROMPT_VERSION, WritingBrief, build_messages
from providers.llm.results import Unusable, WritingRequest, WritingResult, Written
from storage.credits import credits_key, generation_cause, release_charge, reserve, settle_charge
from storage.enrollments import EnrollmentFacts, enrollment_facts, locked_facts
from storage.model_calls import count_model_calls, record_model_call
from storage.sends import Draft, ensure_send, is_over, save_draft
from storage.stores import required_id
from storage.subjects import Subject, subject_of

_TRIES = 3
_PATIENCE = 4
"""Activity attempts for a model that is away; the next one uses the fallback."""


class _NoCredits(Exception):  # noqa: N818 - it says how far the writing came, and is no error
    """The store's credits do not suffice for another call of the model and the message itself."""


@dataclass(frozen=True, slots=True)
class _Charge:
    """What was reserved for one call of the model."""

    store_id: int
    cause: str


class ComposeActivities:
    """What is asked of the language model; it runs on the model's own task queue."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def compose_stage(self, ask: StageRef) -> StageResult:
        """Write the stage's message, or take its fallback."""
        now = started_at()
        async with self._services.database.read() as session:
            facts = await enrollment_facts(session, ask.enrollment_id)
            subject = await subject_of(session, facts.enrollment)
            brief, rules = await writing_brief(session, facts, subject, ask.stage, now=now)
            probes = await probes_for_payment(session, facts, now=now)
        if facts.journey.state is not JourneyState.ACTIVE and not probes:
            # Paused while this waited for its turn: no model is paid, and the next preparation says what happens.
            return StageResult(step=StageStep.STALE)
        try:
            coupon = await coupon_for(self._services, facts, now=now)
        except ProviderError as error:
            raise to_application_error(error) from None
        brief = replace(brief, coupon_code=coupon.code if coupon else None)
        try:
            text, model = await self._write(ask, brief, rules, now=now)
        except _NoCredits:
            return await self._hold_for_credits(ask, now=now)
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            notice = await exit_notice(session, facts, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            send = await ensure_send(session, facts, ask.stage, ask.occurrence)
            if is_over(send):
                return finished_send(facts, ask.stage, send, now=now)
            subject = await subject_of(session, facts.enrollment)
            try:
                draft = _draft(facts, subject, ask.stage, coupon, text=text, model=model)
            except VariableMissing:
                return skip_stage(session, facts, send, SkipReason.VARIABLE_MISSING, now=now)
            save_draft(send, draft, now=now)
            return StageResult(step=StageStep.READY, closes_at=window_end(facts.definition, facts.where, now))

    async def _write(
        self, ask: StageRef, brief: WritingBrief, rules: TextRules, *, now: datetime
    ) -> tuple[str | None, str]:
        """A checked text and the model that wrote it, or None and why there is none."""
        llm = self._services.llm
        if llm is None:
            return None, "no_model"
        why = ""
        for _ in range(_TRIES):
            charge = await self._charge(ask, now=now)
            try:
                result = await llm.write(WritingRequest(build_messages(brief)))
            except ProviderError as error:
                if charge is not None and not isinstance(error, OutcomeUnknown | BadAnswer):
                    await self._give_back(charge, now=now)
                return None, _give_up(error)
            problems = _problems(result, brief, rules)
            why = problems[0][0] if problems else ""
            await self._record(ask, result, why or "used", charge, now=now)
            if isinstance(result, Written) and not problems:
                return result.text, result.model
            brief = replace(brief, previous_problems=[*brief.previous_problems, *(text for _, text in problems)])
        return None, f"fallback:{why}"

    async def _charge(self, ask: StageRef, *, now: datetime) -> _Charge | None:
        """Reserve the next call's credits before it is made; None where nothing is counted.

        What the message itself will cost must be left too: nobody pays for a text that cannot be sent.

        Raises:
            _NoCredits: they do not suffice.
        """
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            store = facts.store
            if store.credits is None:
                return None
            send = await ensure_send(session, facts, ask.stage, ask.occurrence)
            send_id, store_id = required_id(send.id), required_id(store.id)
            cause = generation_cause(send_id, await count_model_calls(session, send_id) + 1)
            covered = await reserve(
                session,
                store_id,
                CreditKind.GENERATION,
                cause,
                store.generation_credits,
                now=now,
                send_id=send_id,
                beside=store.message_credits,
            )
        if not covered:
            raise _NoCredits
        return _Charge(store_id, cause)

    async def _give_back(self, charge: _Charge, *, now: datetime) -> None:
        """The model was not asked."""
        async with self._services.database.write() as session:
            await release_charge(session, charge.store_id, charge.cause, now=now)

    async def _hold_for_credits(self, ask: StageRef, *, now: datetime) -> StageResult:
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            notice = await exit_notice(session, facts, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            key = credits_key(required_id(facts.store.id))
            return hold_stage(session, facts, Hold(HoldReason.NO_CREDITS), key, now=now)

    async def _record(
        self, ask: StageRef, result: WritingResult, outcome: str, charge: _Charge | None, *, now: datetime
    ) -> None:
        """Each call is written down by itself: what was paid for is known also if this activity dies."""
        async with self._services.database.write() as session:
            facts = await enrollment_facts(session, ask.enrollment_id)
            send = await ensure_send(session, facts, ask.stage, ask.occurrence)
            tokens = (result.usage.input_tokens, result.usage.output_tokens) if result.usage else None
            record_model_call(
                session,
                send,
                at=now,
                model=result.model,
                prompt_version=PROMPT_VERSION,
                tokens=tokens,
                outcome=outcome,
            )
            if charge is not None:
                await settle_charge(session, charge.store_id, charge.cause, now=now)


def _give_up(error: ProviderError) -> str:
    """Why the fallback is taken; a model that may come back soon is waited for instead.

    Raises:
        ApplicationError: Temporal should try again.
    """
    hopeless = isinstance(error, CredentialRefused) or (isinstance(error, Rejected) and not error.transient)
    if hopeless or activity.info().attempt >= _PATIENCE:
        return f"fallback:{error.name}"
    raise to_application_error(error) from None


def _problems(result: WritingResult, brief: WritingBrief, rules: TextRules) -> list[tuple[str, str]]:
    """What is wrong with an answer: a code for the books, and words for the next try."""
    if isinstance(result, Unusable):
        return [(result.reason.value, f"the answer could not be used: {result.reason.value}")]
    found = [*rules.problems(result.text, brief), *rules.inventions(result.text, brief)]
    return [(problem.kind.value, problem.detail) for problem in found]


def _draft(
    facts: EnrollmentFacts, subject: Subject, stage: int, coupon: CouponValue | None, *, text: str | None, model: str
) -> Draft:
    """The model's text as a draft, or what stands in for it.

    Raises:
        VariableMissing: a variable has neither a value nor a default, or nothing stands in for the text.
    """
    message = facts.definition.stages[stage].message
    if text is None:
        return replace(_fallback(message, values_for(facts, subject, coupon), coupon), written_by=model)
    draft = template_draft(message.template, values_for(facts, subject, coupon, ai_text=text), coupon)
    return replace(draft, free_text=text, written_by=model, prompt_version=PROMPT_VERSION)


def _fallback(message: Message, values: dict[str, str | None], coupon: CouponValue | None) -> Draft:
    match message.fallback:
        case TemplateRef() as template:
            return template_draft(template, values, coupon)
        case FallbackText(text=words):
            # The message's own template can still go outside the window, unless it is there to show the model's text.
            shows = message.template is not None and message.template.uses(AI_TEXT)
            draft = template_draft(None if shows else message.template, values, coupon)
            return replace(draft, free_text=render(words, values))
        case None:
            raise VariableMissing(AI_TEXT)
        case other:
            assert_never(other)
