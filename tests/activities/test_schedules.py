"""The schedules of tracking journeys on a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from activities import schedules
from activities.schedule_specs import DAILY_WORKFLOW, run_times, schedule_of
from activities.schedules import (
    ensure_schedule,
    ensure_schedules,
    look_at_daily,
    look_at_schedule,
    start_run_now,
)
from activities.services import Services
from composition import system_clock
from models.enums import JourneyState
from models.journey import Tracking
from storage.daily_selections import PlannedSelection
from storage.engine import Database
from storage.publishing import publish
from storage.tracking_schedules import Planned, planned_journeys, tracking_schedule_id
from tests.databases import new_sqlite_file
from tests.devserver import dev_server
from tests.stack import BIN
from tests.worlds import make_world
from workflows.plugin import WORKFLOWS, RekindlePlugin

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _definition(**changes: object) -> Tracking:
    return Tracking.model_validate({"name": "daily-review", "kind": "tracking", **changes})


def _planned(journey_id: int, zone: str = "Europe/Madrid", **changes: Any) -> Planned:
    options: dict[str, Any] = {
        "state": JourneyState.ACTIVE,
        "version": 1,
        "definition": _definition(),
        "active_since": None,
        "ran_at": None,
    }
    return Planned(
        store_id=1, store="shop", time_zone=zone, journey_id=journey_id, journey="daily-review", **(options | changes)
    )


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """A dev server of this module."""
    async with dev_server() as environment:
        yield await Client.connect(
            environment.client.service_client.config.target_host, plugins=[RekindlePlugin()], lazy=False
        )


def _handle(client: Client, one: Planned) -> ScheduleHandle:
    return client.get_schedule_handle(tracking_schedule_id(1, one.journey_id))


async def test_a_schedule_is_made_changed_paused_and_deleted(client: Client) -> None:
    """It follows the journey's version, its store's zone and its state, and asking twice changes nothing."""
    one = _planned(1)
    await ensure_schedule(client, one, now=NOW)
    first = await _handle(client, one).describe()
    assert list(first.info.next_action_times)[:5] == list(islice(run_times(one).runs(system_clock()), 5))
    await ensure_schedule(client, one, now=NOW)
    assert (await _handle(client, one).describe()).info.last_updated_at is None

    moved = replace(one, version=2, definition=_definition(run_at="17:45", weekdays=["tue", "sun"]))
    await ensure_schedule(client, moved, now=NOW)
    view = await look_at_schedule(client, 1, 1)
    assert view is not None
    assert view.next_at == run_times(moved).following(system_clock())

    await ensure_schedule(client, replace(moved, time_zone="America/New_York"), now=NOW)
    view = await look_at_schedule(client, 1, 1)
    assert view is not None
    assert view.next_at == run_times(replace(moved, time_zone="America/New_York")).following(system_clock())

    await ensure_schedule(client, replace(moved, state=JourneyState.PAUSED), now=NOW)
    view = await look_at_schedule(client, 1, 1)
    assert view is not None
    assert (view.paused, view.next_at) == (True, None)
    await ensure_schedule(client, moved, now=NOW)
    assert not (await _handle(client, one).describe()).schedule.state.paused

    for _ in range(2):
        await ensure_schedule(client, replace(moved, state=JourneyState.STOPPED), now=NOW)
        assert await look_at_schedule(client, 1, 1) is None


async def test_an_always_on_win_back_has_a_schedule_of_its_own_kind(client: Client) -> None:
    """Every day, pausing and coming right as a review's does; it begins another workflow, and goes when it ends."""
    one = PlannedSelection(
        store_id=1,
        store="shop",
        time_zone="America/New_York",
        journey_id=7,
        journey="quiet",
        state=JourneyState.ACTIVE,
        version=1,
        at="17:45",
        on=True,
        active_since=None,
        ran_at=None,
    )
    await ensure_schedule(client, one, now=NOW)
    handle = client.get_schedule_handle("daily-1-7")
    found = await handle.describe()
    assert list(found.info.next_action_times)[:5] == list(islice(run_times(one).runs(system_clock()), 5))
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.id) == (DAILY_WORKFLOW, "daily-1-7-at")
    await ensure_schedule(client, replace(one, state=JourneyState.PAUSED), now=NOW)
    view = await look_at_daily(client, 1, 7)
    assert view is not None
    assert view.paused
    await handle.delete()
    await ensure_schedule(client, one, now=NOW)
    assert await look_at_daily(client, 1, 7) is not None
    await ensure_schedule(client, replace(one, on=False), now=NOW)
    assert await look_at_daily(client, 1, 7) is None
    assert DAILY_WORKFLOW in {one.__name__ for one in WORKFLOWS}


async def test_one_that_was_deleted_or_paused_by_hand_comes_right(client: Client) -> None:
    """The database has the truth: the next look makes it again, or lets it run again."""
    one = _planned(2)
    await ensure_schedule(client, one, now=NOW)
    await _handle(client, one).delete()
    await ensure_schedule(client, one, now=NOW)
    await _handle(client, one).pause(note="by hand")
    await ensure_schedule(client, one, now=NOW)
    view = await look_at_schedule(client, 1, 2)
    assert view is not None
    assert not view.paused


@pytest.mark.parametrize(
    ("zone", "clock", "change"),
    [
        ("Europe/Madrid", "02:30", date(2027, 3, 28)),
        ("Europe/Madrid", "02:30", date(2027, 10, 31)),
        ("America/New_York", "02:30", date(2027, 3, 14)),
        ("America/New_York", "01:30", date(2027, 11, 7)),
        ("Australia/Lord_Howe", "02:15", date(2027, 10, 3)),
        ("America/Santiago", "00:30", date(2027, 9, 5)),
    ],
)
async def test_the_server_agrees_about_the_days_on_which_clocks_change(
    client: Client, zone: str, clock: str, change: date
) -> None:
    """Asked for its next actions around such a day, it names one a day, as the rule has them to the second."""
    one = _planned(100, zone, definition=_definition(run_at=clock))
    begins = datetime(change.year, change.month, change.day, tzinfo=UTC) - timedelta(days=3)
    wanted = schedule_of(one, now=begins)
    wanted.spec.start_at = begins
    wanted.state.paused = True
    handle = await client.create_schedule(f"odd-{zone.replace('/', '-')}-{change}", wanted)
    found = (await handle.describe()).info.next_action_times
    expected = list(islice(run_times(one).runs(begins), 6))
    assert [at.replace(second=0) for at in found[:6]] == expected
    assert [at.second for at in found[:6]].count(1) == 1


async def test_a_run_that_was_due_while_the_schedule_was_away_is_made_good(client: Client) -> None:
    """On the same day, once, and only if the journey was active when it was due and no other run has begun since."""
    today = _definition(run_at="00:00")
    now = system_clock()
    due = now.replace(hour=0, minute=0, second=0, microsecond=0)
    one = _planned(3, "UTC", definition=today, active_since=due - timedelta(days=2), ran_at=due - timedelta(days=1))
    await ensure_schedule(client, replace(one, ran_at=due + timedelta(minutes=1)), now=now)
    assert (await _handle(client, one).describe()).info.num_actions == 0
    await _handle(client, one).delete()
    await ensure_schedule(client, replace(one, active_since=now), now=now)
    assert (await _handle(client, one).describe()).info.num_actions == 0
    await _handle(client, one).delete()
    for _ in range(2):
        await ensure_schedule(client, one, now=now)
    found = await _handle(client, one).describe()
    assert found.info.num_actions + len(found.info.running_actions) >= 1
    view = await look_at_schedule(client, 1, 3)
    assert view is not None
    assert view.running is not None
    assert view.running.startswith("tracking-1-3-at-")
    workflow = client.get_workflow_handle(view.running)
    described = await workflow.describe()
    assert (described.workflow_type, described.task_queue) == ("TrackingWorkflow", "rekindle")
    await workflow.terminate()


async def test_runs_that_are_due_while_one_is_under_way_become_one(client: Client) -> None:
    """The next begins when the one before it has ended, and of several that came due meanwhile only one is left."""
    one = _planned(5)
    await ensure_schedule(client, one, now=NOW)
    handle = _handle(client, one)
    for count in range(3):
        await handle.trigger()
        await _until_acted(handle, 1, skipped=max(count - 1, 0))
    begun = (await handle.describe()).info.recent_actions[0].action
    assert isinstance(begun, ScheduleActionExecutionStartWorkflow)
    await client.get_workflow_handle(begun.workflow_id).terminate()
    await _until_acted(handle, 2, skipped=1)


async def _until_acted(handle: ScheduleHandle, actions: int, *, skipped: int) -> None:
    for _ in range(200):
        info = (await handle.describe()).info
        if (info.num_actions, info.num_actions_skipped_overlap) == (actions, skipped):
            return
        await asyncio.sleep(0.05)
    raise AssertionError((info.num_actions, info.num_actions_skipped_overlap))


async def test_a_server_without_schedules_is_left_alone(tmp_path: Path) -> None:
    """The server of simulations has none, and a store's upkeep goes on all the same."""
    new_sqlite_file(tmp_path / "rekindle.db", stamped=True)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/rekindle.db", throwaway=True)
    world = await make_world(database)
    async with database.write() as session:
        journey, _ = await publish(session, world.store_id, _definition(), now=NOW)
        journey.state = JourneyState.ACTIVE
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(BIN / "temporal-test-server")
    ) as environment:
        client = await Client.connect(environment.client.service_client.config.target_host, plugins=[RekindlePlugin()])
        async with database.read() as session:
            (one,) = await planned_journeys(session, world.store_id)
        with pytest.raises(RPCError) as refused:
            await ensure_schedule(client, one, now=NOW)
        assert refused.value.status is RPCStatusCode.UNIMPLEMENTED
        services = cast("Services", SimpleNamespace(database=database, temporal=client))
        await ensure_schedules(services, world.store_id, now=NOW)
    await database.close()


async def test_a_schedule_that_the_server_refuses_holds_nothing_else_up(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list of zones may be older than ours: the store's other journeys get their schedules, its upkeep goes on."""
    new_sqlite_file(tmp_path / "rekindle.db", stamped=True)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/rekindle.db", throwaway=True)
    world = await make_world(database)
    async with database.write() as session:
        for name in ("first", "second"):
            journey, _ = await publish(session, world.store_id, _definition(name=name, run_at="11:00"), now=NOW)
            journey.state = JourneyState.ACTIVE
    async with database.read() as session:
        first, second = await planned_journeys(session, world.store_id)
    real = schedule_of

    def unknown_zone(one: Planned, *, now: datetime) -> Schedule:
        wanted = real(one, now=now)
        if one.journey == first.journey:
            wanted.spec.time_zone_name = "Antarctica/Newest"
        return wanted

    monkeypatch.setattr(schedules, "schedule_of", unknown_zone)
    with pytest.raises(RPCError) as refused:
        await ensure_schedule(client, first, now=NOW)
    assert refused.value.status is RPCStatusCode.INVALID_ARGUMENT
    services = cast("Services", SimpleNamespace(database=database, temporal=client))
    await ensure_schedules(services, world.store_id, now=NOW)
    assert await look_at_schedule(client, first.store_id, first.journey_id) is None
    assert await look_at_schedule(client, second.store_id, second.journey_id) is not None
    await _handle(client, second).delete()
    await database.close()


async def test_a_run_of_its_own_has_its_moment_as_id(client: Client) -> None:
    """Asked for twice within a second it begins once."""
    one = _planned(4)
    workflow_id = await start_run_now(client, one, now=NOW)
    assert workflow_id == "tracking-1-4-now-2026-11-22T12:00:00Z"
    with pytest.raises(Exception, match="already started"):
        await start_run_now(client, one, now=NOW)
    await client.get_workflow_handle(workflow_id).terminate()
