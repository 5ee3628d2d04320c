"""Win-backs that are always on: launching, changing and ending them, on a real Temporal server."""

import asyncio
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client

from activities.schedules import ScheduleView, look_at_daily
from cli.launch_schedule import set_schedule
from cli.validate import read_definition
from composition import system_clock
from models.enums import EnrollmentState, JourneyState, LaunchState, StoreEventKind, TemplateStatus
from models.tables import DailySelection, Enrollment, EntryDecision, Journey, Launch, Store, StoreEvent
from storage.daily_selections import daily_schedule_id, open_day, selection_times
from storage.engine import Database
from storage.publishing import publish
from storage.store_events import NO_ADDRESS
from storage.stores import store_parts
from tests.cli.conftest import Scene, edit
from tests.scheduled import until_schedule
from tests.selecting import selecting, win_back
from workflows.health import HealthWorkflow
from workflows.ids import health_workflow_id

ZONE = f"Etc/GMT{system_clock().hour - 12:+d}"
"""Where it is about noon, so that a day has hours left whenever the tests run; the sign is POSIX's, west is plus."""


@pytest.fixture
async def world(world: Scene) -> Scene:
    """The store is where it is noon."""
    async with world.database.write() as session:
        (await session.get_one(Store, 1)).time_zone = ZONE
    return world


async def _until_done(scene: Scene, count: int) -> list[Launch]:
    for _ in range(400):
        rows = [one for one in await scene.rows(Launch) if one.state is LaunchState.DONE]
        if len(rows) == count:
            return rows
        await asyncio.sleep(0.05)
    raise AssertionError(f"{count} launches are not done")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _today() -> date:
    return _local_day(system_clock())


def _local_day(at: datetime) -> date:
    return at.astimezone(ZoneInfo(ZONE)).date()


def _next(at: str) -> datetime:
    return selection_times(at, ZONE).following(system_clock())


def _later_today() -> str:
    """A time of the store's day that is not now."""
    return f"{system_clock().astimezone(ZoneInfo(ZONE)) + timedelta(hours=3):%H}:17"


@pytest.mark.usefixtures("worker")
async def test_an_always_on_journey_from_launch_to_archive(world: Scene, journey_file: Path, temporal: Client) -> None:
    """It selects at once and by its schedule, which follows publish, pause, resume, another time, stop and the end."""
    world.customer(1)
    at = _later_today()
    told = await world.document("launch", str(journey_file), "--schedule", f"daily@{at}", "--limit", "5", "--yes")
    assert (told["audience"]["entered"], told["daily"]["at"], told["daily"]["limit"]) == (1, at, 5)
    view = await look_at_daily(temporal, 1, 1)
    times, now = selection_times(at, ZONE), system_clock()
    assert view == ScheduleView(paused=False, next_at=times.following(now), running=None)
    # The launch is today's selection: what the schedule begins later today finds nothing to do.
    tomorrow = next(one for one in times.runs(now) if _local_day(one) > _today())
    assert _moment(told["daily"]["next_at"]) == tomorrow
    (line,) = (await world.document("journeys"))["journeys"]
    assert _moment(line["next_selection_at"]) == tomorrow

    # Somebody became inactive since; the day's run is begun twice and has one launch.
    world.customer(2)
    handle = temporal.get_schedule_handle(daily_schedule_id(1, 1))
    await handle.trigger()
    (_, daily) = await _until_done(world, 2)
    await handle.trigger()
    await until_schedule(look_at_daily, temporal, lambda one: one is not None and one.running is None)
    assert (daily.day, daily.entrant_limit) == (_local_day(times.latest(now)), 5)
    assert {one.customer_id for one in await world.rows(Enrollment)} == {1, 2}
    for _ in range(200):
        if (await handle.describe()).info.num_actions == 2:
            break
        await asyncio.sleep(0.05)
    assert len(await world.rows(Launch)) == 2

    edit(journey_file, ("after: 3d", "after: 2d"))
    assert (await world.document("publish", str(journey_file), "--yes"))["version"] == 2
    shown = await world.document("journeys", "quiet")
    assert [(one["version"], one["running"]) for one in shown["versions"]] == [(1, 2), (2, 0)]
    assert shown["versions"][1]["changes"] == [{"field": "stages[2].after", "before": "3d", "after": "2d"}]
    assert [(one["day"] is not None, one["audience"]["considered"]) for one in shown["launches"]] == [
        (True, 2),
        (True, 1),
    ]
    assert shown["launches"][0]["audience"]["skipped"]["re_entry"] == 1

    await world.document("pause", "quiet")
    await until_schedule(look_at_daily, temporal, lambda one: one is not None and one.paused)
    assert (await world.document("journeys", "quiet"))["daily"]["next_at"] is None
    await world.document("resume", "quiet")
    await until_schedule(look_at_daily, temporal, lambda one: one is not None and one.next_at == view.next_at)

    plain = await world.run("launch", str(journey_file), "--yes")
    assert (plain.code, "quiet is always on: " in plain.err) == (0, True)
    moved = await world.document("launch", str(journey_file), "--schedule", "daily@0:09", "--only-new", "--yes")
    assert (moved["daily"]["at"], moved["daily"]["only_new"], moved["daily"]["limit"]) == ("00:09", True, None)
    await until_schedule(look_at_daily, temporal, lambda one: one is not None and one.next_at == _next("00:09"))

    refused = await world.run("archive", "quiet")
    assert (refused.code, "quiet has 2 customers in it; `stop quiet` first" in refused.err) == (1, True)
    off = await world.document("launch", str(journey_file), "--schedule", "off")
    assert (off["daily"], off["launch_id"], off["state"]) == (None, None, "active")
    await until_schedule(look_at_daily, temporal, lambda one: one is None)
    assert {one.state for one in await world.rows(Enrollment)} == {EnrollmentState.WAITING}


@pytest.mark.usefixtures("worker")
async def test_a_stop_ends_it_and_a_launch_alone_does_not_begin_it_again(
    world: Scene, journey_file: Path, temporal: Client
) -> None:
    """Nobody is written to by day after a stop; the schedule goes, and comes back when it is asked for."""
    asked = ("launch", str(journey_file), "--schedule", f"daily@{_later_today()}", "--yes")
    assert (await world.document(*asked))["audience"]["considered"] == 0
    await world.document("stop", "quiet", "--yes")
    await until_schedule(look_at_daily, temporal, lambda one: one is None)
    assert (await world.document("launch", str(journey_file), "--yes"))["daily"] is None
    assert await look_at_daily(temporal, 1, 1) is None
    assert (await world.document(*asked))["daily"] is not None
    assert await look_at_daily(temporal, 1, 1) is not None


@pytest.mark.usefixtures("worker")
async def test_a_draft_waits_then_goes_live_with_its_schedule_and_a_mail(
    world: Scene, journey_file: Path, temporal: Client
) -> None:
    """Draft, pending, active: the schedule begins when the last template is approved, and `since` says when."""
    assert world.whatsapp is not None
    edit(journey_file, ("template: winback_hello", "template: winback_pending"))
    await world.document("templates", "--sync")
    saved = await world.document("publish", str(journey_file), "--draft", "--yes")
    assert (saved["state"], saved["version"], saved["previous"]) == ("draft", 1, None)
    world.customer(1)
    async with world.database.write() as session:
        (await session.get_one(Store, 1)).alert_emails = ["owner@example.com"]
    told = await world.document("launch", str(journey_file), "--schedule", f"daily@{_later_today()}", "--yes")
    assert (told["state"], told["version"], told["daily"]["next_at"]) == ("pending", 1, None)
    assert await look_at_daily(temporal, 1, 1) is None
    world.whatsapp.set_template_status("winback_pending", "en", TemplateStatus.APPROVED, system_clock())
    await temporal.get_workflow_handle(health_workflow_id(1)).signal(HealthWorkflow.check_now)
    await until_schedule(look_at_daily, temporal, lambda one: one is not None)
    (launch,) = await _until_done(world, 1)
    (journey,) = await world.rows(Journey)
    assert (journey.state, launch.day, launch.considered) == (JourneyState.ACTIVE, _today(), 1)
    assert journey.state_since == journey.resumed_at
    (live,) = [one for one in await world.rows(StoreEvent) if one.kind is StoreEventKind.JOURNEY_LIVE]
    assert live.mail_next_at is not None or live.mail_outcome not in (None, NO_ADDRESS)


@pytest.mark.usefixtures("worker")
async def test_the_question_names_the_daily_time_and_a_no_begins_nothing(
    world: Scene, journey_file: Path, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked even if nobody is to enter now, and a no leaves neither a row nor a schedule."""
    questions: list[str] = []
    monkeypatch.setattr("cli.launch.require_terminal", lambda **_: None)
    monkeypatch.setattr("cli.run.Run.confirm", lambda _, question: questions.append(question))
    for number in range(2):
        answer = await world.run("launch", str(journey_file), "--schedule", "daily@09:30")
        assert (answer.code, await world.rows(DailySelection)) == (1, [])
        world.customer(number + 1)
    assert questions == [
        "Select every day at 09:30 whoever qualifies by then?",
        "Start this journey for 1 customers now, and every day at 09:30 whoever qualifies by then?",
    ]
    assert await look_at_daily(temporal, 1, 1) is None


@pytest.mark.usefixtures("worker")
async def test_an_edit_that_is_declined_is_not_what_the_next_day_selects_with(
    world: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview of a changed file is only a preview; after a yes the days follow it."""
    questions: list[str] = []
    world.customer(1)
    assert (await world.run("launch", str(journey_file), "--yes", "--schedule", "daily@09:30")).code == 0
    edit(journey_file, ("after: 3d", "after: 2d"))

    async def told() -> list[object]:
        """What is told of the customer's decisions, and of the journey's."""
        person = await world.document("why-not", "quiet", "+447700900001")
        numbers = await world.document("stats", "quiet", "--by", "version")
        return [person["decisions"], numbers["left_out"], [one["version"] for one in numbers["rows"]]]

    before = await told()
    with monkeypatch.context() as declining:
        declining.setattr("cli.launch.require_terminal", lambda **_: None)
        declining.setattr("cli.run.Run.confirm", lambda _, question: questions.append(question))
        answer = await world.run("launch", str(journey_file))
    assert (answer.code, "stages[2].after" in answer.out) == (1, True), answer.out
    assert questions == ["Publish version 2 for those who enter from now on?"]
    assert await told() == before
    assert 2 in {one.version_id for one in await world.rows(EntryDecision)}
    later = system_clock() + timedelta(days=2)
    async with world.database.write() as session:
        (launch_id,) = await open_day(session, 1, now=later)
        daily = await session.get_one(Launch, launch_id)
        assert (daily.version_id, daily.state) == (1, LaunchState.SELECTING)
        await session.delete(daily)
    shown = await world.run("journeys", "quiet")
    assert "no, only shown" in shown.out
    listed = await world.document("journeys", "quiet")
    assert [(one["version"], one["published_at"] is not None) for one in listed["versions"]] == [(1, True), (2, False)]
    assert (listed["version"], listed["journey"]["versions"]) == (1, {"1": 1})
    world.customer(2)
    assert (await world.run("launch", str(journey_file), "--yes")).code == 0
    assert {one.version_id for one in await world.rows(Enrollment)} == {1, 2}
    async with world.database.write() as session:
        (launch_id,) = await open_day(session, 1, now=later)
        assert (await session.get_one(Launch, launch_id)).version_id == 2


@pytest.mark.usefixtures("worker")
async def test_a_launch_that_a_publish_overtook_begins_nothing(
    world: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one person reads the preview another one publishes: new entrants follow the newer version."""
    world.customer(1)
    assert (await world.run("launch", str(journey_file), "--yes")).code == 0
    world.customer(2)
    edit(journey_file, ("after: 3d", "after: 1d"))
    newer = read_definition(journey_file)
    edit(journey_file, ("after: 1d", "after: 2d"))
    asked = asyncio.Event()
    published = asyncio.Event()

    def confirm(*_: object) -> bool:
        loop.call_soon_threadsafe(asked.set)
        return asyncio.run_coroutine_threadsafe(published.wait(), loop).result(30)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr("cli.launch.require_terminal", lambda **_: None)
    monkeypatch.setattr("cli.run.Run.confirm", confirm)
    launching = asyncio.create_task(world.run("launch", str(journey_file)))
    await asyncio.wait_for(asked.wait(), 30)
    async with world.database.write() as session:
        await publish(session, 1, newer, now=system_clock())
    published.set()
    answer = await launching
    assert (answer.code, "published version 3 meanwhile" in answer.err) == (1, True), answer.err
    assert len(await world.rows(Enrollment)) == 1
    assert {one.error for one in await world.rows(Launch)} == {None, answer.err.strip()}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("daily@25:00", "there is no 25:00, hours end at 23"),
        ("daily@09:60", "there is no 09:60"),
        ("daily", "it is daily@HH:MM by the store's clock"),
        ("weekly@09:00", "or off"),
        ("daily@9", "cannot be read"),
    ],
)
async def test_a_time_that_cannot_be_read_is_refused(scene: Scene, journey_file: Path, written: str, why: str) -> None:
    """The sentence says what is wrong with it, before anything is asked of the world."""
    answer = await scene.run("launch", str(journey_file), "--yes", "--schedule", written)
    assert (answer.code, why in answer.err) == (2, True), answer.err


@pytest.mark.parametrize(
    ("example", "why"),
    [("follow_up", "watches for silences"), ("abandoned_cart", "watches for carts"), ("smart_tracking", "run_at")],
)
async def test_other_kinds_have_no_daily_selection(scene: Scene, example: str, why: str) -> None:
    """One sentence says what they do instead."""
    answer = await scene.run("launch", f"examples/{example}.yaml", "--yes", "--schedule", "daily@09:00")
    assert (answer.code, why in answer.err) == (2, True), answer.err


async def test_a_journey_that_is_stopped_while_it_starts_is_not_kept_on(database: Database) -> None:
    """Else the next launch of it would be one for every day, without a word."""
    shop = await selecting(database)
    launch_id = await shop.open(win_back())
    await shop.put(JourneyState.STOPPED)
    async with database.read() as session:
        parts = await store_parts(session, shop.world.store_id)
    run = mock.Mock(clock=shop.world.clock)
    await set_schedule(run, shop.services, parts, launch_id, at="09:30", limit=None, only_new=False)
    assert await shop.world.rows(DailySelection) == []
