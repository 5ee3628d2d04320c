"""A journey's versions with who entered with each, and its launches with what became of whom they considered."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState
from models.tables import Enrollment, JourneyVersion, Launch, LaunchCandidate
from storage.stores import required_id


@dataclass(slots=True)
class VersionCount:
    """One version and the people of it.

    Attributes:
        running: entrants who are under way.
        closed: entrants whose passage is over.
        control: the holdout's arm, over or not.
    """

    version: JourneyVersion
    running: int = 0
    closed: int = 0
    control: int = 0


async def version_counts(session: AsyncSession, journey_id: int) -> list[VersionCount]:
    """Every version of the journey, oldest first."""
    versions = await session.exec(
        select(JourneyVersion).where(JourneyVersion.journey_id == journey_id).order_by(col(JourneyVersion.number))
    )
    found = {required_id(one.id): VersionCount(one) for one in versions}
    rows = await session.exec(
        select(Enrollment.version_id, Enrollment.control, Enrollment.state, func.count())
        .where(Enrollment.journey_id == journey_id)
        .group_by(col(Enrollment.version_id), col(Enrollment.control), col(Enrollment.state))
    )
    for version_id, control, state, count in rows:
        one = found[version_id]
        if control:
            one.control += count
        elif EnrollmentState(state) is EnrollmentState.CLOSED:
            one.closed += count
        else:
            one.running += count
    return list(found.values())


@dataclass(frozen=True, slots=True)
class LaunchAccount:
    """A launch, the number of its version, and how many of the considered have which outcome (`` for none yet)."""

    launch: Launch
    version: int
    outcomes: dict[str, int] = field(default_factory=dict)


async def latest_launches(session: AsyncSession, journey_id: int, *, limit: int) -> list[LaunchAccount]:
    """The journey's launches with their accounts, newest first."""
    rows = await session.exec(
        select(Launch, JourneyVersion.number)
        .join(JourneyVersion, col(JourneyVersion.id) == Launch.version_id)
        .where(Launch.journey_id == journey_id)
        .order_by(col(Launch.id).desc())
        .limit(limit)
    )
    found = rows.all()
    counts = await _outcomes(session, [required_id(launch.id) for launch, _ in found])
    return [LaunchAccount(launch, number, launch.account or counts[required_id(launch.id)]) for launch, number in found]


async def _outcomes(session: AsyncSession, launch_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    rows = await session.exec(
        select(LaunchCandidate.launch_id, LaunchCandidate.outcome, func.count())
        .where(col(LaunchCandidate.launch_id).in_(list(launch_ids)))
        .group_by(col(LaunchCandidate.launch_id), col(LaunchCandidate.outcome))
    )
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for launch_id, outcome, count in rows:
        counts[launch_id][outcome or ""] = count
    return counts
