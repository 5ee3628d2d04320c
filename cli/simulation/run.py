"""One simulation, from launch to the last attribution window, on Temporal's virtual clock.

The recipe matters (`docs/decisions.md` says why): everything that must happen in order happens inside an activity or
a workflow, because the clock jumps whenever nothing is in flight; the clock is moved a day at a
time; and everything else goes through a second, plain client, which never makes the server skip.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio.client import WorkflowHandle

from activities import queues
from activities.health import check_store
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.outcome import collect
from cli.simulation.parts import Parts, running_parts
from cli.simulation.past import SimulationError, cart_deeds, tell_past
from cli.simulation.reviews import RunsWorkflow, ScheduledRuns, moments_of
from models.enums import JourneyState
from models.journey import AbandonedCart, FollowUp, JourneyDefinition, Tracking
from models.orchestration import AudienceInput, LaunchRequest, Wake, WatchInput
from models.tables import Journey, JourneyVersion
from policies.watching import spacing
from sandbox.chats import ChatInput, ChatWorkflow
from sandbox.shoppers import QUEUE, Deed, PlannedDeed, ShopperInput, ShopperWorkflow
from storage import simulated, simulated_runs
from storage.launches import open_launch
from storage.publishing import publish
from storage.stores import required_id
from storage.tracking_schedules import scheduled_run_id
from storage.watches import open_watch, watch_workflow_id
from workflows.audience import AudienceWorkflow
from workflows.watch import WatchWorkflow

_LONGEST_DAYS = 800
_LOOK_S = 0.02
_STARTED_AT_ONCE = 20
_A_RUN_TAKES_AT_MOST_S = 120
"""Of the real clock; one that waits for something goes on with the next day."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation has come, once for each virtual day."""

    day: int
    open: int
    closed: int
    sent: int


Watcher = Callable[[Progress], None]


class Simulation:
    """A simulation whose parts are up."""

    def __init__(self, options: Options, parts: Parts) -> None:
        self.parts = parts
        self._options = options
        self._day = 0
        self._began = time.monotonic()
        self._schedules: list[tuple[WorkflowHandle[RunsWorkflow, None], Sequence[datetime]]] = []

    async def launch(self) -> None:
        """Let the past have happened, launch every journey, and let what is still to come in the files be lived.

        Raises:
            SimulationError: the gateway did not take what a file says.
        """
        await tell_past(self.parts)
        await check_store(self.parts.services, self.parts.store.id, now=self.parts.opening)
        for definition in self._options.definitions:
            await self._launch(definition)
        await self._start_shoppers()
        await self._start_chats()

    async def run_days(self, watch: Watcher) -> None:
        """Let the days pass until every journey and every attribution window is over, or the asked days are.

        Raises:
            SimulationError: the gateway did not take what a file says.
        """
        longest = self._options.days if self._options.days is not None else _LONGEST_DAYS
        while self._day < longest:
            await self.parts.hand.move_to(self.parts.opening + timedelta(days=self._day + 1))
            self._day += 1
            if await self._is_over(watch):
                return

    async def outcome(self) -> Outcome:
        """Count what happened."""
        return await collect(
            self.parts.services.database,
            self.parts.whatsapp.books,
            definitions=self._options.definitions,
            opened_at=self.parts.opening,
            virtual_days=self._day,
            wall_seconds=time.monotonic() - self._began,
            prices=self._options.prices,
        )

    async def _launch(self, definition: JourneyDefinition) -> None:
        parts, now = self.parts, self.parts.opening
        async with parts.services.database.write() as session:
            journey, version = await publish(session, parts.store.id, self._options.as_run(definition), now=now)
            journey.state = JourneyState.ACTIVE
        if isinstance(definition, FollowUp | AbandonedCart):
            await self._watch(definition, journey)
        elif isinstance(definition, Tracking):
            await self._schedule(definition, journey)
        else:
            await self._select(journey, version)

    async def _watch(self, definition: FollowUp | AbandonedCart, journey: Journey) -> None:
        parts, journey_id = self.parts, required_id(journey.id)
        async with parts.services.database.write() as session:
            await open_watch(session, journey, since=None, now=parts.opening)
        await parts.client.start_workflow(
            WatchWorkflow.run,
            WatchInput(store_id=parts.store.id, journey_id=journey_id, spacing=spacing(definition)),
            id=watch_workflow_id(parts.store.id, journey_id),
            task_queue=queues.MAIN,
            start_signal="wake",
            start_signal_args=[Wake()],
        )
        while True:
            async with parts.services.database.read() as session:
                if await simulated.has_looked(session, journey_id):
                    break
            await asyncio.sleep(_LOOK_S)
        await parts.settle()

    async def _schedule(self, definition: Tracking, journey: Journey) -> None:
        parts, journey_id = self.parts, required_id(journey.id)
        days, zone = self._options.days or _LONGEST_DAYS, ZoneInfo(parts.store.store.time_zone)
        plan = ScheduledRuns(
            journey_id=journey_id,
            id_before=scheduled_run_id(parts.store.id, journey_id),
            moments=moments_of(definition, zone, parts.opening, days=days),
        )
        schedule = await parts.client.start_workflow(
            RunsWorkflow.run, plan, id=f"schedule-{journey_id}", task_queue=QUEUE
        )
        self._schedules.append((schedule, plan.moments))

    async def _select(self, journey: Journey, version: JourneyVersion) -> None:
        parts, journey_id = self.parts, required_id(journey.id)
        async with parts.services.database.write() as session:
            launch = await open_launch(
                session,
                store_id=parts.store.id,
                journey_id=journey_id,
                version_id=required_id(version.id),
                limit=self._options.limit,
                now=parts.opening,
            )
        launch_id = required_id(launch.id)
        await parts.client.start_workflow(
            AudienceWorkflow.run,
            AudienceInput(store_id=parts.store.id, journey_id=journey_id, shop_queue=parts.store.shop_queue),
            id=f"aud-{parts.store.id}-{journey_id}",
            task_queue=queues.MAIN,
            start_signal="launch",
            start_signal_args=[LaunchRequest(launch_id=launch_id)],
        )
        while True:
            async with parts.services.database.read() as session:
                if await simulated.is_launched(session, launch_id):
                    return
            await asyncio.sleep(_LOOK_S)

    async def _start_chats(self) -> None:
        parts = self.parts
        gate = asyncio.Semaphore(_STARTED_AT_ONCE)

        async def start(number: int, first: int, moments: tuple[datetime, ...]) -> None:
            async with gate:
                await parts.client.start_workflow(
                    ChatWorkflow.run,
                    ChatInput(chat=number, first=first, moments=moments),
                    id=f"chat-{number}",
                    task_queue=QUEUE,
                )

        to_come = []
        for number, chat in enumerate(parts.cast.chats):
            moments = tuple(event.at for event in chat.events if event.at > parts.opening)
            if moments:
                to_come.append(start(number, len(chat.events) - len(moments), moments))
        await asyncio.gather(*to_come)

    async def _start_shoppers(self) -> None:
        async with self.parts.services.database.read() as session:
            considered = {*await simulated.considered_customers(session), *self.parts.cast.people}
        deeds: dict[int, list[PlannedDeed]] = defaultdict(list)
        for deed in cart_deeds(self.parts.cast):
            if deed.at > self.parts.opening:
                deeds[deed.customer].append(deed)
        for order in sorted(self.parts.world.future, key=lambda one: (one.days, one.order_id)):
            if order.customer_id in considered:
                at = self.parts.opening + timedelta(hours=24 * order.days)
                deeds[order.customer_id].append(
                    PlannedDeed(at=at, deed=Deed.ORDER, customer=order.customer_id, order_id=order.order_id)
                )
        for plan in deeds.values():
            plan.sort(key=lambda one: one.at)
        gate = asyncio.Semaphore(_STARTED_AT_ONCE)

        async def start(customer: int, plan: list[PlannedDeed]) -> None:
            async with gate:
                await self.parts.client.start_workflow(
                    ShopperWorkflow.run, ShopperInput(deeds=tuple(plan)), id=f"shopper-{customer}", task_queue=QUEUE
                )

        await asyncio.gather(*(start(customer, plan) for customer, plan in deeds.items()))

    async def _let_runs_end(self, now: datetime) -> None:
        """A run that is due at the very moment up to which the clock was moved has begun, or not: let it have ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_A_RUN_TAKES_AT_MOST_S):
                for schedule, moments in self._schedules:
                    due = max((at for at in moments if at <= now), default=None)
                    while due is not None:
                        through = await schedule.query(RunsWorkflow.through)
                        if through is not None and through >= due:
                            break
                        await asyncio.sleep(_LOOK_S)

    async def _is_over(self, watch: Watcher) -> bool:
        now = self.parts.opening + timedelta(days=self._day)
        self.parts.clock.reached(now)
        await self._let_runs_end(now)
        await self.parts.sender.deliver_due()
        await self.parts.relay.drain()
        if self.parts.chats.refused is not None:
            raise SimulationError(str(self.parts.chats.refused))
        async with self.parts.services.database.read() as session:
            standing = await simulated.standing(session)
            reviewing = await simulated_runs.is_reviewing(session)
        watch(Progress(self._day, standing.open, standing.closed, standing.sent))
        counts_until, last_at = standing.last_receipt_counts_until, self.parts.cast.last_at
        return (
            (last_at is None or last_at < now)
            and not standing.watching
            and not reviewing
            and standing.paced == 0
            and standing.open == standing.waiting_for_ever
            and (counts_until is None or counts_until < now)
        )


async def simulate(options: Options, *, watch: Watcher = lambda _: None) -> Outcome:
    """Run a simulation and count what happened."""
    async with running_parts(options) as parts:
        simulation = Simulation(options, parts)
        await simulation.launch()
        await simulation.run_days(watch)
        return await simulation.outcome()
