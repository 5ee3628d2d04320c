"""Everything on record about a customer, of all journeys or of one, read once for whichever answer is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer, EntryDecision, Template
from reports.cases import Case
from reports.documents import DecisionView, EnrollmentView, PacedView, ReviewView
from reports.passages import enrollment_view, paced_views, templates_by_name, texts_heard
from reports.people import decision_views, verdict
from reports.runs import reviews_of
from storage.diagnosis import AskedJourney, PacedPlace, paced_places, rounds_of, watch_place
from storage.lookup import Decided, Passage, decisions_about, passages
from storage.stores import StoreParts, required_id


@dataclass(frozen=True, slots=True)
class Asking:
    """Of which store is asked, and when.

    Attributes:
        suppression_key: `storage.stores.suppression_key` of the store.
        zone: the store's, for local times.
        now: the moment of the question.
    """

    parts: StoreParts
    suppression_key: bytes
    zone: ZoneInfo
    now: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """A customer's passages, decisions, reviews and later days, newest first, and the templates that they name."""

    asking: Asking
    customer: Customer
    story: Sequence[Passage]
    decided: Sequence[Decided]
    reviews: list[ReviewView]
    places: Sequence[PacedPlace]
    templates: Mapping[tuple[str, str], Template]

    @property
    def decisions(self) -> list[DecisionView]:
        """The decisions as documents."""
        return decision_views(self.decided)

    def paced(self, names: Mapping[int, str]) -> list[PacedView]:
        """The later days as documents, with the journeys' names by id."""
        return paced_views(self.places, names)


async def dossier_of(
    session: AsyncSession, asking: Asking, customer: Customer, *, journey_id: int | None = None
) -> Dossier:
    """Read what there is about a customer; of one journey if one is named."""
    parts, customer_id = asking.parts, required_id(customer.id)
    return Dossier(
        asking=asking,
        customer=customer,
        story=[
            one
            for one in await passages(session, customer_id)
            if journey_id is None or one.enrollment.journey_id == journey_id
        ],
        decided=await decisions_about(session, customer_id, journey_id),
        reviews=await reviews_of(session, customer_id, journey_id=journey_id),
        places=[
            one
            for one in await paced_places(session, parts.id, customer_id)
            if journey_id is None or one.row.journey_id == journey_id
        ],
        templates=await templates_by_name(session, parts),
    )


async def case_of(session: AsyncSession, dossier: Dossier, asked: AskedJourney, *, newly_known: bool = False) -> Case:
    """What the answer about one journey is made from, every rule evaluated now."""
    asking, customer, journey = dossier.asking, dossier.customer, asked.journey
    journey_id = required_id(journey.id)
    decision: EntryDecision | None = next(
        (one.decision for one in dossier.decided if one.decision.journey_id == journey_id), None
    )
    return Case(
        asked=asked,
        passages=[one for one in dossier.story if one.enrollment.journey_id == journey_id],
        decision=decision,
        review=next((one for one in dossier.reviews if one.journey == journey.name), None),
        verdict=await verdict(
            session,
            asking.parts,
            journey,
            asked.definition,
            customer,
            suppression_key=asking.suppression_key,
            zone=asking.zone,
            now=asking.now,
        ),
        paced=next((one for one in dossier.places if one.row.journey_id == journey_id), None),
        watch=await watch_place(session, journey_id, required_id(customer.id)),
        rounds=await rounds_of(session, journey_id),
        templates=dossier.templates,
        number=asking.parts.number,
        zone=asking.zone,
        now=asking.now,
        ordered_at=customer.last_order_at,
        newly_known=newly_known,
    )


async def enrollment_views(session: AsyncSession, dossier: Dossier) -> list[EnrollmentView]:
    """The passages as documents."""
    asking = dossier.asking
    texts = await texts_heard(session, dossier.story)
    return [
        enrollment_view(one, dossier.templates, texts, asking.zone, number=asking.parts.number, now=asking.now)
        for one in dossier.story
    ]
