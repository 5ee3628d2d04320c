"""`launch` of a follow-up or cart journey: show who would be written to now, and when, ask, and begin to watch.

Nothing is stored before the answer: a journey that is active already would follow its new version at once.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.service import RPCError

from activities.services import Services
from activities.watching import WatchScene
from cli.definition_diff import change_by, show_change
from cli.documents import LaunchDocument, WatchView
from cli.failures import DONE, INTERRUPTED, USAGE, Failure
from cli.launch_checks import check_column, check_name, ready
from cli.launch_pending import launch_pending
from cli.preview import Preview, messages_by_day, show_preview, told
from cli.run import Run
from cli.temporal import ensure_store_watches, start_watch
from cli.validate import describe
from models.enums import JourneyState, LeftOut
from models.journey import AbandonedCart, FollowUp
from models.tables import Journey, Store, WatchAnswer
from policies.calendar import local_date
from policies.pacing import assign_days
from policies.schedule import sending_hours
from policies.watching import spacing
from reports.audience import audience_of
from storage.going_live import activate
from storage.journeys import UnknownJourneyError, find_journey, journey_of, set_state
from storage.launches import CONTROL, ENTERED, PACED
from storage.publishing import publish
from storage.stores import StoreParts, required_id
from storage.watch_queue import Waiting, count_quiet, due_page, launchable, scope_if_launched, scope_of
from storage.watches import open_watch

_ASKED_AT_ONCE = 500
_LOOK_EVERY_S = 0.2
_QUIET_LOOKS = 150
_QUIET = (
    "nothing has moved for half a minute; the worker's log says why, and the watch goes on by itself when it can "
    "(Ctrl-C only stops this waiting)"
)


async def launch_watched(
    run: Run,
    services: Services,
    parts: StoreParts,
    definition: FollowUp | AbandonedCart,
    limit: int | None,
    *,
    only_new: bool,
    yes: bool,
) -> int:
    """Launch a journey that waits for silences or carts.

    Raises:
        Failure: it cannot run, or nobody wants it.
    """
    if limit is not None:
        raise Failure("--limit is for a win_back; a follow-up or cart journey has sending.max_per_day", code=USAGE)
    parts, warnings, waits = await ready(run, services, parts, definition)
    now = run.clock()
    since = now if only_new else None
    if waits:
        return await launch_pending(
            run, services, parts, definition, waits, warnings, limit=None, only_new=only_new, yes=yes
        )
    change = await change_by(services.database, parts, definition)
    preview, waiting, not_yet_due = await _preview(services, parts, definition, since=since, now=now)
    describe(run, definition)
    show_change(run.output, change, definition)
    show_preview(run, preview)
    for warning in warnings:
        run.output.note(f"warning: {warning}")
    if not yes and not run.confirm(f"{_question(preview)} Start this journey?"):
        raise Failure("declined; nobody was enrolled")
    journey_id, version = await _begin(services, parts, definition, since=since, now=now)
    try:
        await _wait(run, services, journey_id)
    except asyncio.CancelledError:
        raise Failure("interrupted: the watch goes on by itself; `journeys` shows how far", code=INTERRUPTED) from None
    async with services.database.read() as session:
        state = (await session.get_one(Journey, journey_id)).state
        if state is JourneyState.PAUSED:
            run.output.note("the journey is paused: nobody enters before `resume`")
        audience = audience_of(await _account(session, journey_id, definition, waiting))
    run.output.document(
        LaunchDocument(
            launch_id=None,
            store=parts.store.slug,
            journey=definition.name,
            version=version,
            audience=audience,
            entrants_by_day=preview.entrants_by_day,
            messages_by_day=preview.messages_by_day,
            warnings=warnings,
            watch=WatchView(since=since, not_yet_due=not_yet_due),
            tracking=None,
            state=state,
            waits_for=[],
            daily=None,
        )
    )
    run.output.line(f"{told(definition.name, version, audience)}; it watches from now on", style="bold")
    return DONE


def _question(preview: Preview) -> str:
    days = list(preview.entrants_by_day)
    if not days:
        return "Nobody is written to now; the journey watches from now on."
    first = preview.entrants_by_day[days[0]]
    later = f" and {preview.entrants - first} until {days[-1]:%a %Y-%m-%d}" if len(days) > 1 else ""
    return f"It writes to {first} customers on {days[0]:%a %Y-%m-%d}{later}, and watches from now on."


async def _preview(
    services: Services,
    parts: StoreParts,
    definition: FollowUp | AbandonedCart,
    *,
    since: datetime | None,
    now: datetime,
) -> tuple[Preview, list[Waiting], int]:
    """Who would be written to, everybody whom the journey would ask about, and how many may follow later."""
    async with services.database.read() as session:
        journey = await _known(session, parts.id, definition)
        if journey is not None:
            check_name(journey, definition)
        await check_column(session, parts.id, definition)
        shown = journey or Journey(
            store_id=parts.id,
            name=definition.name,
            kind=definition.kind,
            priority=definition.priority,
            state=JourneyState.DRAFT,
            created_at=now,
        )
        scope = await scope_if_launched(session, shown, definition, since=since, anew=True)
        scene = WatchScene(scope, parts, services)
        waiting = await launchable(session, scope, now=now)
        counts, entering = await _asked(session, scene, waiting, now=now)
        entered_today = definition.sending.max_per_day - await scene.room(session, now=now)
        quiet = await count_quiet(session, scope)
    today = local_date(now, scene.zone)
    days = Counter(
        assign_days(
            entering,
            already_by_day={today: entered_today},
            first_day=local_date(entering[0].at, scene.zone) if entering else today,
            max_per_day=definition.sending.max_per_day,
            hours=sending_hours(definition.sending),
        )
    )
    entrants: dict[date, int] = dict(sorted(days.items()))
    preview = Preview(
        considered=len(waiting),
        control=counts[CONTROL],
        skipped=audience_of(dict(counts)).skipped,
        entrants_by_day=entrants,
        messages_by_day=messages_by_day(definition, entrants, scene.zone, now),
    )
    return preview, waiting, quiet - len(waiting)


async def _asked(
    session: AsyncSession, scene: WatchScene, waiting: Sequence[Waiting], *, now: datetime
) -> tuple[Counter[str], list[Waiting]]:
    """How many would be left out why or held out, and who is left."""
    counts: Counter[str] = Counter()
    entering = []
    seen: set[int] = set()
    for start in range(0, len(waiting), _ASKED_AT_ONCE):
        page = waiting[start : start + _ASKED_AT_ONCE]
        # A second silence of somebody who enters for the first is answered by that: they are in a journey then.
        counts[LeftOut.IN_OTHER_JOURNEY] += sum(one.customer_id in seen for one in page)
        page = [one for one in page if one.customer_id not in seen]
        seen.update(one.customer_id for one in page)
        by_id = {one.id: one for one in page}
        for asked in await scene.ask(session, page, now=now):
            subject = asked.who.subject.conversation or asked.who.subject.checkout
            one = by_id[required_id(subject.id if subject is not None else None)]
            out = scene.left_out(asked, now=now, at_any_hour=True)
            if out is not None:
                counts[out.outcome] += 1
            elif scene.is_control(asked):
                counts[CONTROL] += 1
            else:
                entering.append(one)
    return counts, entering


async def _known(session: AsyncSession, store_id: int, definition: FollowUp | AbandonedCart) -> Journey | None:
    try:
        return await find_journey(session, store_id, definition.name)
    except UnknownJourneyError:
        return None


async def _begin(
    services: Services,
    parts: StoreParts,
    definition: FollowUp | AbandonedCart,
    *,
    since: datetime | None,
    now: datetime,
) -> tuple[int, int]:
    """Publish, activate and start the watch; the journey's id and the version's number."""
    async with services.database.write() as session:
        # Two launches at once must not both find the column free. A key share stays free for those who write rows of
        # the store: a webhook that holds the watches' rows would wait for us, and we for it.
        await session.exec(select(Store.id).where(col(Store.id) == parts.id).with_for_update(key_share=True))
        await check_column(session, parts.id, definition)
        journey, version = await publish(session, parts.id, definition, now=now)
        check_name(journey, definition)
        before = (journey.state, journey.state_reason)
        activate(journey, now=now)
        await open_watch(session, journey, since=since, now=now)
        journey_id = required_id(journey.id)
    try:
        await ensure_store_watches(services.temporal, parts)
        await start_watch(services.temporal, parts.id, journey_id, spacing(definition))
    except RPCError:
        async with services.database.write() as session:
            row = await journey_of(session, journey_id, alone=True)
            if row.state is JourneyState.ACTIVE:  # else somebody has paused or stopped it meanwhile
                set_state(row, *before, now=now)
        raise
    return journey_id, version.number


async def _wait(run: Run, services: Services, journey_id: int) -> None:
    """Until everybody who is due has an answer."""
    looks, moved_at, before = 0, 0, None
    while True:
        async with services.database.read() as session:
            scope = await scope_of(session, journey_id)
            if scope is None:
                return
            due = await due_page(session, scope, now=run.clock(), room=False, limit=1)
        if not due:
            return
        looks += 1
        if due != before:
            moved_at, before = looks, due
        elif looks - moved_at == _QUIET_LOOKS:
            run.output.note(_QUIET)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _account(
    session: AsyncSession, journey_id: int, definition: FollowUp | AbandonedCart, waiting: Sequence[Waiting]
) -> dict[str, int]:
    """The answers about those who were considered; who has none yet has a later moment."""
    subject = col(WatchAnswer.conversation_id if isinstance(definition, FollowUp) else WatchAnswer.checkout_id)
    since = {one.id: one.since for one in waiting}
    outcomes: Counter[str] = Counter()
    ids = list(since)
    for start in range(0, len(ids), _ASKED_AT_ONCE):
        for answered, began, outcome in await session.exec(
            select(subject, col(WatchAnswer.since), col(WatchAnswer.outcome)).where(
                WatchAnswer.journey_id == journey_id, subject.in_(ids[start : start + _ASKED_AT_ONCE])
            )
        ):
            if answered is not None and began == since[answered] and outcome in _TOLD:
                outcomes[outcome] += 1
    outcomes[PACED] += len(waiting) - outcomes.total()
    return dict(outcomes)


_TOLD = frozenset({ENTERED, CONTROL, *LeftOut})
