"""New versions of journeys: proposed by a launch that is still being looked at, or published for new entrants.

A launch needs a version before anybody has agreed to it, because its audience is judged by its rules. Until then no
other launch, and no daily selection, may take that version for what new entrants get.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LaunchState
from models.journey import JourneyDefinition, WinBack
from models.tables import Journey, JourneyVersion, Launch, Paced, Store
from policies.calendar import local_date
from policies.schedule import sending_hours
from storage.journeys import latest_version, parse_definition
from storage.paced import give_days_again, next_paced_day
from storage.stores import required_id

_OVERTAKEN = "somebody published version {} meanwhile; look at it first"


class OvertakenError(Exception):
    """Somebody has published a newer version since this one was proposed; the text says which."""


async def publish(
    session: AsyncSession, store_id: int, definition: JourneyDefinition, *, now: datetime
) -> tuple[Journey, JourneyVersion]:
    """Give new entrants exactly this definition: the latest version if nothing changed, else a new one.

    Whoever waits for a later day enters with it, and so do the launches that wait for templates or for the end of a
    pause; the days themselves are given again where the new version lets in another number a day.

    Returns:
        The journey, made if there was none, and the version.
    """
    journey = await _locked(session, store_id, definition, now=now)
    version = await _version(session, journey, definition, now=now)
    await _let_in(session, journey, version, definition, now=now)
    return journey, version


async def propose(
    session: AsyncSession, store_id: int, definition: JourneyDefinition, *, now: datetime
) -> tuple[Journey, JourneyVersion]:
    """A version with exactly this definition that new entrants do not get before `confirm`.

    That of a draft is published at once: nobody enters it before a launch.

    Returns:
        The journey, made if there was none, and the version: the latest one if nothing changed.
    """
    journey = await _locked(session, store_id, definition, now=now)
    version = await _version(session, journey, definition, now=now)
    if journey.state is JourneyState.DRAFT:
        await _let_in(session, journey, version, definition, now=now)
    return journey, version


async def confirm(session: AsyncSession, journey: Journey, version_id: int, *, now: datetime) -> bool:
    """Publish a version that was proposed, unless new entrants get a newer one by now.

    Args:
        session: a writing transaction that holds the journey alone.
        journey: whose version it is.
        version_id: of it; the one that new entrants get already stays as it is.
        now: when new entrants begin to get it.

    Returns:
        Whether it is published only now.

    Raises:
        OvertakenError: new entrants get a newer one by now.
    """
    version = await session.get_one(JourneyVersion, version_id, populate_existing=True)
    latest = await latest_version(session, required_id(journey.id))
    if latest is not None and latest.number > version.number:
        raise OvertakenError(_OVERTAKEN.format(latest.number))
    if version.published_at is not None:
        return False
    await _let_in(session, journey, version, parse_definition(version.definition), now=now)
    return True


async def coming_number(session: AsyncSession, journey_id: int, definition: JourneyDefinition) -> int:
    """The number that this definition would get, or has: those that were only proposed have theirs too."""
    found, newest = await _known_version(session, journey_id, definition)
    if found is not None:
        return found.number
    return 1 if newest is None else newest.number + 1


async def _locked(session: AsyncSession, store_id: int, definition: JourneyDefinition, *, now: datetime) -> Journey:
    """The journey that the definition names, made if there is none; nobody else publishes before the end."""
    named = (
        select(Journey)
        .where(Journey.store_id == store_id, Journey.name == definition.name)
        .with_for_update(key_share=True)  # rows that only name the journey go on being written
    )
    journey = (await session.exec(named)).first()
    if journey is None:
        # Two first launches at once must not both make it.
        await session.exec(select(Store.id).where(Store.id == store_id).with_for_update(key_share=True))
        journey = (await session.exec(named)).first()
    if journey is None:
        journey = Journey(
            store_id=store_id,
            name=definition.name,
            kind=definition.kind,
            priority=definition.priority,
            state=JourneyState.DRAFT,
            state_since=now,
            created_at=now,
        )
        session.add(journey)
        await session.flush()
    return journey


async def _version(
    session: AsyncSession, journey: Journey, definition: JourneyDefinition, *, now: datetime
) -> JourneyVersion:
    """The latest version, or one proposed since, if it says exactly this; else a new one."""
    journey_id = required_id(journey.id)
    found, newest = await _known_version(session, journey_id, definition)
    if found is not None:
        return found
    version = JourneyVersion(
        journey_id=journey_id,
        number=1 if newest is None else newest.number + 1,
        content_hash=definition.content_hash(),
        definition=definition.model_dump_json(),
        created_at=now,
    )
    session.add(version)
    await session.flush()
    return version


async def _known_version(
    session: AsyncSession, journey_id: int, definition: JourneyDefinition
) -> tuple[JourneyVersion | None, JourneyVersion | None]:
    """The version that says exactly this, if it may be used again, and the one with the highest number."""
    content_hash = definition.content_hash()
    newest = (
        await session.exec(
            select(JourneyVersion)
            .where(JourneyVersion.journey_id == journey_id)
            .order_by(col(JourneyVersion.number).desc())
            .limit(1)
        )
    ).first()
    latest = await latest_version(session, journey_id)
    for one in (latest, newest):
        if one is not None and one.content_hash == content_hash and (one is latest or one.published_at is None):
            return one, newest
    return None, newest


async def _let_in(
    session: AsyncSession, journey: Journey, version: JourneyVersion, definition: JourneyDefinition, *, now: datetime
) -> None:
    """Let new entrants get the version, those who wait to enter included."""
    if version.published_at is not None:
        return
    journey_id, version_id = required_id(journey.id), required_id(version.id)
    before = await latest_version(session, journey_id)
    version.published_at = now
    journey.priority = definition.priority
    await session.flush()
    if before is None or not isinstance(definition, WinBack):
        return
    await session.exec(
        update(Launch)
        .where(col(Launch.journey_id) == journey_id, col(Launch.state) == LaunchState.WAITING)
        .values(version_id=version_id)
        .execution_options(synchronize_session="fetch")
    )
    await session.exec(
        update(Paced)
        .where(col(Paced.journey_id) == journey_id)
        .values(version_id=version_id)
        .execution_options(synchronize_session="fetch")
    )
    if _pace(parse_definition(before.definition)) != _pace(definition):
        await _give_days(session, journey, definition, now=now)


def _pace(definition: JourneyDefinition) -> tuple[object, ...]:
    """What decides on which day somebody enters."""
    rules = definition.sending
    return rules.max_per_day, sending_hours(rules)


async def _give_days(session: AsyncSession, journey: Journey, definition: JourneyDefinition, *, now: datetime) -> None:
    """Give those who wait their days anew, in the order of the old ones, and nobody one before the first of those.

    The AudienceWorkflow sleeps until the first day, so that an earlier one would pass unseen.
    """
    journey_id = required_id(journey.id)
    first = await next_paced_day(session, journey_id)
    if first is not None:
        zone = ZoneInfo((await session.get_one(Store, journey.store_id)).time_zone)
        first = max(first, local_date(now, zone))
        await give_days_again(session, journey_id, definition.sending, zone, first=first, earlier=True)
