"""One journey: since when it is what it is, its versions with their people, its launches, when it selects next."""

import json
from datetime import date, datetime
from typing import Any

from pydantic import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LaunchState
from models.journey import Definition
from models.tables import Journey
from policies.definition_changes import changes
from reports.audience import audience_of
from reports.definitions import audience_words, coupon_words
from reports.documents import Audience, DailyView, Document, FieldChange, JourneyLine, Moment, VersionStage
from reports.journeys import daily_view, journey_line
from storage.going_live import waiting_versions
from storage.journey_versions import LaunchAccount, VersionCount, latest_launches, version_counts
from storage.journeys import parse_definition, summary
from storage.stores import StoreParts, required_id

_LAUNCHES_SHOWN = 10


class VersionView(Document):
    """One version and its people.

    Attributes:
        made_at: when it was written down.
        published_at: when new entrants began to get it; null for one that a launch only showed before it was declined.
        running: entrants who are under way, `running_by_stage` by the message that comes next.
        closed: entrants whose passage is over.
        control: those who were held out of this version, whether their horizon has passed or not.
        paced: those who wait for a later day to enter with it.
        changes: what differs from the version before; empty for the first.
    """

    version: int
    made_at: Moment
    published_at: Moment | None
    running: int
    running_by_stage: list[VersionStage]
    closed: int
    control: int
    paced: int
    changes: list[FieldChange]


class LaunchView(Document):
    """One selection. `day` is the store's own date of which it is an always-on journey's selection, null for others.

    The account of one that is still under way does not add up yet.
    """

    launch_id: int
    state: LaunchState
    day: date | None
    version: int
    requested_at: Moment
    finished_at: Moment | None
    limit: int | None
    only_new: bool
    error: str | None
    audience: Audience


class JourneyDocument(Document):
    """One journey with its counts and what its newest version says; `definition` has the journey file's own keys.

    Attributes:
        since: when it got its state; null where nobody wrote that down.
        version: what new entrants get; null for a journey without any.
        audience: who enters, in words.
        coupon: what the coupon is worth, in words; null without one.
        versions: oldest first.
        launches: the last ten, newest first.
        daily: how a win-back is always on; null for one that is not.
    """

    store: str
    journey: JourneyLine
    version: int | None
    definition: dict[str, Any] | None
    since: Moment | None
    audience: str | None
    coupon: str | None
    versions: list[VersionView] = Field(description="Oldest first.")
    launches: list[LaunchView] = Field(description="The last ten, newest first.")
    daily: DailyView | None


async def journey_document(
    session: AsyncSession, parts: StoreParts, journey: Journey, *, now: datetime
) -> JourneyDocument:
    """The journey with all of it."""
    journey_id = required_id(journey.id)
    line = await journey_line(session, parts, await summary(session, journey), now=now)
    versions = await version_counts(session, journey_id)
    newest = next((one.version for one in reversed(versions) if one.version.published_at is not None), None)
    definition = parse_definition(newest.definition) if newest is not None else None
    return JourneyDocument(
        store=parts.store.slug,
        journey=line,
        version=newest.number if newest is not None else None,
        definition=json.loads(newest.definition) if newest is not None else None,
        since=_since(journey),
        audience=audience_words(definition) if definition is not None else None,
        coupon=coupon_words(definition) if definition is not None else None,
        versions=_versions(versions, line.running, await waiting_versions(session, journey_id)),
        launches=[_launch(one) for one in await latest_launches(session, journey_id, limit=_LAUNCHES_SHOWN)],
        daily=await daily_view(session, parts, journey, now=now),
    )


def _since(journey: Journey) -> datetime | None:
    """When it got its state; for rows from before that was written down, what else tells."""
    if journey.state_since is not None:
        return journey.state_since
    match journey.state:
        case JourneyState.PAUSED:
            return journey.paused_since
        case JourneyState.ACTIVE:
            return journey.resumed_at
        case JourneyState.DRAFT:
            return journey.created_at
        case JourneyState.PENDING | JourneyState.STOPPED | JourneyState.ARCHIVED:
            return None


def _versions(found: list[VersionCount], running: list[VersionStage], paced: dict[int, int]) -> list[VersionView]:
    views = []
    before: Definition | None = None
    for one in found:
        definition = parse_definition(one.version.definition)
        differ = changes(before, definition) if before is not None else []
        if one.version.published_at is not None:
            before = definition
        views.append(
            VersionView(
                version=one.version.number,
                made_at=one.version.created_at,
                published_at=one.version.published_at,
                running=one.running,
                running_by_stage=[at for at in running if at.version == one.version.number],
                closed=one.closed,
                control=one.control,
                paced=paced.get(one.version.number, 0),
                changes=[FieldChange(field=it.field, before=it.before, after=it.after) for it in differ],
            )
        )
    return views


def _launch(one: LaunchAccount) -> LaunchView:
    return LaunchView(
        launch_id=required_id(one.launch.id),
        state=one.launch.state,
        day=one.launch.day,
        version=one.version,
        requested_at=one.launch.requested_at,
        finished_at=one.launch.finished_at,
        limit=one.launch.entrant_limit,
        only_new=one.launch.only_new,
        error=one.launch.error,
        audience=audience_of(one.outcomes),
    )
