"""What support asks with a customer on the telephone, answered from the database alone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState
from models.tables import Customer
from reports.answers import answer, case_of
from reports.documents import JourneyAnswer, PendingView, StatusDocument, VerdictView
from reports.passages import enrollment_view, paced_views, templates_by_name, texts_heard
from reports.people import customer_view, decision_views, verdict
from reports.runs import reviews_of
from reports.senders import sender_of, sender_view
from storage.diagnosis import journeys_about, paced_places
from storage.going_live import pending_journeys
from storage.lookup import decisions_about, passages
from storage.stores import StoreParts, required_id


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
        session: any transaction.
        parts: the store.
        customer: who it is about.
        suppression_key: `storage.stores.suppression_key` of the store.
        zone: the store's, for local times.
        now: the moment of the question.
    """
    customer_id = required_id(customer.id)
    story = await passages(session, customer_id)
    templates = await templates_by_name(session, parts)
    decided = await decisions_about(session, customer_id)
    reviews = await reviews_of(session, customer_id)
    places = await paced_places(session, parts.id, customer_id)
    answers, verdicts, names = [], list[VerdictView](), {}
    is_free = all(one.enrollment.closed_at is not None for one in story)
    for asked in await journeys_about(session, parts.id, customer_id):
        journey = asked.journey
        names[required_id(journey.id)] = journey.name
        found = await verdict(
            session, parts, journey, asked.definition, customer, suppression_key=suppression_key, zone=zone, now=now
        )
        if is_free and journey.state is JourneyState.ACTIVE:
            verdicts.append(found)
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
        )
        answers.append(JourneyAnswer(journey=journey.name, kind=journey.kind, state=journey.state, answer=answer(case)))
    texts = await texts_heard(session, story)
    return StatusDocument(
        store=parts.store.slug,
        answers=answers,
        sender=sender_view(await sender_of(session, parts, now=now)),
        customer=customer_view(customer),
        enrollments=[enrollment_view(one, templates, texts, zone, number=parts.number, now=now) for one in story],
        paced=paced_views(places, names),
        decisions=decision_views(decided),
        reviews=reviews,
        why_not=verdicts,
        pending=[
            PendingView(journey=one.name, waits_for=one.state_reason)
            for one in await pending_journeys(session, parts.id)
        ],
    )
