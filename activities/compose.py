"""Writing a message with a language model: brief, checks, two more tries with the reason, then the fallback.

Whatever happens to the model, the stage gets a draft: a customer's journey must not stand still because a text could
not be written, and the fallback is a template that a person wrote.
"""

from dataclasses import replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.coupons import CouponValue, coupon_for
from activities.drafts import template_draft, values_for
from activities.errors import to_application_error
from activities.outcomes import finished_send, skip_stage
from activities.prepare import exit_notice
from activities.services import Services, started_at
from models.enums import SkipReason
from models.journey import AiInstruction, Message, TemplateRef
from models.orchestration import StageRef, StageResult, StageStep
from policies.message_text import VariableMissing, check_text, clean_parameter
from policies.schedule import window_end, zone_at
from providers.errors import CredentialRefused, ProviderError, Rejected
from providers.llm.prompts import MOST_TURNS, PROMPT_VERSION, Turn, WritingBrief, build_messages
from providers.llm.results import Unusable, WritingRequest, WritingResult, Written
from storage.enrollments import EnrollmentFacts, enrollment_facts, locked_facts
from storage.model_calls import conversation_tail, record_model_call
from storage.sends import SETTLED, Draft, earlier_texts, ensure_send, save_draft

_TRIES = 3
_PATIENCE = 4
"""Activity attempts for a model that is away; the next one uses the fallback."""
_MOST_CHARACTERS = 500
"""Longest generated text: it must fit into a template's variable with the template's own words around it."""


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
            brief = await _brief(session, facts, facts.definition.stages[ask.stage].message)
        try:
            coupon = await coupon_for(self._services, facts, now=now)
        except ProviderError as error:
            raise to_application_error(error) from None
        brief = replace(brief, coupon_code=coupon.code if coupon else None)
        text, model = await self._write(ask, brief, now=now)
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            notice = await exit_notice(session, facts, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            send = await ensure_send(session, facts, ask.stage, ask.occurrence)
            if send.state in SETTLED:
                return finished_send(facts, ask.stage, send, now=now)
            try:
                draft = _draft(facts, facts.definition.stages[ask.stage].message, coupon, text=text, model=model)
            except VariableMissing:
                return skip_stage(session, facts, send, SkipReason.VARIABLE_MISSING, now=now)
            save_draft(send, draft, now=now)
            return StageResult(step=StageStep.READY, closes_at=window_end(facts.definition, facts.where, now))

    async def _write(self, ask: StageRef, brief: WritingBrief, *, now: datetime) -> tuple[str | None, str]:
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
            problems = _problems(result, brief)
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


def _problems(result: WritingResult, brief: WritingBrief) -> list[tuple[str, str]]:
    """What is wrong with an answer: a code for the books, and words for the next try."""
    if isinstance(result, Unusable):
        return [(result.reason.value, f"the answer could not be used: {result.reason.value}")]
    found = check_text(
        result.text,
        limit=brief.max_chars,
        allowed_codes=frozenset({brief.coupon_code} if brief.coupon_code else set()),
        allowed_links=frozenset(brief.links),
        language=brief.language,
        earlier=list(brief.earlier_messages),
        as_variable=True,
    )
    return [(problem.kind.value, problem.detail) for problem in found]


async def _brief(session: AsyncSession, facts: EnrollmentFacts, message: Message) -> WritingBrief:
    instruction, template = _required(message)
    customer = facts.customer
    customer_id = facts.enrollment.customer_id
    zone = zone_at(facts.definition, facts.where, facts.enrollment.entered_at)
    values = values_for(facts, None)
    tail = await conversation_tail(session, customer_id, limit=MOST_TURNS)
    return WritingBrief(
        mode=instruction.mode,
        goal=instruction.goal,
        extra=instruction.extra,
        language=template.language,
        store_name=facts.store.slug,
        max_chars=_MOST_CHARACTERS,
        first_name=clean_parameter(customer.first_name) if customer.first_name else None,
        last_order_date=customer.last_order_at.astimezone(zone).date() if customer.last_order_at else None,
        last_order_total=values["customer.last_order_total"],
        earlier_messages=list(reversed(await earlier_texts(session, customer_id))),
        conversation=[Turn("customer" if line.inbound else "shop", line.text) for line in tail if line.text],
    )


def _required(message: Message) -> tuple[AiInstruction, TemplateRef]:
    if message.ai is None or message.template is None:
        msg = "a stage without a model's text was sent to be written"
        raise AssertionError(msg)
    return message.ai, message.template


def _draft(
    facts: EnrollmentFacts, message: Message, coupon: CouponValue | None, *, text: str | None, model: str
) -> Draft:
    _, template = _required(message)
    if text is None:
        draft = template_draft(message.fallback or template, values_for(facts, coupon), coupon)
        return replace(draft, written_by=model)
    draft = template_draft(template, values_for(facts, coupon, ai_text=text), coupon)
    return replace(draft, free_text=text, written_by=model, prompt_version=PROMPT_VERSION)
