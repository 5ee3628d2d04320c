"""`launch --schedule`: a win-back that is always on, and the end of that."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.service import RPCError

from activities.schedules import ensure_schedule
from activities.services import Services
from cli.documents import LaunchDocument
from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.run import Run
from cli.tracking_words import odd_day_warnings
from models.enums import JourneyState
from models.journey import Definition, FollowUp, Tracking, WinBack
from reports.audience import audience_of
from reports.documents import DailyView
from reports.journeys import daily_view
from storage.daily_selections import (
    count_as_today,
    end_selection,
    keep_on,
    planned_selection,
    selection_of,
    selection_times,
)
from storage.engine import Database
from storage.journeys import find_journey, journey_of, latest_version
from storage.launches import get_launch
from storage.stores import StoreParts, required_id

_FORM: Final = re.compile(r"daily@(\d{1,2}):(\d\d)")
_HOURS, _MINUTES = 24, 60
_OFF: Final = "off"
_OVER: Final = (JourneyState.STOPPED, JourneyState.ARCHIVED)
_EXAMPLE: Final = "daily@HH:MM by the store's clock, such as daily@09:30, or off"


@dataclass(frozen=True, slots=True)
class Daily:
    """What `--schedule` asks for: `at` is `HH:MM` by the store's clock, None for the end of it."""

    at: str | None


def read_schedule(written: str | None, definition: Definition) -> Daily | None:
    """The option; None if it was left out.

    Raises:
        Failure: it cannot be read, or the journey is no win-back.
    """
    if written is None:
        return None
    match definition:
        case WinBack():
            return _read(written)
        case Tracking():
            why = f"a tracking journey runs by the clock anyway, at run_at of its file ({definition.run_at})"
        case FollowUp():
            why = "a follow_up watches for silences all the time"
        case _:
            why = "an abandoned_cart journey watches for carts all the time"
    raise Failure(f"--schedule is for a win_back: {why}", code=USAGE)


def _read(written: str) -> Daily:
    if written == _OFF:
        return Daily(None)
    found = _FORM.fullmatch(written)
    if found is None:
        raise Failure(f"--schedule {written!r} cannot be read: it is {_EXAMPLE}", code=USAGE)
    hour, minute = int(found[1]), int(found[2])
    if hour >= _HOURS or minute >= _MINUTES:
        raise Failure(
            f"--schedule {written!r}: there is no {found[1]}:{found[2]}, hours end at 23 and minutes at 59", code=USAGE
        )
    return Daily(f"{hour:02}:{minute:02}")


def schedule_warnings(at: str, parts: StoreParts, now: datetime) -> list[str]:
    """The days of the next year on which the clocks change over the time of the selection."""
    return list(odd_day_warnings(selection_times(at, parts.store.time_zone), now, what="selection"))


def question(wanted: int, daily: Daily | None, version: int | None) -> str | None:
    """What is asked before a launch starts; None if nothing is to begin.

    Args:
        wanted: how many enter or are held out.
        daily: how the journey is to be always on.
        version: the number of a version that everybody gets who enters from now on; None if they get it already.
    """
    each_day = f"every day at {daily.at} whoever qualifies by then" if daily is not None else None
    if not wanted:
        asked = each_day and f"Select {each_day}"
    else:
        now = f"Start this journey for {wanted} customers"
        asked = f"{now} now, and {each_day}" if each_day else now
    if version is not None:
        published = f"ublish version {version} for those who enter from now on"
        return f"{asked}, and p{published}?" if asked else f"P{published}?"
    return asked and f"{asked}?"


async def note_always_on(
    run: Run, session: AsyncSession, parts: StoreParts, name: str, journey_id: int, daily: Daily | None
) -> None:
    """Say that the journey is always on already: a launch leaves that as it is, or changes its time."""
    row = await selection_of(session, journey_id)
    if row is None:
        return
    if daily is None:
        view = await daily_view(session, parts, await journey_of(session, journey_id), now=run.clock())
        run.output.note(
            f"{name} is always on: {in_words(view, parts)}. This launch is one more; "
            "`launch FILE --schedule off` ends the daily ones"
        )
    elif daily.at != row.at:
        run.output.note(f"{name} is always on already; its audience was selected at {row.at} until now")


async def set_schedule(
    run: Run,
    services: Services,
    parts: StoreParts,
    launch_id: int,
    *,
    at: str,
    limit: int | None,
    only_new: bool,
) -> None:
    """Keep the launch's journey on from now, and make its Temporal Schedule; what Temporal misses, upkeep mends.

    The launch is this day's selection.
    """
    async with services.database.write() as session:
        launch = await get_launch(session, launch_id)
        journey = await journey_of(session, launch.journey_id, alone=True)
        if journey.state in _OVER:  # stopped since; `launch` says so when it waits for the selection
            return
        await keep_on(session, journey, at=at, limit=limit, only_new=only_new, now=run.clock())
        await count_as_today(session, launch, now=run.clock())
    async with services.database.read() as session:
        found = await planned_selection(session, parts.store, await journey_of(session, launch.journey_id))
    try:
        if found is not None:
            await ensure_schedule(services.temporal, found, now=run.clock())
    except RPCError:
        run.output.note("Temporal did not take the schedule yet; the store's upkeep makes it within the hour")


async def end_schedule(run: Run, database: Database, parts: StoreParts, definition: Definition) -> int:
    """`--schedule off`: nobody is selected by day any more; nothing else changes, and nobody is selected now.

    Raises:
        Failure: the journey has no version.
        UnknownJourneyError: there is no journey of that name.
    """
    async with database.write() as session:
        journey = await find_journey(session, parts.id, definition.name)
        journey = await journey_of(session, required_id(journey.id), alone=True)
        ended = await end_selection(session, journey, now=run.clock())
        version = await latest_version(session, required_id(journey.id))
        state = journey.state
    if version is None:
        raise Failure(f"{definition.name} has no version yet; `launch FILE` starts it", code=NOT_FOUND)
    if ended:
        from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

        await deliver(database, run.clock)
    run.output.document(
        LaunchDocument(
            launch_id=None,
            store=parts.store.slug,
            journey=definition.name,
            version=version.number,
            audience=audience_of({}),
            entrants_by_day={},
            messages_by_day={},
            warnings=[],
            watch=None,
            tracking=None,
            state=state,
            waits_for=[],
            daily=None,
        )
    )
    ends = "is not always on any more" if ended else "is not always on; nothing was changed"
    run.output.line(f"{definition.name} {ends}", style="bold")
    if ended:
        run.output.line("Whoever is in it goes on, and whoever has a later day enters on it.")
    return DONE


def in_words(view: DailyView | None, parts: StoreParts) -> str:
    """When the audience is selected, for a person."""
    if view is None:
        return "its audience is selected by `launch` only"
    most = f", at most {view.limit} customers" if view.limit is not None else ""
    new = ", only who was never in it" if view.only_new else ""
    text = f"its audience is selected every day at {view.at} ({parts.store.time_zone}){most}{new}"
    if view.next_at is None:
        return text
    return f"{text}, next on {view.next_at.astimezone(ZoneInfo(parts.store.time_zone)):%a %Y-%m-%d at %H:%M}"
