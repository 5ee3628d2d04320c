"""`launch` of a tracking journey: show what it does and when it first runs, ask, and make its schedule.

Nothing is reviewed by the launch itself and no model is paid: the first run begins at its time, or by `run-now`.
Nothing is stored before the answer.
"""

import contextlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select
from temporalio.service import RPCError

from activities.schedules import ensure_schedule
from activities.services import Services
from cli.definition_diff import change_by, show_change
from cli.documents import LaunchDocument
from cli.failures import DONE, USAGE, Failure
from cli.launch_checks import check_name, ready
from cli.launch_pending import launch_pending
from cli.run import Run
from cli.temporal import ensure_store_watches
from cli.tracking_documents import TrackingView
from cli.tracking_words import clock_warnings, next_runs
from cli.validate import describe
from models.enums import JourneyState
from models.journey import Tracking
from models.tables import Conversation, Store
from reports.audience import audience_of
from storage.going_live import activate
from storage.journeys import UnknownJourneyError, find_journey, journey_of, set_state
from storage.publishing import publish
from storage.stores import StoreParts, required_id
from storage.tracking_schedules import Planned, planned


async def launch_tracking(
    run: Run,
    services: Services,
    parts: StoreParts,
    definition: Tracking,
    limit: int | None,
    *,
    only_new: bool,
    yes: bool,
) -> int:
    """Launch a journey that reviews conversations at its time of every active day.

    Raises:
        Failure: it cannot run, or nobody wants it.
    """
    if limit is not None:
        raise Failure("--limit is for a win_back; a tracking journey has max_conversations, for each run", code=USAGE)
    if only_new:
        text = (
            f"a tracking journey's first run looks back {definition.window_hours} hours (window_hours) and no further"
        )
        raise Failure(f"--only-new is for the other kinds; {text}", code=USAGE)
    parts, warnings, waits = await ready(run, services, parts, definition)
    now, zone = run.clock(), ZoneInfo(parts.store.time_zone)
    warnings += [*clock_warnings(definition, zone, now), *_credit_warnings(parts.store, definition)]
    if waits:
        return await launch_pending(
            run, services, parts, definition, waits, warnings, limit=None, only_new=False, yes=yes
        )
    runs = next_runs(definition, zone, now)
    conversations = await _count(services, parts, definition, now=now)
    describe(run, definition, runs=runs, zone=zone)
    show_change(run.output, await change_by(services.database, parts, definition), definition)
    run.output.line(
        f"In {conversations} conversations the customer has written in the last {definition.window_hours} hours; "
        "a run leaves out who has bought, opted out or is in another journey before it asks the model."
    )
    for warning in warnings:
        run.output.note(f"warning: {warning}")
    question = f"It first runs on {runs[0].astimezone(zone):%a %Y-%m-%d at %H:%M}. Start this journey?"
    if not yes and not run.confirm(question):
        raise Failure("declined; nothing was changed")
    begun = await _begin(services, parts, definition, now=now)
    if begun.state is JourneyState.PAUSED:
        run.output.note("the journey is paused: no run begins before `resume`")
    run.output.document(
        LaunchDocument(
            launch_id=None,
            store=parts.store.slug,
            journey=definition.name,
            version=begun.version,
            audience=audience_of({}),
            entrants_by_day={},
            messages_by_day={},
            warnings=warnings,
            watch=None,
            tracking=TrackingView(next_runs=runs, conversations=conversations),
            state=begun.state,
            waits_for=[],
            daily=None,
        )
    )
    run.output.line(
        f"{definition.name} version {begun.version} runs at {definition.run_at} of every active day; "
        f"`run-now {definition.name}` begins a run at once",
        style="bold",
    )
    return DONE


async def _count(services: Services, parts: StoreParts, definition: Tracking, *, now: datetime) -> int:
    """In how many conversations the customer has written within the window until now."""
    async with services.database.read() as session:
        with contextlib.suppress(UnknownJourneyError):
            check_name(await find_journey(session, parts.id, definition.name), definition)
        since = now - timedelta(hours=definition.window_hours)
        query = select(func.count()).where(
            Conversation.store_id == parts.id, col(Conversation.customer_wrote_at) >= since
        )
        return (await session.exec(query)).one()


async def _begin(services: Services, parts: StoreParts, definition: Tracking, *, now: datetime) -> Planned:
    """Publish, activate and make the schedule; a launch that dies before the last is finished by the store's upkeep."""
    async with services.database.write() as session:
        journey, _ = await publish(session, parts.id, definition, now=now)
        check_name(journey, definition)
        journey_id, before = required_id(journey.id), (journey.state, journey.state_reason)
        activate(journey, now=now)
    async with services.database.read() as session:
        found = await planned(session, parts.store, await journey_of(session, journey_id))
    if found is None:
        raise Failure(f"{definition.name} is no tracking journey by now; look at it and launch again")
    try:
        await ensure_store_watches(services.temporal, parts)
        await ensure_schedule(services.temporal, found, now=now)
    except RPCError:
        async with services.database.write() as session:
            row = await journey_of(session, journey_id, alone=True)
            if row.state is JourneyState.ACTIVE:  # else somebody has paused or stopped it meanwhile
                set_state(row, *before, now=now)
        raise
    return found


def _credit_warnings(store: Store, definition: Tracking) -> list[str]:
    wanted = definition.max_conversations * store.analysis_credits
    if store.credits is None or wanted <= store.credits:
        return []
    text = (
        f"the store has {store.credits} credits, and a run of {definition.max_conversations} conversations takes at "
        f"least {wanted}; when they run out, the run stops and sends nothing (`credits add` pays in)"
    )
    return [text]
