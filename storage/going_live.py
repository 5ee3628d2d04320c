"""Journeys that wait for their templates: made pending at the launch, and live by themselves when all are approved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import (
    SENDABLE_TEMPLATE_STATUSES,
    JourneyKind,
    JourneyState,
    LaunchState,
    StoreEventKind,
    TemplateStatus,
)
from models.journey import JourneyDefinition
from models.tables import Journey, JourneyVersion, Launch, Number, Paced, Template, TemplateSubstitution
from policies.template_readiness import Needed, not_ready
from storage.daily_selections import count_as_today
from storage.journeys import latest_version, parse_definition, set_state
from storage.pausing import forget_pauses, release_journey
from storage.store_events import record_store_event
from storage.stores import required_id
from storage.wakes import check_health

_LATER_LAUNCH = "replaced by a later launch"


async def waits_for(
    session: AsyncSession, store_id: int, definition: JourneyDefinition, *, journey_id: int | None = None
) -> list[Needed]:
    """The templates of a definition that the store cannot send now, as the mirror has them.

    One for which another stands by staff's decision is as ready as that one.
    """
    rows = await session.exec(
        select(Template.name, Template.language, Template.status)
        .join(Number, col(Number.waba_id) == col(Template.waba_id))
        .where(Number.store_id == store_id)
    )
    statuses = {(name, language): TemplateStatus(status) for name, language, status in rows}
    decisions = await session.exec(
        select(TemplateSubstitution).where(
            TemplateSubstitution.store_id == store_id,
            col(TemplateSubstitution.ended_at).is_(None),
            or_(col(TemplateSubstitution.journey_id).is_(None), TemplateSubstitution.journey_id == journey_id),
        )
    )
    for decision in decisions:
        stands_in = statuses.get((decision.new_name, decision.language))
        if stands_in in SENDABLE_TEMPLATE_STATUSES:
            statuses[decision.old_name, decision.language] = stands_in
    return not_ready(definition.templates(), statuses)


async def wait_for_templates(
    session: AsyncSession, journey: Journey, waiting: Sequence[Needed], *, now: datetime
) -> None:
    """Make a journey pending: nobody enters before its templates are approved."""
    await forget_pauses(session, journey, now=now)
    set_state(journey, JourneyState.PENDING, "; ".join(one.in_words for one in waiting), now=now)
    await record_store_event(
        session,
        journey.store_id,
        StoreEventKind.JOURNEY_PENDING,
        dedupe_key=f"pending:{journey.id}:{now.isoformat()}",
        at=now,
        journey_id=journey.id,
        detail={"templates": [one.in_words for one in waiting]},
        mail=False,
    )
    # One may have been approved since it was looked at.
    check_health(session, journey.store_id, now=now)


def activate(journey: Journey, *, now: datetime) -> None:
    """A launch lets the journey take entrants and send; one that is paused stays so until it is resumed."""
    if journey.state is JourneyState.PAUSED:
        return
    if journey.state is not JourneyState.ACTIVE:
        journey.resumed_at = now
    set_state(journey, JourneyState.ACTIVE, None, now=now)


async def drop_waiting_launches(session: AsyncSession, journey_id: int, *, now: datetime) -> None:
    """A later launch says anew who is to enter: earlier ones that have not been carried out are given up."""
    await session.exec(
        update(Launch)
        .where(col(Launch.journey_id) == journey_id, col(Launch.state) == LaunchState.WAITING)
        .values(state=LaunchState.FAILED, error=_LATER_LAUNCH, finished_at=now)
        .execution_options(synchronize_session=False)
    )


async def pending_journeys(session: AsyncSession, store_id: int) -> list[Journey]:
    """The store's journeys that wait for templates."""
    rows = await session.exec(
        select(Journey)
        .where(Journey.store_id == store_id, Journey.state == JourneyState.PENDING)
        .order_by(col(Journey.id))
    )
    return list(rows)


async def look_at_pending(session: AsyncSession, waba_id: str, *, now: datetime) -> None:
    """A template of the account may be sent: the stores whose journeys wait for one look at once."""
    stores = await session.exec(
        select(Journey.store_id)
        .join(Number, col(Number.store_id) == col(Journey.store_id))
        .where(Number.waba_id == waba_id, Journey.state == JourneyState.PENDING)
        .distinct()
    )
    for store_id in stores:
        check_health(session, store_id, now=now)


async def go_live(session: AsyncSession, journey_id: int, *, now: datetime) -> bool:
    """Make a pending journey active if all its templates can be sent; its launches follow by themselves.

    Returns:
        Whether it went live now.
    """
    journey = (
        await session.exec(
            select(Journey)
            .where(Journey.id == journey_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).one()
    version = await latest_version(session, journey_id)
    if journey.state is not JourneyState.PENDING or version is None:
        return False
    definition = parse_definition(version.definition)
    left = await waits_for(session, journey.store_id, definition, journey_id=journey_id)
    if left:
        journey.state_reason = "; ".join(one.in_words for one in left)
        return False
    activate(journey, now=now)
    waiting = await session.exec(
        select(Launch).where(Launch.journey_id == journey_id, Launch.state == LaunchState.WAITING).limit(1)
    )
    for launch in waiting:
        await count_as_today(session, launch, now=now)
    await record_store_event(
        session,
        journey.store_id,
        StoreEventKind.JOURNEY_LIVE,
        dedupe_key=f"live:{journey_id}:{now.isoformat()}",
        at=now,
        journey_id=journey_id,
        detail={"version": version.number},
    )
    await release_journey(session, journey, now=now)
    return True


@dataclass(frozen=True, slots=True)
class Unserved:
    """A running win-back whose AudienceWorkflow has something to do: launches to carry out, or customers with a day."""

    journey_id: int
    launches: tuple[int, ...]


async def unserved(session: AsyncSession, store_id: int) -> list[Unserved]:
    """The store's running win-backs with launches that wait, or with paced customers."""
    waiting = select(Launch.id).where(Launch.journey_id == Journey.id, Launch.state == LaunchState.WAITING)
    paced = select(Paced.id).where(Paced.journey_id == Journey.id)
    journeys = await session.exec(
        select(Journey.id)
        .where(
            Journey.store_id == store_id,
            Journey.state == JourneyState.ACTIVE,
            Journey.kind == JourneyKind.WIN_BACK,
            or_(waiting.correlate(Journey).exists(), paced.correlate(Journey).exists()),
        )
        .order_by(col(Journey.id))
    )
    found = []
    for journey_id in journeys.all():
        launches = await session.exec(
            select(Launch.id)
            .where(Launch.journey_id == journey_id, Launch.state == LaunchState.WAITING)
            .order_by(col(Launch.id))
        )
        found.append(Unserved(required_id(journey_id), tuple(required_id(one) for one in launches)))
    return found


async def waiting_versions(session: AsyncSession, journey_id: int) -> dict[int, int]:
    """How many customers wait for a later day, by the number of the version that they were selected for."""
    rows = await session.exec(
        select(JourneyVersion.number, func.count())
        .join(Paced, col(Paced.version_id) == col(JourneyVersion.id))
        .where(Paced.journey_id == journey_id)
        .group_by(col(JourneyVersion.number))
    )
    return dict(rows.all())
