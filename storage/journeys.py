"""Journeys and their immutable versions."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, ExitReason, JourneyState, LeftOut
from models.journey import Definition, JourneyDefinition, parse_definition_json
from models.tables import Checkout, Conversation, Enrollment, Journey, JourneyVersion, Paced, WatchAnswer
from storage.stores import required_id


class UnknownJourneyError(LookupError):
    """The store has no journey of that name."""


@lru_cache(maxsize=512)
def parse_definition(text: str) -> Definition:
    """A version's definition; versions never change, so each is parsed once a process."""
    return parse_definition_json(text)


async def find_journey(session: AsyncSession, store_id: int, name: str) -> Journey:
    """The journey of that name.

    Raises:
        UnknownJourneyError: the store has none.
    """
    journey = (await session.exec(select(Journey).where(Journey.store_id == store_id, Journey.name == name))).first()
    if journey is None:
        names = (
            await session.exec(select(Journey.name).where(Journey.store_id == store_id).order_by(Journey.name))
        ).all()
        msg = f"there is no journey {name!r}; the journeys are: {', '.join(names) or 'none yet'}"
        raise UnknownJourneyError(msg)
    return journey


async def journey_of(session: AsyncSession, journey_id: int, *, lock: bool = False, alone: bool = False) -> Journey:
    """The journey with that id; with `lock` nobody changes it before the transaction ends, others may read it too.

    With `alone` nobody else who asks so holds it at the same time: whoever counts entrants against the day's number.

    Raises:
        UnknownJourneyError: there is none.
    """
    query = select(Journey).where(Journey.id == journey_id).execution_options(populate_existing=True)
    if alone:
        query = query.with_for_update(key_share=True)
    elif lock:
        query = query.with_for_update(read=True)
    journey = (await session.exec(query)).first()
    if journey is None:
        msg = f"there is no journey with the id {journey_id}"
        raise UnknownJourneyError(msg)
    return journey


def set_state(journey: Journey, state: JourneyState, reason: str | None, *, now: datetime) -> None:
    """Put the journey into a state, with why; one that has it already keeps the moment since when."""
    if journey.state is not state:
        journey.state_since = now
    journey.state, journey.state_reason = state, reason


async def latest_version(session: AsyncSession, journey_id: int) -> JourneyVersion | None:
    """The version that new entrants get."""
    return (
        await session.exec(
            select(JourneyVersion)
            .where(JourneyVersion.journey_id == journey_id, col(JourneyVersion.published_at).is_not(None))
            .order_by(col(JourneyVersion.number).desc())
            .limit(1)
        )
    ).first()


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many are at one place of one version; no stage is left for those whom only the watch keeps."""

    version: int
    stage: int | None
    customers: int


async def running_by_stage(session: AsyncSession, journey_id: int) -> list[StageCount]:
    """Everybody with a workflow, by version and by the stage that comes next, counted from 1."""
    rows = await session.exec(
        select(JourneyVersion.number, Enrollment.state, Enrollment.stage, func.count())
        .join(JourneyVersion, col(JourneyVersion.id) == Enrollment.version_id)
        .where(
            Enrollment.journey_id == journey_id,
            col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL]),
        )
        .group_by(col(JourneyVersion.number), col(Enrollment.state), col(Enrollment.stage))
    )
    counts: dict[tuple[int, int | None], int] = {}
    for number, state, stage, count in rows:
        key = (number, None if EnrollmentState(state) is EnrollmentState.WATCHING else stage + 1)
        counts[key] = counts.get(key, 0) + count
    places = sorted(counts, key=lambda one: (one[0], one[1] is None, one[1] or 0))
    return [StageCount(version, stage, counts[version, stage]) for version, stage in places]


async def version_definition(session: AsyncSession, version_id: int) -> JourneyDefinition:
    """What one version says."""
    text = (await session.exec(select(JourneyVersion.definition).where(JourneyVersion.id == version_id))).one()
    return parse_definition(text)


@dataclass(frozen=True, slots=True)
class JourneySummary:
    """One line of `journeys`."""

    journey: Journey
    versions: dict[int, int]
    by_state: dict[EnrollmentState, int]
    by_exit: dict[ExitReason, int]
    paced: int


async def summaries(session: AsyncSession, store_id: int, *, archived: bool = False) -> list[JourneySummary]:
    """Every journey of the store with its counts, computed from the rows; with `archived` those in the archive too."""
    query = select(Journey).where(Journey.store_id == store_id).order_by(Journey.name)
    if not archived:
        query = query.where(Journey.state != JourneyState.ARCHIVED)
    return [await summary(session, journey) for journey in (await session.exec(query)).all()]


async def summary(session: AsyncSession, journey: Journey) -> JourneySummary:
    """One journey with its counts, computed from the rows."""
    journey_id = required_id(journey.id)
    rows = await session.exec(
        select(Enrollment.state, Enrollment.exit_reason, JourneyVersion.number, func.count())
        .where(Enrollment.journey_id == journey_id, JourneyVersion.id == Enrollment.version_id)
        .group_by(col(Enrollment.state), col(Enrollment.exit_reason), col(JourneyVersion.number))
    )
    by_state: dict[EnrollmentState, int] = dict.fromkeys(EnrollmentState, 0)
    by_exit: dict[ExitReason, int] = dict.fromkeys(ExitReason, 0)
    versions = dict.fromkeys(
        await session.exec(
            select(JourneyVersion.number).where(
                JourneyVersion.journey_id == journey_id, col(JourneyVersion.published_at).is_not(None)
            )
        ),
        0,
    )
    for state, exit_reason, number, count in rows:
        by_state[EnrollmentState(state)] += count
        versions[number] += count
        if exit_reason is not None:
            by_exit[ExitReason(exit_reason)] += count
    paced = (await session.exec(select(func.count()).select_from(Paced).where(Paced.journey_id == journey_id))).one()
    paced += await _waiting_for_room(session, journey_id)
    return JourneySummary(journey, versions, by_state, by_exit, paced)


async def _waiting_for_room(session: AsyncSession, journey_id: int) -> int:
    """How many silences and carts a watch has put off to a later day and are still what they were."""
    query = (
        select(func.count())
        .select_from(WatchAnswer)
        .outerjoin(Conversation, col(Conversation.id) == WatchAnswer.conversation_id)
        .outerjoin(Checkout, col(Checkout.id) == WatchAnswer.checkout_id)
        .where(
            WatchAnswer.journey_id == journey_id,
            WatchAnswer.outcome == LeftOut.PACED.value,
            or_(Conversation.silent_since == WatchAnswer.since, Checkout.idle_since == WatchAnswer.since),
        )
    )
    return int((await session.exec(query)).one())
