"""What a tracking journey's schedule is made from: its state, its newest version, the store's zone, its last run."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind
from models.tables import Journey, Store, TrackingRun
from models.tracking import Tracking
from storage.journeys import latest_version, parse_definition
from storage.schedules import PlannedJourney, active_since
from storage.stores import required_id


def tracking_schedule_id(store_id: int, journey_id: int) -> str:
    """The one schedule of a tracking journey."""
    return f"tracking-{store_id}-{journey_id}"


def scheduled_run_id(store_id: int, journey_id: int) -> str:
    """How the workflow ids of its scheduled runs begin; Temporal adds the moment at which each is due."""
    return f"{tracking_schedule_id(store_id, journey_id)}-at"


def asked_run_id(store_id: int, journey_id: int, now: datetime) -> str:
    """The workflow id of a run that somebody asked for at a moment; asking twice within a second is asking once."""
    return f"{tracking_schedule_id(store_id, journey_id)}-now-{now:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(PlannedJourney):
    """A tracking journey as its schedule sees it."""

    definition: Tracking


async def planned(session: AsyncSession, store: Store, journey: Journey) -> Planned | None:
    """The journey as its schedule sees it; None if it is no tracking journey, or has no version."""
    journey_id = required_id(journey.id)
    version = await latest_version(session, journey_id)
    definition = parse_definition(version.definition) if version is not None else None
    if version is None or not isinstance(definition, Tracking):
        return None
    ran = select(func.max(TrackingRun.started_at)).where(TrackingRun.journey_id == journey_id)
    return Planned(
        store_id=journey.store_id,
        store=store.slug,
        time_zone=store.time_zone,
        journey_id=journey_id,
        journey=journey.name,
        state=journey.state,
        version=version.number,
        definition=definition,
        active_since=await active_since(session, journey),
        ran_at=(await session.exec(ran)).one(),
    )


async def planned_journeys(session: AsyncSession, store_id: int) -> list[Planned]:
    """Every tracking journey of the store, also those that have ended and should have no schedule any more."""
    journeys = await session.exec(
        select(Journey)
        .where(Journey.store_id == store_id, Journey.kind == JourneyKind.TRACKING)
        .order_by(col(Journey.id))
    )
    rows = journeys.all()
    if not rows:
        return []
    store = await session.get_one(Store, store_id)
    found = [await planned(session, store, journey) for journey in rows]
    return [one for one in found if one is not None]
