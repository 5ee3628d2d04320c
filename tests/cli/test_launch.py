"""Launching, looking, and stopping, end to end on a real Temporal server with the sandbox as the world."""

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlmodel import select

from activities.selection import Selection
from cli.app import main
from cli.failures import NOT_FOUND
from composition import system_clock
from models.enums import ConsentState, EnrollmentState, ExitReason, JourneyState, LaunchState
from models.tables import Enrollment, Journey, Launch
from sandbox.shopify.state import ALL_SCOPES
from storage.stopping import stop_everybody
from tests.cli.conftest import Scene, edit

pytestmark = pytest.mark.usefixtures("worker")


async def _until_closed(scene: Scene, count: int) -> list[Enrollment]:
    for _ in range(200):
        rows = [row for row in await scene.rows(Enrollment) if row.state is EnrollmentState.CLOSED]
        if len(rows) == count:
            return rows
        await asyncio.sleep(0.05)
    raise AssertionError(f"{count} enrollments did not close")


async def test_a_launch_starts_everybody_once_however_often_it_runs(world: Scene, journey_file: Path) -> None:
    """The first run enrolls who qualifies, the second finds them in it, and the account adds up both times."""
    for number in range(1, 6):
        world.customer(number)
    world.customer(6, consent=ConsentState.NEVER_SUBSCRIBED)
    world.customer(7, days_ago=10)
    first = await world.run("launch", str(journey_file), "--yes", "--json")
    assert first.code == 0, first.err
    audience = json.loads(first.out)["audience"]
    assert (audience["considered"], audience["entered"], audience["skipped"]["no_consent"]) == (6, 5, 1)
    second = await world.run("launch", str(journey_file), "--yes", "--json")
    again = json.loads(second.out)["audience"]
    assert (second.code, again["entered"]) == (0, 0)
    assert sum(again["skipped"].values()) == again["considered"] == 6
    assert len(await world.rows(Enrollment)) == 5
    assert world.whatsapp is not None
    for _ in range(100):
        if len(world.whatsapp.books.messages) == 5:
            break
        await asyncio.sleep(0.05)
    assert len(world.whatsapp.books.messages) == 5


async def test_two_launches_at_once_enroll_nobody_twice(world: Scene, journey_file: Path) -> None:
    """Each says what it did; together they enrolled everybody once."""
    for number in range(1, 13):
        world.customer(number)
    answers = await asyncio.gather(*(world.spawn("launch", str(journey_file), "--yes", "--json") for _ in range(2)))
    assert [answer.code for answer in answers] == [0, 0], [answer.err for answer in answers]
    assert sum(json.loads(answer.out)["audience"]["entered"] for answer in answers) == 12
    rows = await world.rows(Enrollment)
    assert len(rows) == len({row.customer_id for row in rows}) == 12


async def test_pacing_holds_over_two_launches(world: Scene, journey_file: Path) -> None:
    """The day's number is the journey's, not a launch's; the rest is given later days."""
    edit(journey_file, ("{hours", "{max_per_day: 3, hours"))
    for number in range(1, 8):
        world.customer(number)
    first = json.loads((await world.run("launch", str(journey_file), "--yes", "--json", "--limit", "2")).out)
    second = json.loads((await world.run("launch", str(journey_file), "--yes", "--json")).out)
    assert (first["audience"]["entered"], first["audience"]["skipped"]["limit"]) == (2, 5)
    assert (second["audience"]["entered"], second["audience"]["paced"]) == (1, 4)
    assert list(second["entrants_by_day"].values()) == [1, 3, 1]


async def test_a_launch_that_another_one_overtook_gives_its_days_again(
    world: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day's number holds although both had planned it for their own customers before either started."""
    edit(journey_file, ("{hours", "{max_per_day: 3, hours"))
    for number in range(1, 7):
        world.customer(number, days_ago=80 + number)
    monkeypatch.setattr("cli.launch.require_terminal", lambda **_: None)

    def overtake(*_: object) -> bool:
        words = ["launch", str(journey_file), "--yes", "--limit", "3"]
        with ThreadPoolExecutor() as pool:
            assert pool.submit(main, words).result() == 0
        return True

    monkeypatch.setattr("cli.run.Run.confirm", overtake)
    assert (await world.run("launch", str(journey_file))).code == 0
    assert len(await world.rows(Enrollment)) == 3


async def test_stop_ends_the_journey_for_everybody_and_a_launch_wakes_it(world: Scene, journey_file: Path) -> None:
    """All who are in it end with `journey_stopped` without a gateway; launched again it is active again."""
    for number in range(1, 4):
        world.customer(number)
    assert (await world.run("launch", str(journey_file), "--yes")).code == 0
    stopped = await world.run("stop", "quiet", "--yes", "--json")
    assert (stopped.code, json.loads(stopped.out)["told"], json.loads(stopped.out)["delivered"]) == (0, 3, True)
    closed = await _until_closed(world, 3)
    assert {row.exit_reason for row in closed} == {ExitReason.JOURNEY_STOPPED}
    again = await world.run("stop", "quiet", "--yes", "--json")
    assert (again.code, json.loads(again.out)["told"]) == (0, 0)
    (journey,) = await world.rows(Journey)
    assert journey.state is JourneyState.STOPPED
    world.customer(4)
    assert (await world.run("launch", str(journey_file), "--yes")).code == 0
    (journey,) = await world.rows(Journey)
    assert journey.state is JourneyState.ACTIVE


async def test_stop_for_one_customer_leaves_the_others_in(world: Scene, journey_file: Path) -> None:
    """Only that customer's enrollment ends, as `stopped_by_staff`; for somebody who is not in it nothing is found."""
    for number in range(1, 4):
        world.customer(number)
    await world.run("launch", str(journey_file), "--yes")
    assert (await world.run("stop", "quiet", "--customer", "07700 900002", "--yes")).code == 0
    (closed,) = await _until_closed(world, 1)
    assert closed.exit_reason is ExitReason.STOPPED_BY_STAFF
    assert (await world.run("stop", "quiet", "--customer", "07700 900002", "--yes")).code == 3


async def test_stop_for_one_who_waits_says_that_an_always_on_journey_goes_on(world: Scene, journey_file: Path) -> None:
    """They never were in it, so that nothing keeps the next day's selection from taking them."""
    edit(journey_file, ("{hours", "{max_per_day: 1, hours"))
    for number in range(1, 3):
        world.customer(number, days_ago=80 - number)
    assert (await world.run("launch", str(journey_file), "--schedule", "daily@09:30", "--yes")).code == 0
    stopped = await world.run("stop", "quiet", "--customer", "07700 900002", "--yes")
    assert (stopped.code, "always on" in stopped.err, "opt-out" in stopped.err) == (0, True, True)
    again = await world.run("stop", "quiet", "--customer", "07700 900002", "--yes")
    assert (again.code, "is not in quiet" in again.err) == (NOT_FOUND, True)


async def test_a_launch_lists_every_reason_why_it_cannot_start(world: Scene, journey_file: Path) -> None:
    """Templates, coupon and the order wall are all named, and nothing is stored."""
    world.shop.scopes = ALL_SCOPES - {"read_all_orders"}
    late = "  - after: 1d\n    message: {template: no_such, language: en, variables: {'1': '{coupon.code}'}}\nsending"
    edit(
        journey_file,
        ("inactive_days: 60", "inactive_days: 61"),
        ("template: winback_hello", "template: winback_pending"),
        ("sending", late),
        ("stages", "coupon: {code: GONE10}\nstages"),
    )
    answer = await world.run("launch", str(journey_file), "--yes")
    assert answer.code == 1
    assert "winback_pending (en): PENDING; it is not approved yet" in answer.err
    assert "no_such (en) does not exist" in answer.err
    assert "GONE10 does not exist" in answer.err
    assert "last 60 days" in answer.err
    assert await world.rows(Journey) == []


async def test_a_refused_credential_stops_a_launch(world: Scene, journey_file: Path) -> None:
    """Both services are named, in lines without a token."""
    world.shop.token = "another"
    answer = await world.run("launch", str(journey_file), "--yes")
    assert answer.code == 1
    assert "shopify shop: credential refused" in answer.err
    assert "shop-token" not in answer.err


async def test_a_launch_without_terminal_and_yes_does_nothing(
    world: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question cannot be asked, which is a matter of usage."""
    world.customer(1)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    answer = await world.run("launch", str(journey_file))
    assert (answer.code, answer.out) == (2, "")
    assert "--yes" in answer.err
    assert await world.rows(Launch) == []


async def test_a_declined_launch_leaves_nobody_enrolled(
    world: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says that it was declined; the journey is not active."""
    world.customer(1)
    monkeypatch.setattr("cli.launch.require_terminal", lambda **_: None)
    monkeypatch.setattr("cli.run.Run.confirm", lambda *_: False)
    answer = await world.run("launch", str(journey_file))
    assert answer.code == 1
    assert "1 customers considered" in answer.out
    (launch,), (journey,) = await world.rows(Launch), await world.rows(Journey)
    assert (launch.state, launch.error, journey.state) == (LaunchState.FAILED, "declined", JourneyState.DRAFT)
    assert await world.rows(Enrollment) == []


async def test_only_new_leaves_out_who_was_in_it(world: Scene, journey_file: Path) -> None:
    """A customer whose re-entry would be allowed stays out with --only-new."""
    world.customer(1)
    await world.run("launch", str(journey_file), "--yes")
    await world.run("stop", "quiet", "--yes")
    await _until_closed(world, 1)
    world.customer(2)
    async with world.database.write() as session:
        for row in await session.exec(select(Enrollment)):
            row.entered_at = row.entered_at.replace(year=row.entered_at.year - 1)
            row.entry_key = "an older order"
            session.add(row)
    answer = await world.run("launch", str(journey_file), "--yes", "--only-new", "--json")
    audience = json.loads(answer.out)["audience"]
    assert (audience["entered"], audience["skipped"]["re_entry"]) == (1, 1)


async def test_history_saves_what_temporal_knows(world: Scene, journey_file: Path, tmp_path: Path) -> None:
    """The file is a history that holds neither name nor number; an unknown workflow is not found."""
    world.customer(1)
    await world.run("launch", str(journey_file), "--yes")
    (enrollment,) = await world.rows(Enrollment)
    out = tmp_path / "history.json"
    assert (await world.run("history", enrollment.id, "--out", str(out))).code == 0
    assert json.loads(out.read_text())["events"][0]["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"
    assert "447700900001" not in out.read_text()
    assert (await world.run("history", "enr-none", "--out", str(out))).code == 3


async def test_status_tells_the_story_of_a_launched_customer(world: Scene, journey_file: Path) -> None:
    """Any writing of the number finds the customer, with the first message sent and the second due."""
    world.customer(1)
    await world.run("launch", str(journey_file), "--yes")
    for _ in range(100):
        (enrollment,) = await world.rows(Enrollment)
        if enrollment.stage == 1:
            break
        await asyncio.sleep(0.05)
    for written in ("07700 900001", "+44 7700 900001", "0044 (0)7700-900001"):
        answer = await world.run("status", written, "--json")
        assert answer.code == 0, answer.err
    (told,) = json.loads(answer.out)["enrollments"]
    assert (told["state"], told["stage"], told["next_action"]["text"]) == ("waiting", 2, "message 2 of 2 is due")
    assert told["messages"][0]["text"].startswith("Hi friend")


async def test_doctor_finds_a_stack_well_but_for_its_gateway(world: Scene, journey_file: Path) -> None:
    """Everything that runs is ok; the gateway that does not is the one fault, and the exit code says so."""
    await world.run("launch", str(journey_file), "--yes")
    answer = await world.run("doctor", "--json")
    findings = json.loads(answer.out)["findings"]
    assert [one["subject"] for one in findings if one["state"] == "fault"] == ["gateway"]
    assert answer.code == 1
    worker = {"check": "worker", "subject": "worker", "state": "ok", "text": "rekindle is polled", "advice": None}
    assert worker in findings


async def test_a_stop_in_the_last_moment_of_a_launch_stands(
    world: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the launch was let off and before the journey runs, it stays stopped, and the launch says so."""
    world.customer(1)
    begin = Selection.begin

    async def begin_and_be_stopped(selection: Selection, launch_id: int) -> bool:
        begun = await begin(selection, launch_id)
        await stop_everybody(world.database, 1, reason="stopped by staff", clock=system_clock)
        return begun

    monkeypatch.setattr(Selection, "begin", begin_and_be_stopped)
    answer = await world.run("launch", str(journey_file), "--yes")
    assert (answer.code, "stopped" in answer.err) == (1, True), answer.err
    ((journey,), (launch,)) = await world.rows(Journey), await world.rows(Launch)
    assert (journey.state, launch.state) == (JourneyState.STOPPED, LaunchState.FAILED)
    assert await world.rows(Enrollment) == []
