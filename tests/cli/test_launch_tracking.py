"""Launching a tracking journey, changing it, and asking for a run, on a real Temporal server."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from activities.schedules import ScheduleView, look_at_schedule
from composition import system_clock
from models.enums import JourneyState, RunState, RunTrigger, TemplateStatus
from models.orchestration import TrackingInput, TrackingProgress
from models.tables import Journey, TrackingRun
from models.tracking import Tracking
from storage.publishing import publish
from storage.tracking_schedules import tracking_schedule_id
from tests.cli.conftest import ROOT, Scene, edit
from tests.scheduled import until_schedule
from workflows.health import HealthWorkflow
from workflows.ids import health_workflow_id

FILE = (
    "name: daily-review\nkind: tracking\nrun_at: '03:17'\n"
    "template: {name: tracking_note, language: en, variables: {'1': '{ai.text}'}}\n"
    "sending: {hours: '00:00-24:00', time_zone: store}\n"
)


@pytest.fixture
def tracking_file(tmp_path: Path) -> Path:
    """A review at a time that is not now."""
    path = tmp_path / "tracking.yaml"
    path.write_text(FILE)
    return path


async def _until_run(scene: Scene) -> TrackingRun:
    """The one run, as soon as it is over."""
    for _ in range(200):
        rows: list[TrackingRun] = await scene.rows(TrackingRun)
        if rows and rows[0].state is not RunState.RUNNING:
            return rows[0]
        await asyncio.sleep(0.05)
    raise AssertionError("no run is over")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.usefixtures("worker")
async def test_a_schedule_follows_its_journey_from_launch_to_stop(
    world: Scene, tracking_file: Path, temporal: Client
) -> None:
    """Launch makes it, publish moves it, pause and resume carry over, stop takes it away, and it can come back."""
    told = await world.document("launch", str(tracking_file), "--yes")
    view = await look_at_schedule(temporal, 1, 1)
    assert view == ScheduleView(paused=False, next_at=_moment(told["tracking"]["next_runs"][0]), running=None)
    assert (told["state"], told["watch"], told["tracking"]["conversations"]) == ("active", None, 0)
    (line,) = (await world.document("journeys"))["journeys"]
    assert _moment(line["next_run_at"]) == view.next_at

    edit(tracking_file, ("03:17", "04:44"))
    assert (await world.document("publish", str(tracking_file), "--yes"))["version"] == 2
    (line,) = (await world.document("journeys"))["journeys"]
    moved = _moment(line["next_run_at"])
    assert moved.minute == 44
    await until_schedule(look_at_schedule, temporal, lambda one: one is not None and one.next_at == moved)

    await world.document("pause", "daily-review")
    await until_schedule(look_at_schedule, temporal, lambda one: one is not None and one.paused)
    (line,) = (await world.document("journeys"))["journeys"]
    assert line["next_run_at"] is None
    await world.document("resume", "daily-review")
    await until_schedule(look_at_schedule, temporal, lambda one: one is not None and one.next_at == moved)

    await temporal.get_schedule_handle(tracking_schedule_id(1, 1)).trigger()
    run = await _until_run(world)
    assert (run.trigger, run.state) == (RunTrigger.SCHEDULE, RunState.DONE)
    assert run.run_key.startswith("tracking-1-1-at-20")

    await world.document("stop", "daily-review", "--yes")
    await until_schedule(look_at_schedule, temporal, lambda one: one is None)
    assert (await world.document("launch", str(tracking_file), "--yes"))["version"] == 2
    assert await look_at_schedule(temporal, 1, 1) is not None


@pytest.mark.usefixtures("worker")
async def test_a_launch_that_nobody_confirms_stores_nothing(
    world: Scene, tracking_file: Path, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question names the first run; a no leaves neither a journey nor a schedule."""
    questions: list[str] = []
    monkeypatch.setattr("cli.launch.require_terminal", lambda **_: None)
    monkeypatch.setattr("cli.run.Run.confirm", lambda _, question: questions.append(question))
    answer = await world.run("launch", str(tracking_file))
    assert (answer.code, await world.rows(Journey)) == (1, [])
    assert questions[0].startswith("It first runs on ")
    assert "at 03:17. Start" in questions[0]
    assert await look_at_schedule(temporal, 1, 1) is None


@pytest.mark.parametrize(
    ("option", "hint"), [(("--limit", "5"), "max_conversations"), (("--only-new",), "window_hours")]
)
async def test_options_of_other_kinds_are_refused(
    world: Scene, tracking_file: Path, temporal: Client, option: tuple[str, ...], hint: str
) -> None:
    """A tracking journey has its own limit and its own window."""
    assert temporal
    answer = await world.run("launch", str(tracking_file), "--yes", *option)
    assert answer.code == 2
    assert hint in answer.err


@pytest.mark.usefixtures("worker")
async def test_a_journey_that_waits_for_its_template_gets_its_schedule_when_it_goes_live(
    world: Scene, tracking_file: Path, temporal: Client
) -> None:
    """No run begins before; then it goes live by itself."""
    assert world.whatsapp is not None
    edit(tracking_file, ("name: tracking_note", "name: winback_pending"))
    told = await world.document("launch", str(tracking_file), "--yes")
    assert (told["state"], told["tracking"]["next_runs"]) == ("pending", [])
    assert await look_at_schedule(temporal, 1, 1) is None
    refused = await world.run("run-now", "daily-review")
    assert (refused.code, "pending" in refused.err) == (1, True)
    world.whatsapp.set_template_status("winback_pending", "en", TemplateStatus.APPROVED, system_clock())
    await temporal.get_workflow_handle(health_workflow_id(1)).signal(HealthWorkflow.check_now)
    await until_schedule(look_at_schedule, temporal, lambda one: one is not None)


@pytest.mark.usefixtures("worker")
async def test_a_run_is_asked_for(world: Scene, tracking_file: Path, journey_file: Path, temporal: Client) -> None:
    """It ends with its counts and leaves the schedule alone; where no run can begin a sentence says why."""
    await world.document("launch", str(tracking_file), "--yes")
    before = await look_at_schedule(temporal, 1, 1)
    told = await world.document("run-now", "daily-review")
    assert (told["run"]["state"], told["run"]["considered"], told["waited"]) == ("done", 0, True)
    (row,) = await world.rows(TrackingRun)
    assert (row.run_key, row.trigger, row.state) == (told["workflow_id"], RunTrigger.STAFF, RunState.DONE)
    assert await look_at_schedule(temporal, 1, 1) == before
    doctor = await world.run("doctor", "daily-review")
    assert "its schedule runs next on" in doctor.out
    assert "got through" in doctor.out

    async with world.database.write() as session:
        (await session.get_one(TrackingRun, row.id)).state = RunState.RUNNING
    # Its workflow has ended, so it is no reason to wait.
    at = system_clock() + timedelta(seconds=2)
    world.clock = at
    assert (await world.document("run-now", "daily-review", "--no-wait"))["waited"] is False
    world.clock = None

    await temporal.start_workflow("TrackingWorkflow", id="unserved", task_queue="nobody")
    async with world.database.write() as session:
        for one in await session.exec(select(TrackingRun)):
            one.run_key, one.state, one.started_at = f"{one.run_key}-", RunState.DONE, datetime(2026, 1, 1, tzinfo=UTC)
        session.add(
            TrackingRun(
                **(row.model_dump() | {"id": None, "run_key": "unserved", "state": RunState.RUNNING, "started_at": at})
            )
        )
    refused = await world.run("run-now", "daily-review")
    assert (refused.code, "is under way (unserved)" in refused.err) == (1, True)

    await world.document("pause", "daily-review")
    refused = await world.run("run-now", "daily-review")
    assert (refused.code, "is paused; `resume daily-review` first" in refused.err) == (1, True)
    world.customer(1)
    await world.document("launch", str(journey_file), "--yes")
    refused = await world.run("run-now", "quiet")
    assert (refused.code, "only a tracking journey has runs" in refused.err) == (1, True)
    assert (await world.run("run-now", "nothing")).code == 3
    (journey, _) = await world.rows(Journey)
    assert journey.state is JourneyState.PAUSED


@workflow.defn(name="TrackingWorkflow", sandboxed=False)
class Endless:
    """A run that never ends."""

    @workflow.run
    async def run(self, start: TrackingInput) -> TrackingProgress:
        """Wait."""
        await workflow.wait_condition(lambda: start.journey_id == 0)
        return TrackingProgress()

    @workflow.query
    def progress(self) -> TrackingProgress:
        """Half-way."""
        return TrackingProgress(phase="analysing", considered=9, to_analyse=8, analysed=4, detected=2, enrolled=1)


async def test_ctrl_c_stops_the_watching_and_not_the_run(scene: Scene, temporal: Client) -> None:
    """The command ends with 130; the run goes on."""
    store_id = await scene.add_store()
    definition = Tracking.model_validate({"name": "daily-review", "kind": "tracking"})
    async with scene.database.write() as session:
        journey, _ = await publish(session, store_id, definition, now=system_clock())
        journey.state = JourneyState.ACTIVE
    async with Worker(temporal, task_queue="rekindle", workflows=[Endless]):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "starter.py"), "run-now", "daily-review"),
            env={**os.environ, **scene.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        begun = [one async for one in temporal.list_workflows("WorkflowType = 'TrackingWorkflow'")]
        async with asyncio.timeout(30):
            while not begun:
                await asyncio.sleep(0.1)
                begun = [one async for one in temporal.list_workflows("WorkflowType = 'TrackingWorkflow'")]
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        described = await temporal.get_workflow_handle(begun[0].id).describe()
        await temporal.get_workflow_handle(begun[0].id).terminate()
    assert (process.returncode, out) == (130, b"")
    assert b"interrupted: the run goes on by itself" in err
    assert described.status is WorkflowExecutionStatus.RUNNING
