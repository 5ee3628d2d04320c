"""The beginning and the end of a run of a tracking journey: who is considered, before any model is paid."""

from typing import Final

from temporalio import activity

from activities.heartbeats import with_signs_of_life
from activities.services import Services, started_at
from models.enums import RunState
from models.orchestration import ConsideredPage, FinishRun, RunPlan, RunRef, TrackingInput
from models.tables import Store, TrackingRun
from storage.review_selection import consider_page
from storage.stores import required_id, store_parts, suppression_key
from storage.tracking_runs import finish_run, open_run

_FOR_EACH_SLOT: Final = 2
"""Conversations that wait for the model for each one that it reads, so that it finds one whenever it has read one."""


class ReviewingActivities:
    """The database's part of a run.

    Args:
        services: database and cipher are used.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def begin_run(self, ask: TrackingInput) -> RunPlan | None:
        """Begin the run that this workflow is, or go on with it; nothing where the journey is not active.

        A run that has ended is nothing to go on with either.
        """
        run_key = activity.info().workflow_id or ""
        async with self._services.database.write() as session:
            run = await open_run(session, ask.journey_id, run_key, trigger=ask.trigger, now=started_at())
            if run is None or run.state is not RunState.RUNNING:
                return None
            parts = await store_parts(session, run.store_id)
            return RunPlan(
                run_id=required_id(run.id),
                shop_queue=parts.shop_queue,
                selected=run.selected_at is not None,
                in_flight=_FOR_EACH_SLOT * self._services.llm_parallel,
            )

    @activity.defn
    @with_signs_of_life
    async def consider_page(self, ask: RunRef) -> ConsideredPage:
        """Ask the rules about the next page of conversations; where they stand is the run's own row's to know."""
        now = started_at()
        async with self._services.database.read() as session:
            run = await session.get_one(TrackingRun, ask.run_id)
            key = suppression_key(await session.get_one(Store, run.store_id), self._services.cipher)
        async with self._services.database.write() as session:
            page = await consider_page(session, ask.run_id, suppression_key=key, now=now)
        return ConsideredPage(considered=page.considered, to_analyse=page.waiting, more=page.more)

    @activity.defn
    async def finish_run(self, ask: FinishRun) -> None:
        """Write the run's end down."""
        async with self._services.database.write() as session:
            await finish_run(session, ask.run_id, stop_reason=ask.stop_reason, now=started_at())
