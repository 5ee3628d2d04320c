"""The first step of a due stage: has the customer bought, may the journey go on, and what will be said."""

from dataclasses import replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.coupons import CouponValue, coupon_for
from activities.drafts import template_draft, values_for
from activities.errors import is_closed_door, to_application_error
from activities.journey_state import obey_journey, probes_for_payment
from activities.outcomes import finished_send, hold_stage, shop_key, skip_stage
from activities.precheck import refused_anyway
from activities.purchases import bought_elsewhere, purchases_of
from activities.services import Services, started_at
from activities.subjects import asked_of_subject
from activities.suggestions import suggested_draft
from models.enums import ExitReason, HoldReason, JourneyState, SkipReason
from models.journey_rules import uses
from models.orchestration import Conclude, Concluded, ExitNotice, StageRef, StageResult, StageStep
from models.placeholders import COUPON_CODE, COUPON_EXPIRES_ON
from models.tables import CustomerEvent, Send
from models.verdicts import Hold
from policies.message_text import VariableMissing, render
from policies.schedule import opening_after, window_end
from policies.windows import service_window_open
from providers.errors import ProviderError
from storage.enrollments import EnrollmentFacts, close_enrollment, enrollment_facts, locked_facts
from storage.events import first_exit_event
from storage.orders import OrderFacts, apply_order
from storage.sends import CLAIMABLE, Draft, ensure_send, is_over, save_draft, template_of
from storage.shop_connection import shop_is_gone
from storage.stages import StageFacts, locked_stage, stage_send
from storage.stores import required_id
from storage.subjects import Subject, subject_of
from storage.substitutions import stand_in

_SOURCE = "shopify_check"
_CRM = "crm"
_PATIENCE = 20
"""Tries for a CRM that gives no answer, about an hour."""


class PrepareActivities:
    """What is asked of the shop; it runs on the shop's own task queue, so one shop's limits slow nobody else."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def prepare_stage(self, ask: StageRef) -> StageResult:
        """Check purchases, and draft the message unless a model has to write it."""
        now = started_at()
        async with self._services.database.read() as session:
            facts = await enrollment_facts(session, ask.enrollment_id)
            subject = await subject_of(session, facts.enrollment)
            needs_coupon = await _needs_coupon(session, facts, ask.stage)
        if facts.journey.state is not JourneyState.ACTIVE:
            waits = await self._wait_for_journey(ask, now=now)
            if waits is not None:
                return waits
        try:
            orders = await purchases_of(self._services, facts, subject)
            coupon = await coupon_for(self._services, facts, now=now) if needs_coupon else None
            elsewhere = await bought_elsewhere(self._services, facts, subject)
        except ProviderError as error:
            if error.service == _CRM:
                return _without_crm(error, now=now)
            if is_closed_door(error):
                return await self._hold_for_shop(ask, now=now)
            raise to_application_error(error) from None
        async with self._services.database.write() as session:
            scene = await locked_stage(session, ask.enrollment_id, ask.stage, ask.occurrence)
            facts = scene.enrollment
            await _apply_orders(session, facts, orders, now=now)
            # Orders that were news may have brought an exit event that is newer than the scene.
            notice = (
                await exit_notice(session, facts, now=now) if orders else notice_of(facts, scene.exit_event, now=now)
            )
            if notice is None and elsewhere and (scene.send is None or scene.send.state in CLAIMABLE):
                notice = ExitNotice(reason=ExitReason.PURCHASED, at=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            subject = await subject_of(session, facts.enrollment)
            if scene.send is None or scene.send.state in CLAIMABLE:
                asked = await asked_of_subject(session, facts, subject, ask, now=now)
                if asked is not None:
                    return asked
            probes = await probes_for_payment(session, facts, now=now)
            drafted = self._draft(session, scene, subject, ask, coupon, now=now, probes=probes)
            if drafted.step is StageStep.COMPOSE:
                refused = await refused_anyway(session, self._services, scene, ask, now=now, probes=probes)
                return refused or drafted
            if facts.store.substitutes and drafted.step is StageStep.READY:
                # Whoever approves the text reads the template that will go.
                await stand_in(session, facts, await ensure_send(session, facts, ask.stage, ask.occurrence))
            return drafted

    def _draft(
        self,
        session: AsyncSession,
        scene: StageFacts,
        subject: Subject,
        ask: StageRef,
        coupon: CouponValue | None,
        *,
        now: datetime,
        probes: bool,
    ) -> StageResult:
        facts = scene.enrollment
        send = stage_send(session, scene, ask.stage, ask.occurrence)
        if is_over(send):
            return finished_send(facts, ask.stage, send, now=now)
        blocked = obey_journey(session, scene, send, now=now, probes=probes)
        if blocked is not None:
            return blocked
        send.checked_at = now
        opens_at = opening_after(facts.definition, facts.where, now)
        if opens_at is not None:
            # The claim would say so too, after a model was paid for a text that is too old by then.
            return hold_stage(session, facts, Hold(HoldReason.HOURS, opens_at), None, now=now)
        message = facts.definition.stages[ask.stage].message
        closes_at = window_end(facts.definition, facts.where, now)
        if ask.keep_text and send.drafted_at is not None and _still_true(send, coupon):
            same = ask.revision in (None, send.revision)
            return StageResult(step=StageStep.READY if same else StageStep.UNAPPROVED, closes_at=closes_at)
        if message.template is None and not service_window_open(facts.customer.last_inbound_at, now):
            # No text could leave: nobody is asked to write one.
            return skip_stage(session, facts, send, SkipReason.WINDOW_CLOSED, now=now)
        if message.ai is not None and subject.analysis is None:
            return StageResult(step=StageStep.COMPOSE, closes_at=closes_at)
        try:
            if subject.analysis is not None:
                draft = suggested_draft(facts, subject, subject.analysis, ask.stage)
            else:
                draft = stage_draft(facts, ask.stage, values_for(facts, subject, coupon), coupon)
            save_draft(send, draft, now=now)
        except VariableMissing:
            return skip_stage(session, facts, send, SkipReason.VARIABLE_MISSING, now=now)
        rewritten = ask.revision not in (None, send.revision)
        return StageResult(step=StageStep.UNAPPROVED if rewritten else StageStep.READY, closes_at=closes_at)

    async def _wait_for_journey(self, ask: StageRef, *, now: datetime) -> StageResult | None:
        """During a pause nothing is asked of the shop and no model is paid; None where that is not the answer."""
        async with self._services.database.write() as session:
            scene = await locked_stage(session, ask.enrollment_id, ask.stage, ask.occurrence)
            notice = notice_of(scene.enrollment, scene.exit_event, now=now)
            if notice is not None:
                return StageResult(step=StageStep.EXIT, exit=notice)
            if scene.send is not None and scene.send.state not in CLAIMABLE:
                return None
            probes = await probes_for_payment(session, scene.enrollment, now=now)
            send = stage_send(session, scene, ask.stage, ask.occurrence)
            return obey_journey(session, scene, send, now=now, probes=probes)

    async def _hold_for_shop(self, ask: StageRef, *, now: datetime) -> StageResult:
        """The shop refuses us altogether: everybody who is due waits until somebody has mended it."""
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            await shop_is_gone(session, required_id(facts.shop.id), now=now)
            key = shop_key(facts.shop.domain)
            return hold_stage(session, facts, Hold(HoldReason.CREDENTIAL), key, now=now, patient=True)

    @activity.defn
    async def check_and_conclude(self, ask: Conclude) -> Concluded:
        """The end of the watch: look once more whether the customer has bought, then close.

        A webhook that the shop never sent would otherwise turn a purchase into `completed`.
        """
        now = started_at()
        async with self._services.database.read() as session:
            facts = await enrollment_facts(session, ask.enrollment_id)
        try:
            orders = await purchases_of(self._services, facts)
        except ProviderError as error:
            raise to_application_error(error) from None
        async with self._services.database.write() as session:
            facts = await locked_facts(session, ask.enrollment_id)
            await _apply_orders(session, facts, orders, now=now)
            reason = await close_enrollment(session, facts.enrollment, reason=ask.reason, now=now)
            return Concluded(reason=reason)


def _without_crm(error: ProviderError, *, now: datetime) -> StageResult:
    """Without the CRM's answer nobody is written to, as when they entered.

    Raises:
        ApplicationError: Temporal should try again.
    """
    again = to_application_error(error)
    if not again.non_retryable and activity.info().attempt < _PATIENCE:
        raise again from None
    return StageResult(step=StageStep.EXIT, exit=ExitNotice(reason=ExitReason.NO_LONGER_ELIGIBLE, at=now))


def _still_true(send: Send, coupon: CouponValue | None) -> bool:
    """Whether a kept text may be said again: the code that it names must still work."""
    return send.coupon_code is None or (coupon is not None and coupon.code == send.coupon_code)


def stage_draft(facts: EnrollmentFacts, stage: int, values: dict[str, str | None], coupon: CouponValue | None) -> Draft:
    """The draft of a stage that no model writes.

    Raises:
        VariableMissing: a variable has neither a value nor a default.
    """
    message = facts.definition.stages[stage].message
    draft = template_draft(message.template, values, coupon)
    return replace(draft, free_text=render(message.text, values)) if message.text is not None else draft


async def _needs_coupon(session: AsyncSession, facts: EnrollmentFacts, stage: int) -> bool:
    """Whether the stage's message names the coupon, may name it, or has a button that copies it."""
    if facts.definition.coupon is None:
        return False
    message = facts.definition.stages[stage].message
    named = any(template.uses(COUPON_CODE, COUPON_EXPIRES_ON) for template in message.templates())
    if named or message.ai is not None or (message.text is not None and uses(message.text, COUPON_CODE)):
        return True
    for template in message.templates():
        known = await template_of(session, facts.number.waba_id, template.name, template.language)
        if known is not None and known.copy_code_index is not None:
            return True
    return False


async def _apply_orders(
    session: AsyncSession, facts: EnrollmentFacts, orders: list[OrderFacts], *, now: datetime
) -> None:
    for order in orders:
        await apply_order(session, facts.customer, order, received_at=now, source=_SOURCE)


async def exit_notice(session: AsyncSession, facts: EnrollmentFacts, *, now: datetime) -> ExitNotice | None:
    """The exit event on record, or the end that somebody else gave the enrollment."""
    return notice_of(facts, await first_exit_event(session, facts.enrollment), now=now)


def notice_of(facts: EnrollmentFacts, event: CustomerEvent | None, *, now: datetime) -> ExitNotice | None:
    """The same for an exit event that was read already."""
    if event is not None and event.exit_reason is not None:
        return ExitNotice(reason=event.exit_reason, at=event.occurred_at, event_id=event.id)
    if facts.enrollment.closed_at is not None:
        return ExitNotice(reason=facts.enrollment.exit_reason or ExitReason.FAILED, at=now)
    return None
