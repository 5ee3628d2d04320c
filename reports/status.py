"""What support asks with a customer on the telephone, answered from the database alone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EventKind
from models.tables import Customer
from reports.documents import PacedView, PendingView, StatusDocument
from reports.passages import enrollment_view
from reports.people import customer_view, decision_views, verdict
from reports.runs import reviews_of
from reports.senders import sender_of, sender_view
from storage.going_live import pending_journeys
from storage.lookup import active_journeys, decisions_about, paced_of, passages, texts_of
from storage.stores import StoreParts, required_id
from storage.templates import templates_of


async def status_of(
    session: AsyncSession,
    parts: StoreParts,
    customer: Customer,
    *,
    suppression_key: bytes,
    zone: ZoneInfo,
    now: datetime,
) -> StatusDocument:
    """What the customer is in, what happens next and everything so far; for one who is in nothing, why not.

    Args:
        suppression_key: `storage.stores.suppression_key` of the store.
        zone: the store's, for local times.
    """
    customer_id = required_id(customer.id)
    story = await passages(session, customer_id)
    mirror = {(one.name, one.language): one for one in await templates_of(session, parts.number.waba_id)}
    heard = [event for one in story for event in one.events if event.kind is EventKind.CUSTOMER_REPLIED]
    texts = await texts_of(session, heard)
    verdicts = []
    if all(one.enrollment.closed_at is not None for one in story):
        verdicts = [
            await verdict(
                session, parts, journey, definition, customer, suppression_key=suppression_key, zone=zone, now=now
            )
            for journey, definition in await active_journeys(session, parts.id)
        ]
    return StatusDocument(
        store=parts.store.slug,
        sender=sender_view(await sender_of(session, parts, now=now)),
        customer=customer_view(customer),
        enrollments=[enrollment_view(one, mirror, texts, zone, number=parts.number, now=now) for one in story],
        paced=[PacedView(journey=name, day=row.day) for name, row in await paced_of(session, customer_id)],
        decisions=decision_views(await decisions_about(session, customer_id)),
        reviews=await reviews_of(session, customer_id),
        why_not=verdicts,
        pending=[
            PendingView(journey=one.name, waits_for=one.state_reason)
            for one in await pending_journeys(session, parts.id)
        ],
    )
