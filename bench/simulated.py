"""Whole simulations: the real workflows, activities, gateway, database and HTTP on the time-skipping server."""

import time
from dataclasses import dataclass
from datetime import date, timedelta

from sqlmodel import select
from temporalio.client import WorkflowHistory

from cli.simulation.options import Options
from cli.simulation.parts import Parts, running_parts
from cli.simulation.run import Simulation
from models.journey import JourneyDefinition
from models.orders_file import OrderRow
from models.tables import Enrollment

_TODAY = date(2026, 11, 20)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a simulation took, start-up not counted, and one of its histories.

    Attributes:
        launched_s: from the launch's request until everybody was selected and started.
        passed_s: from then until every journey was over.
    """

    journeys: int
    messages: int
    launched_s: float
    passed_s: float
    history: WorkflowHistory | None

    @property
    def per_second(self) -> float:
        """Journeys a second, selection included."""
        return self.journeys / (self.launched_s + self.passed_s)


def orders(customers: int) -> list[OrderRow]:
    """One order for each customer, all of them lapsed and none coming back."""
    return [
        OrderRow(
            order_id=str(number),
            customer_id=str(number),
            ordered_on=_TODAY - timedelta(days=61 + number % 28),
            total_minor=4200,
            currency="EUR",
        )
        for number in range(1, customers + 1)
    ]


async def run(definition: JourneyDefinition, customers: int, *, limit: int | None = None) -> Ran:
    """Simulate a journey from its launch to its last watch, nobody reacting.

    Args:
        definition: what to send.
        customers: how many qualify.
        limit: how many of them enter; None for all.
    """
    options = Options(
        definitions=(definition,), orders=orders(customers), as_of=_TODAY, limit=limit, habits=None, days=30
    )
    async with running_parts(options) as parts:
        simulation = Simulation(options, parts)
        began = time.perf_counter()
        await simulation.launch()
        launched = time.perf_counter()
        await simulation.run_days(lambda _: None)
        passed = time.perf_counter()
        outcome = await simulation.outcome()
        return Ran(
            journeys=outcome.exits["completed"],
            messages=outcome.provider.received,
            launched_s=launched - began,
            passed_s=passed - launched,
            history=await _one_history(parts),
        )


async def _one_history(parts: Parts) -> WorkflowHistory | None:
    async with parts.services.database.read() as session:
        enrollment = (await session.exec(select(Enrollment.id).order_by(Enrollment.id).limit(1))).first()
    if enrollment is None:
        return None
    return await parts.client.get_workflow_handle(enrollment).fetch_history()
