"""What is read, beyond a customer's own story, to say why they did or did not get a message of a journey."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, tuple_
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LaunchState, LeftOut
from models.journey import JourneyDefinition
from models.tables import (
    Checkout,
    Conversation,
    Enrollment,
    EntryDecision,
    Journey,
    JourneyWatch,
    Launch,
    Paced,
    Review,
    TrackingRun,
    WatchAnswer,
)
from storage.daily_selections import selection_of
from storage.decisions import counts
from storage.journeys import latest_version, parse_definition
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class Rounds:
    """How a journey looks for entrants.

    Attributes:
        last_at: when it last did: a win-back's last complete selection, a review's last run.
        next_at: when a follow-up's or cart journey's watch looks next; None where it waits for something to happen.
        daily_at: the local time of an always-on win-back's selection, `HH:MM`.
    """

    last_at: datetime | None = None
    next_at: datetime | None = None
    daily_at: str | None = None


@dataclass(frozen=True, slots=True)
class PacedPlace:
    """A later day that a customer waits for, and how many of the journey come before them."""

    row: Paced
    before: int


async def rounds_of(session: AsyncSession, journey_id: int) -> Rounds:
    """How the journey looks for entrants; of a kind that does it in another way the rest is None."""
    launched = select(func.max(Launch.requested_at)).where(
        Launch.journey_id == journey_id, Launch.state == LaunchState.DONE
    )
    ran = select(func.max(TrackingRun.started_at)).where(TrackingRun.journey_id == journey_id)
    last = [(await session.exec(launched)).one(), (await session.exec(ran)).one()]
    watch = await session.get(JourneyWatch, journey_id)
    daily = await selection_of(session, journey_id)
    return Rounds(
        last_at=max((one for one in last if one is not None), default=None),
        next_at=watch.next_at if watch is not None else None,
        daily_at=daily.at if daily is not None else None,
    )


async def paced_places(session: AsyncSession, store_id: int, customer_id: int) -> list[PacedPlace]:
    """Every later day that the customer waits for, the earliest first."""
    # By the journeys of the store, so that the index on journey and customer serves.
    journeys = select(Journey.id).where(Journey.store_id == store_id)
    rows = await session.exec(
        select(Paced)
        .where(col(Paced.journey_id).in_(journeys), Paced.customer_id == customer_id)
        .order_by(col(Paced.day), col(Paced.id))
    )
    found = []
    for row in rows.all():
        earlier = select(func.count()).where(
            Paced.journey_id == row.journey_id,
            col(Paced.control).is_(False),  # they take no room
            tuple_(col(Paced.day), col(Paced.id)) < (row.day, required_id(row.id)),
        )
        found.append(PacedPlace(row, (await session.exec(earlier)).one()))
    return found


@dataclass(frozen=True, slots=True)
class WatchPlace:
    """What a watch last answered about a customer's silence or cart; `before` wait for room longer."""

    answer: WatchAnswer
    before: int


async def watch_place(session: AsyncSession, journey_id: int, customer_id: int) -> WatchPlace | None:
    """The newest answer of the journey's watch about the customer; None where it gave none."""
    conversations = select(Conversation.id).where(Conversation.customer_id == customer_id)
    checkouts = select(Checkout.id).where(Checkout.customer_id == customer_id)
    query = (
        select(WatchAnswer)
        .where(
            WatchAnswer.journey_id == journey_id,
            or_(col(WatchAnswer.conversation_id).in_(conversations), col(WatchAnswer.checkout_id).in_(checkouts)),
        )
        .order_by(col(WatchAnswer.since).desc(), col(WatchAnswer.id).desc())
        .limit(1)
    )
    answer = (await session.exec(query)).first()
    if answer is None:
        return None
    earlier = select(func.count()).where(
        WatchAnswer.journey_id == journey_id,
        WatchAnswer.outcome == LeftOut.PACED.value,
        col(WatchAnswer.since) < answer.since,
    )
    before = (await session.exec(earlier)).one() if answer.outcome == LeftOut.PACED.value else 0
    return WatchPlace(answer, before)


_UNDER_WAY = (JourneyState.ACTIVE, JourneyState.PAUSED, JourneyState.PENDING)


@dataclass(frozen=True, slots=True)
class AskedJourney:
    """A journey with its newest version."""

    journey: Journey
    version: int
    definition: JourneyDefinition


async def journeys_about(session: AsyncSession, store_id: int, customer_id: int) -> list[AskedJourney]:
    """The store's journeys that are under way, and those that the customer was in or was considered for."""
    entered = select(Enrollment.journey_id).where(Enrollment.customer_id == customer_id)
    decided = select(EntryDecision.journey_id).where(EntryDecision.customer_id == customer_id, counts())
    met: set[int] = set()
    for query in (entered, decided):
        met.update(await session.exec(query.distinct()))
    met.update(await _reviewed_in(session, customer_id))
    journeys = await session.exec(
        select(Journey)
        .where(Journey.store_id == store_id, or_(col(Journey.state).in_(_UNDER_WAY), col(Journey.id).in_(met)))
        .order_by(col(Journey.priority).desc(), col(Journey.name))
    )
    found = [await asked_journey(session, journey) for journey in journeys.all()]
    return [one for one in found if one is not None]


async def _reviewed_in(session: AsyncSession, customer_id: int) -> Sequence[int]:
    rows = await session.exec(
        select(TrackingRun.journey_id)
        .join(Review, col(Review.run_id) == TrackingRun.id)
        .where(Review.customer_id == customer_id)
        .distinct()
    )
    return rows.all()


async def asked_journey(session: AsyncSession, journey: Journey) -> AskedJourney | None:
    """The journey with its newest version; None while it has none."""
    version = await latest_version(session, required_id(journey.id))
    if version is None:
        return None
    return AskedJourney(journey, version.number, parse_definition(version.definition))
