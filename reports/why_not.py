"""Why a customer did, or did not, get a message of one journey: the answer with its evidence."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer
from reports.answers import answer, case_of
from reports.documents import WhyNotDocument
from reports.passages import enrollment_view, paced_views, templates_by_name, texts_heard
from reports.people import customer_view, decision_views, verdict
from reports.runs import reviews_of
from storage.diagnosis import AskedJourney, paced_places
from storage.lookup import decisions_about, passages
from storage.stores import StoreParts, required_id


async def why_not_of(
    session: AsyncSession,
    parts: StoreParts,
    asked: AskedJourney,
    customer: Customer,
    *,
    refreshed: bool,
    newly_known: bool = False,
    suppression_key: bytes,
    zone: ZoneInfo,
    now: datetime,
) -> WhyNotDocument:
    """The answer, every rule evaluated now, and everything on record about the customer and the journey.

    Args:
        session: any transaction.
        parts: the store.
        asked: the journey with its newest version.
        customer: who it is about.
        refreshed: whether the shop was asked for the customer's latest.
        newly_known: whether the store has only now learnt of them.
        suppression_key: of the store.
        zone: the store's.
        now: the moment of the question.
    """
    customer_id, journey_id = required_id(customer.id), required_id(asked.journey.id)
    story = [one for one in await passages(session, customer_id) if one.enrollment.journey_id == journey_id]
    decided = await decisions_about(session, customer_id, journey_id)
    reviews = await reviews_of(session, customer_id, journey_id=journey_id)
    places = [one for one in await paced_places(session, parts.id, customer_id) if one.row.journey_id == journey_id]
    templates = await templates_by_name(session, parts)
    found = await verdict(
        session, parts, asked.journey, asked.definition, customer, suppression_key=suppression_key, zone=zone, now=now
    )
    case = await case_of(
        session,
        parts,
        asked,
        customer,
        story=story,
        decided=decided,
        reviews=reviews,
        places=places,
        templates=templates,
        verdict=found,
        zone=zone,
        now=now,
        newly_known=newly_known,
    )
    texts = await texts_heard(session, story)
    return WhyNotDocument(
        store=parts.store.slug,
        answer=answer(case),
        customer=customer_view(customer),
        refreshed=refreshed,
        verdict=found,
        enrollments=[enrollment_view(one, templates, texts, zone, number=parts.number, now=now) for one in story],
        paced=paced_views(places, {journey_id: asked.journey.name}),
        decisions=decision_views(decided),
        reviews=reviews,
    )
