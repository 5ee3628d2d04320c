"""One simulation, from launch to the last attribution window, on Temporal's virtual clock.

The recipe matters (`docs/decisions.md` says why): everything that must happen in order happens inside an activity or
a workflow, because the clock jumps whenever nothing is in flight; the clock is moved a day at a
time; and everything else goes through a second, plain client, which never makes the server skip.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from activities import queues
from activities.health import check_store
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.outcome import collect
from cli.simulation.parts import Parts, running_parts
from models.enums import JourneyState
from models.journey import JourneyDefinition
from models.orchestration import AudienceInput, LaunchRequest
from sandbox.shoppers import QUEUE, Deed, PlannedDeed, ShopperInput, ShopperWorkflow
from storage import simulated
from storage.journeys import publish
from storage.launches import open_launch
from storage.stores import required_id
from workflows.audience import AudienceWorkflow

_LONGEST_DAYS = 800
_LOOK_S = 0.02
_STARTED_AT_ONCE = 20


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

    async def launch(self) -> None:
        """Launch every journey, and let the file's later orders be lived by the customers who were considered."""
        await check_store(self.parts.services, self.parts.store.id, now=self.parts.opening)
        for definition in self._options.definitions:
            await self._launch(definition)
        await self._start_shoppers()

    async def run_days(self, watch: Watcher) -> None:
        """Let the days pass until every journey and every attribution window is over, or the asked days are."""
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
            stages=max(len(definition.stages) for definition in self._options.definitions),
            opened_at=self.parts.opening,
            virtual_days=self._day,
            wall_seconds=time.monotonic() - self._began,
        )

    async def _launch(self, definition: JourneyDefinition) -> None:
        parts, now = self.parts, self.parts.opening
        async with parts.services.database.write() as session:
            journey, version = await publish(session, parts.store.id, definition, now=now)
            journey.state = JourneyState.ACTIVE
            launch = await open_launch(
                session,
                store_id=parts.store.id,
                journey_id=required_id(journey.id),
                version_id=required_id(version.id),
                limit=self._options.limit,
                now=now,
            )
        launch_id, journey_id = required_id(launch.id), required_id(journey.id)
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

    async def _start_shoppers(self) -> None:
        async with self.parts.services.database.read() as session:
            considered = set(await simulated.considered_customers(session))
        deeds: dict[int, list[PlannedDeed]] = defaultdict(list)
        for order in sorted(self.parts.world.future, key=lambda one: (one.days, one.order_id)):
            if order.customer_id in considered:
                at = self.parts.opening + timedelta(hours=24 * order.days)
                deeds[order.customer_id].append(
                    PlannedDeed(at=at, deed=Deed.ORDER, customer=order.customer_id, order_id=order.order_id)
                )
        gate = asyncio.Semaphore(_STARTED_AT_ONCE)

        async def start(customer: int, plan: list[PlannedDeed]) -> None:
            async with gate:
                await self.parts.client.start_workflow(
                    ShopperWorkflow.run, ShopperInput(deeds=tuple(plan)), id=f"shopper-{customer}", task_queue=QUEUE
                )

        await asyncio.gather(*(start(customer, plan) for customer, plan in deeds.items()))

    async def _is_over(self, watch: Watcher) -> bool:
        now = self.parts.opening + timedelta(days=self._day)
        self.parts.clock.reached(now)
        await self.parts.sender.deliver_due()
        await self.parts.relay.drain()
        async with self.parts.services.database.read() as session:
            standing = await simulated.standing(session)
        watch(Progress(self._day, standing.open, standing.closed, standing.sent))
        counts_until = standing.last_receipt_counts_until
        return (
            standing.paced == 0
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
