"""`launch` of a journey whose templates are not all approved: it waits, and goes live by itself.

Nobody is selected before that: who qualifies then may be somebody else. The launch stands in its row with its limit,
and is carried out by whoever sees the last template approved (`activities.going_live`).
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from activities.services import Services
from cli.documents import LaunchDocument, WatchView
from cli.failures import DONE, Failure
from cli.launch_checks import check_column, check_name
from cli.launch_schedule import in_words
from cli.run import Run
from cli.temporal import ensure_store_watches, start_watch
from cli.tracking_documents import TrackingView
from cli.validate import describe
from models.enums import JourneyState, LaunchState
from models.journey import AbandonedCart, Definition, FollowUp, Tracking
from models.tables import Journey, Store
from policies.template_readiness import Needed
from policies.watching import spacing
from reports.audience import audience_of
from reports.journeys import daily_view
from storage.daily_selections import keep_on
from storage.going_live import drop_waiting_launches, wait_for_templates
from storage.journeys import UnknownJourneyError, find_journey, journey_of
from storage.launches import open_launch
from storage.publishing import publish
from storage.stores import StoreParts, required_id
from storage.watches import open_watch

_RUNS = (JourneyState.ACTIVE, JourneyState.PAUSED)


async def launch_pending(
    run: Run,
    services: Services,
    parts: StoreParts,
    definition: Definition,
    waiting: Sequence[Needed],
    warnings: list[str],
    *,
    limit: int | None,
    only_new: bool,
    yes: bool,
    daily: str | None = None,
) -> int:
    """Write the launch down, to be carried out when all templates are approved.

    A win-back that is to be always on (`daily`, `HH:MM`) gets its schedule then, too.

    Raises:
        Failure: the journey runs already, or nobody wants it.
    """
    async with services.database.read() as session:
        with contextlib.suppress(UnknownJourneyError):
            _check_rests(await find_journey(session, parts.id, definition.name), waiting)
        await check_column(session, parts.id, definition)
    describe(run, definition)
    for warning in warnings:
        run.output.note(f"warning: {warning}")
    for one in waiting:
        run.output.note(f"waits for {one.in_words}")
    if not yes and not run.confirm("Launch it all the same? It goes live by itself when all are approved."):
        raise Failure("declined; nothing was changed")
    now = run.clock()
    await ensure_store_watches(services.temporal, parts)
    launch_id, journey_id, version = await _write_down(
        services, parts, definition, waiting, limit=limit, only_new=only_new, daily=daily, now=now
    )
    async with services.database.read() as session:
        view = await daily_view(session, parts, await journey_of(session, journey_id), now=now)
    if isinstance(definition, FollowUp | AbandonedCart):
        await start_watch(services.temporal, parts.id, journey_id, spacing(definition))
    run.output.document(
        LaunchDocument(
            launch_id=launch_id,
            store=parts.store.slug,
            journey=definition.name,
            version=version,
            audience=audience_of({}),
            entrants_by_day={},
            messages_by_day={},
            warnings=warnings,
            watch=WatchView(since=now if only_new else None, not_yet_due=0)
            if isinstance(definition, FollowUp | AbandonedCart)
            else None,
            tracking=TrackingView(next_runs=[], conversations=0) if isinstance(definition, Tracking) else None,
            state=JourneyState.PENDING,
            waits_for=[one.in_words for one in waiting],
            daily=view,
        )
    )
    run.output.line(
        f"{definition.name} version {version} is pending; it goes live by itself when its templates are approved",
        style="bold",
    )
    if view is not None:
        run.output.line(f"From then on {in_words(view, parts)}")
    return DONE


def _check_rests(journey: Journey, waiting: Sequence[Needed]) -> None:
    if journey.state in _RUNS:
        raise Failure(
            *(f"{one.in_words}; it is not approved yet" for one in waiting),
            f"{journey.name} is {journey.state.value}, and making it wait would hold everybody who is in it; "
            "launch or publish the new version when its templates are approved",
        )


async def _write_down(
    services: Services,
    parts: StoreParts,
    definition: Definition,
    waiting: Sequence[Needed],
    *,
    limit: int | None,
    only_new: bool,
    daily: str | None,
    now: datetime,
) -> tuple[int | None, int, int]:
    """The launch's id (only a win-back has one), the journey's, and the version's number."""
    async with services.database.write() as session:
        # As for a launch that begins at once: two must not both find the column free.
        await session.exec(select(Store.id).where(col(Store.id) == parts.id).with_for_update(key_share=True))
        await check_column(session, parts.id, definition)
        journey, version = await publish(session, parts.id, definition, now=now)
        check_name(journey, definition)
        _check_rests(journey, waiting)
        journey_id = required_id(journey.id)
        await wait_for_templates(session, journey, waiting, now=now)
        if isinstance(definition, FollowUp | AbandonedCart):
            await open_watch(session, journey, since=now if only_new else None, now=now)
        if isinstance(definition, FollowUp | AbandonedCart | Tracking):
            return None, journey_id, version.number
        await drop_waiting_launches(session, journey_id, now=now)
        if daily is not None:
            await keep_on(session, journey, at=daily, limit=limit, only_new=only_new, now=now)
        opened = await open_launch(
            session,
            store_id=parts.id,
            journey_id=journey_id,
            version_id=required_id(version.id),
            limit=limit,
            only_new=only_new,
            now=now,
            state=LaunchState.WAITING,
        )
        return opened.id, journey_id, version.number
