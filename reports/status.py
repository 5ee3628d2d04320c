"""What support asks with a customer on the telephone, answered from the database alone."""

from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer
from reports.answers import answer
from reports.documents import JourneyAnswer, PendingView, StatusDocument, VerdictView
from reports.dossiers import Asking, case_of, dossier_of, enrollment_views
from reports.people import customer_view
from reports.senders import sender_of, sender_view
from storage.diagnosis import journeys_about
from storage.going_live import pending_journeys
from storage.stores import required_id


async def status_of(session: AsyncSession, asking: Asking, customer: Customer) -> StatusDocument:
    """What the customer is in, what happens next and everything so far; for one who is in nothing, why not.

    Args:
        session: any transaction.
        asking: the store and the moment.
        customer: who it is about.
    """
    parts = asking.parts
    dossier = await dossier_of(session, asking, customer)
    answers, verdicts, names = [], list[VerdictView](), {}
    is_free = all(one.enrollment.closed_at is not None for one in dossier.story)
    for asked in await journeys_about(session, parts.id, required_id(customer.id)):
        journey = asked.journey
        names[required_id(journey.id)] = journey.name
        case = await case_of(session, dossier, asked)
        if is_free and case.is_active:
            verdicts.append(case.verdict)
        answers.append(JourneyAnswer(journey=journey.name, kind=journey.kind, state=journey.state, answer=answer(case)))
    return StatusDocument(
        store=parts.store.slug,
        answers=answers,
        sender=sender_view(await sender_of(session, parts, now=asking.now)),
        customer=customer_view(customer),
        enrollments=await enrollment_views(session, dossier),
        paced=dossier.paced(names),
        decisions=dossier.decisions,
        reviews=dossier.reviews,
        why_not=verdicts,
        pending=[
            PendingView(journey=one.name, waits_for=one.state_reason)
            for one in await pending_journeys(session, parts.id)
        ],
    )
