"""Launching a journey whose templates are not approved, and its going live by itself."""

import asyncio
import json
from pathlib import Path

import pytest
from temporalio.client import Client

from composition import system_clock
from models.enums import EnrollmentState, JourneyState, LaunchState, StoreEventKind, TemplateStatus
from models.tables import Enrollment, Journey, Launch, StoreEvent
from tests.cli.conftest import Scene, edit
from workflows.health import HealthWorkflow
from workflows.ids import health_workflow_id

pytestmark = pytest.mark.usefixtures("worker")


async def _until_entered(scene: Scene, count: int) -> list[Enrollment]:
    for _ in range(400):
        rows = [one for one in await scene.rows(Enrollment) if one.state is not EnrollmentState.STARTING]
        if len(rows) == count:
            return rows
        await asyncio.sleep(0.05)
    raise AssertionError(f"{count} did not enter")


async def test_a_pending_launch_is_carried_out_when_its_template_is_approved(
    world: Scene, journey_file: Path, temporal: Client
) -> None:
    """Nobody is selected while it waits; then it goes live by itself, with the launch's limit and whoever is there."""
    assert world.whatsapp is not None
    edit(journey_file, ("template: winback_hello", "template: winback_pending"))
    for number in range(1, 4):
        world.customer(number)
    launched = await world.run("launch", str(journey_file), "--yes", "--json", "--limit", "4")
    assert launched.code == 0, launched.err
    told = json.loads(launched.out)
    assert (told["state"], told["waits_for"]) == ("pending", ["template winback_pending (en): PENDING"])
    assert told["audience"]["considered"] == 0
    (journey,) = await world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.PENDING, told["waits_for"][0])
    assert "pending: it waits for template winback_pending (en): PENDING;" in (await world.run("doctor")).out
    for number in range(4, 7):
        world.customer(number)
    world.whatsapp.set_template_status("winback_pending", "en", TemplateStatus.APPROVED, system_clock())
    await temporal.get_workflow_handle(health_workflow_id(1)).signal(HealthWorkflow.check_now)
    await _until_entered(world, 4)
    (journey,) = await world.rows(Journey)
    assert journey.state is JourneyState.ACTIVE
    kinds = [event.kind for event in await world.rows(StoreEvent)]
    assert kinds == [
        StoreEventKind.JOURNEY_PENDING,
        StoreEventKind.TEMPLATE_STATUS_CHANGED,
        StoreEventKind.JOURNEY_LIVE,
    ]
    (launch,) = await world.rows(Launch)
    assert (launch.state, launch.considered) == (LaunchState.DONE, 6)


async def test_a_pending_journey_that_is_launched_again_is_one_launch(world: Scene, journey_file: Path) -> None:
    """The later launch counts, and a stop takes it back; a journey that runs is not made to wait."""
    edit(journey_file, ("template: winback_hello", "template: winback_pending"))
    world.customer(1)
    for limit in ("5", "7"):
        assert (await world.run("launch", str(journey_file), "--yes", "--limit", limit)).code == 0
    states = [(one.state, one.entrant_limit) for one in await world.rows(Launch)]
    assert states == [(LaunchState.FAILED, 5), (LaunchState.WAITING, 7)]
    assert (await world.run("stop", "quiet", "--yes")).code == 0
    (journey,) = await world.rows(Journey)
    assert journey.state is JourneyState.STOPPED
    assert {one.state for one in await world.rows(Launch)} == {LaunchState.FAILED}
    edit(journey_file, ("template: winback_pending", "template: winback_hello"))
    assert (await world.run("launch", str(journey_file), "--yes")).code == 0
    edit(journey_file, ("template: winback_hello", "template: winback_pending"))
    refused = await world.run("launch", str(journey_file), "--yes")
    assert refused.code == 1
    assert "would hold everybody who is in it" in refused.err
    (journey,) = await world.rows(Journey)
    assert journey.state is JourneyState.ACTIVE
