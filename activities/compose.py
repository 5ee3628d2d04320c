"""Writing a message with a language model: brief, checks, two more tries with the reason, then the fallback.

Whatever happens to the model, the stage goes on: a customer's journey must not stand still because a text could not be
written. The fallback is what a person wrote; a message without one is passed over.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from temporalio import activity

from activities.briefs import TextRules, writing_brief
from activities.coupons import CouponValue, coupon_for
from activities.drafts import template_draft, values_for
from activities.errors import to_application_error
from activities.outcomes import finished_send, skip_stage
from activities.prepare import exit_notice
from activities.services import Services, started_at
from models.enums import SkipReason
from models.journey import FallbackText, Message, TemplateRef
from models.orchestration import StageRef, StageResult, StageStep
from models.placeholders import AI_TEXT
from policies.message_text import VariableMissing, render
from policies.schedule import window_end
from providers.errors import CredentialRefused, ProviderError, Rejected
from providers.llm.prompts import PROMPT_VERSION, WritingBrief, build_messages
from providers.llm.results import Unusable, WritingRequest, WritingResult, Written
from storage.enrollments import EnrollmentFacts, enrollment_facts, locked_facts
from storage.model_calls import record_model_call
from storage.sends import SETTLED, Draft, ensure_send, save_draft
from storage.subjects import Subject, subject_of

_TRIES = 3
_PATIENCE = 4
"""Activity attempts for a model that is away; the next one uses the fallback."""


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
        try:
            coupon = await coupon_for(self._services, facts, now=now)
        except ProviderError as error:
            raise to_application_error(error) from None
        brief = replace(brief, coupon_code=coupon.code if coupon else None)
        text, model = await self._write(ask, brief, rules, now=now)
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            notice = await exit_notice(session, facts, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            send = await ensure_send(session, facts, ask.stage, ask.occurrence)
            if send.state in SETTLED:
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
            try:
                result = await llm.write(WritingRequest(build_messages(brief)))
            except ProviderError as error:
                return None, _give_up(error)
            problems = _problems(result, brief, rules)
            why = problems[0][0] if problems else ""
            await self._record(ask, result, why or "used", now=now)
            if isinstance(result, Written) and not problems:
                return result.text, result.model
            brief = replace(brief, previous_problems=[*brief.previous_problems, *(text for _, text in problems)])
        return None, f"fallback:{why}"

    async def _record(self, ask: StageRef, result: WritingResult, outcome: str, *, now: datetime) -> None:
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
    return [(problem.kind.value, problem.detail) for problem in rules.problems(result.text, brief)]


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
