"""What an event says, read from the database at the moment at which it is sent.

Nothing of it is kept: whoever was erased between two tries is told of no more.
"""

from typing import Any, assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ExitReason, OutgoingKind, PauseCause, TemplateStatus
from models.outgoing import (
    FollowupDetected,
    JourneyExited,
    JourneyLive,
    JourneyPaused,
    MessageFailed,
    OutgoingBody,
    TemplateStatusChanged,
    Told,
    ToldCustomer,
    WebhookTest,
)
from models.tables import (
    ConversationAnalysis,
    Customer,
    Enrollment,
    Journey,
    JourneyVersion,
    OutgoingEvent,
    Send,
    Store,
    StoreEvent,
)
from policies.whatsapp_reactions import explain
from storage.stores import required_id

_NOT_FIGURES = frozenset({"cause", "journeys"})


async def render(session: AsyncSession, event: OutgoingEvent) -> str:
    """The event's body as it is sent."""
    store = (await session.get_one(Store, event.store_id)).slug
    body = OutgoingBody(type=event.kind, timestamp=event.at, data=await _data(session, event, store))
    return body.model_dump_json()


async def _data(session: AsyncSession, event: OutgoingEvent, store: str) -> Told:
    match event.kind:
        case OutgoingKind.FOLLOWUP_DETECTED:
            return await _followup(session, event, store)
        case OutgoingKind.JOURNEY_EXITED:
            return await _exited(session, event, store)
        case OutgoingKind.MESSAGE_FAILED:
            return await _failed(session, event, store)
        case OutgoingKind.JOURNEY_PAUSED:
            told = await _detail(session, event)
            return JourneyPaused(
                store=store,
                journeys=[str(one) for one in told.get("journeys", [])],
                cause=PauseCause(told["cause"]),
                figures={
                    key: value
                    for key, value in told.items()
                    if key not in _NOT_FIGURES and isinstance(value, str | int | float | bool | None)
                },
            )
        case OutgoingKind.JOURNEY_LIVE:
            told = await _detail(session, event)
            journey = await session.get_one(Journey, event.journey_id)
            return JourneyLive(store=store, journey=journey.name, version=told.get("version"))
        case OutgoingKind.TEMPLATE_STATUS_CHANGED:
            told = await _detail(session, event)
            return TemplateStatusChanged(
                store=store,
                template=told["template"],
                language=told["language"],
                before=TemplateStatus(told["before"]),
                status=TemplateStatus(told["status"]),
                code=told.get("code"),
                text=told.get("text"),
            )
        case OutgoingKind.WEBHOOK_TEST:
            return WebhookTest(store=store, endpoint=event.detail["endpoint"])
        case _:
            assert_never(event.kind)


async def _followup(session: AsyncSession, event: OutgoingEvent, store: str) -> FollowupDetected:
    found = await session.get_one(ConversationAnalysis, event.analysis_id)
    customer = await _customer(session, found.customer_id)
    kept = not customer.erased
    return FollowupDetected(
        store=store,
        journey=(await session.get_one(Journey, found.journey_id)).name,
        customer=customer,
        intent=found.intent,
        product=found.product if kept else None,
        objection=found.objection if kept else None,
        suggested_message=found.suggestion if kept else None,
        language=found.language if kept else None,
        order_found=found.order_found,
        attempt=found.attempt,
        enrolled=found.enrollment_id is not None,
        wrote_at=found.wrote_at,
    )


async def _exited(session: AsyncSession, event: OutgoingEvent, store: str) -> JourneyExited:
    enrollment = await session.get_one(Enrollment, event.enrollment_id)
    return JourneyExited(
        store=store,
        journey=(await session.get_one(Journey, enrollment.journey_id)).name,
        version=(await session.get_one(JourneyVersion, enrollment.version_id)).number,
        enrollment=enrollment.id,
        customer=await _customer(session, enrollment.customer_id),
        reason=enrollment.exit_reason or ExitReason.COMPLETED,
        entered_at=enrollment.entered_at,
        exited_at=enrollment.closed_at or event.at,
    )


async def _failed(session: AsyncSession, event: OutgoingEvent, store: str) -> MessageFailed:
    send = await session.get_one(Send, event.send_id)
    code = event.detail.get("code")
    return MessageFailed(
        store=store,
        journey=(await session.get_one(Journey, send.journey_id)).name,
        enrollment=send.enrollment_id,
        stage=send.stage + 1,
        customer=await _customer(session, send.customer_id),
        code=code,
        text=explain(code) if code is not None else "The message was not sent, and WhatsApp gave no code.",
    )


async def _customer(session: AsyncSession, customer_id: int) -> ToldCustomer:
    """Who it is now: somebody who was merged into another is that one."""
    row = await session.get_one(Customer, customer_id, populate_existing=True)
    if row.merged_into_id is not None:
        row = await session.get_one(Customer, row.merged_into_id, populate_existing=True)
    erased = row.erased_at is not None
    return ToldCustomer(
        id=str(required_id(row.id)),
        reference=None if erased else row.external_id,
        phone=None if erased else row.phone,
        erased=erased,
    )


async def _detail(session: AsyncSession, event: OutgoingEvent) -> dict[str, Any]:
    return (await session.get_one(StoreEvent, event.store_event_id)).detail
