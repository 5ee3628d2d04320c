"""The steps of a launch as activities, and the starting of the workflows of those who entered."""

import asyncio

from temporalio import activity
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities import queues
from activities.entering import Entering
from activities.heartbeats import with_signs_of_life
from activities.search_attributes import JOURNEY, RUNNING, STATE, STORE, VERSION
from activities.selection import Selection
from activities.services import Services, started_at
from models.orchestration import (
    JourneyInput,
    JourneyRef,
    LaunchPhase,
    LaunchStep,
    NextDay,
    PageDone,
    SelectedPage,
    SelectPage,
    StartedPage,
    StartEntrants,
)
from storage.starting import Starting, starting

JOURNEY_WORKFLOW = "JourneyWorkflow"
_STARTED_AT_ONCE = 500
_IN_FLIGHT = 20


class AudienceActivities:
    """What AudienceWorkflow asks of the shop, the database and Temporal."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._selection = Selection(services)
        self._entering = Entering(services)

    @activity.defn
    async def launch_phase(self, ask: LaunchStep) -> LaunchPhase:
        """Where to go on with a launch."""
        return LaunchPhase(state=await self._selection.phase(ask.launch_id))

    @activity.defn
    @with_signs_of_life
    async def select_page(self, ask: SelectPage) -> SelectedPage:
        """Consider one page of the shop's lapsed customers."""
        page = await self._selection.select_page(ask.launch_id, ask.cursor, now=started_at())
        return SelectedPage(considered=page.considered, cursor=page.cursor, total=page.total)

    @activity.defn
    @with_signs_of_life
    async def judge_page(self, ask: LaunchStep) -> PageDone:
        """Ask the rules about one page of the considered."""
        return PageDone(remaining=await self._selection.judge_page(ask.launch_id, now=started_at()))

    @activity.defn
    @with_signs_of_life
    async def rank(self, ask: LaunchStep) -> None:
        """Cut at the limit and give days; from here on the launch enrolls."""
        await self._selection.rank(ask.launch_id, now=started_at())
        await self._selection.begin(ask.launch_id)

    @activity.defn
    @with_signs_of_life
    async def enroll_page(self, ask: LaunchStep) -> PageDone:
        """Enroll, pace or hold out one page of those who passed."""
        return PageDone(remaining=await self._entering.enroll_page(ask.launch_id, now=started_at()))

    @activity.defn
    async def finish_launch(self, ask: LaunchStep) -> None:
        """Write down that the launch is complete."""
        await self._entering.finish(ask.launch_id, now=started_at())

    @activity.defn
    @with_signs_of_life
    async def enter_paced(self, ask: JourneyRef) -> PageDone:
        """Enroll one page of those whose day has come."""
        return PageDone(remaining=await self._entering.enter_paced(ask.journey_id, now=started_at()))

    @activity.defn
    async def next_day(self, ask: JourneyRef) -> NextDay:
        """When the next paced customers enter."""
        return NextDay(at=await self._entering.next_day(ask.journey_id, now=started_at()))

    @activity.defn
    @with_signs_of_life
    async def start_entrants(self, ask: StartEntrants) -> StartedPage:
        """Start the workflows of one page of enrollments; one that runs already is left alone."""
        async with self._services.database.read() as session:
            page = await starting(session, ask.journey_id, after=ask.after, limit=_STARTED_AT_ONCE)
        gate = asyncio.Semaphore(_IN_FLIGHT)
        await asyncio.gather(*(self._start(one, gate) for one in page))
        return StartedPage(after=page[-1].enrollment_id if len(page) == _STARTED_AT_ONCE else None)

    async def _start(self, one: Starting, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                await self._services.temporal.start_workflow(
                    JOURNEY_WORKFLOW,
                    JourneyInput(enrollment_id=one.enrollment_id),
                    id=one.enrollment_id,
                    task_queue=queues.MAIN,
                    priority=queues.in_turns(one.store_id),
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=TypedSearchAttributes(
                        [
                            SearchAttributePair(STORE, one.store),
                            SearchAttributePair(JOURNEY, one.journey),
                            SearchAttributePair(VERSION, one.version),
                            SearchAttributePair(STATE, RUNNING),
                        ]
                    ),
                )
            except WorkflowAlreadyStartedError:
                return
