"""Why a customer did, or did not, get a message of one journey: the answer with its evidence."""

from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer
from reports.answers import answer
from reports.documents import WhyNotDocument
from reports.dossiers import Asking, case_of, dossier_of, enrollment_views
from reports.people import customer_view
from storage.diagnosis import AskedJourney
from storage.stores import required_id


async def why_not_of(
    session: AsyncSession,
    asking: Asking,
    asked: AskedJourney,
    customer: Customer,
    *,
    refreshed: bool,
    newly_known: bool = False,
) -> WhyNotDocument:
    """The answer, every rule evaluated now, and everything on record about the customer and the journey.

    Args:
        session: any transaction.
        asking: the store and the moment.
        asked: the journey with its newest version.
        customer: who it is about.
        refreshed: whether the shop was asked for the customer's latest.
        newly_known: whether the store has only now learnt of them.
    """
    journey_id = required_id(asked.journey.id)
    dossier = await dossier_of(session, asking, customer, journey_id=journey_id)
    case = await case_of(session, dossier, asked, newly_known=newly_known)
    return WhyNotDocument(
        store=asking.parts.store.slug,
        answer=answer(case),
        customer=customer_view(customer),
        refreshed=refreshed,
        verdict=case.verdict,
        enrollments=await enrollment_views(session, dossier),
        paced=dossier.paced({journey_id: asked.journey.name}),
        decisions=dossier.decisions,
        reviews=dossier.reviews,
    )
