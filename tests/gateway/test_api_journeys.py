"""Reading journeys, pausing, resuming and stopping them."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from gateway import decisions
from gateway.relay import Relay
from models.enums import (
    AttemptStatus,
    EnrollmentState,
    ExitReason,
    HoldReason,
    JourneyKind,
    JourneyState,
    SendState,
    SkipReason,
)
from models.tables import Customer, Enrollment, Journey, JourneyPause, Send, SendAttempt, SignalIntent
from models.tracking import Tracking
from reports.wording import PURCHASED_ELSEWHERE
from storage.daily_selections import keep_on
from storage.launches import open_launch
from storage.paced import Wait, pace
from storage.publishing import publish
from storage.stores import required_id
from tests.devserver import dev_server
from tests.gateway.staff import Staff, gateway
from tests.worlds import DEFINITION, NOON, PHONE
from workflows.plugin import RekindlePlugin

NAME = DEFINITION.name


async def set_state(staff: Staff, state: JourneyState) -> None:
    """Put the world's journey into a state."""
    async with staff.world.database.write() as session:
        journey = await session.get(Journey, 1)
        assert journey is not None
        journey.state = state


@pytest.fixture
async def running(staff: Staff) -> str:
    """An active journey with one customer in it; the enrollment's id."""
    enrollment = await staff.world.enroll(await staff.world.customer())
    await set_state(staff, JourneyState.ACTIVE)
    return enrollment


async def test_journeys_are_listed_with_every_word(staff: Staff, running: str) -> None:
    """Counts have every state and every exit, as on the command line."""
    assert running
    [line] = (await staff.get("/journeys", key=staff.support))["journeys"]
    assert (line["name"], line["kind"], line["state"]) == (NAME, JourneyKind.WIN_BACK, "active")
    assert set(line["enrollments"]) == set(EnrollmentState)
    assert set(line["exits"]) == {*ExitReason, PURCHASED_ELSEWHERE}
    assert line["enrollments"]["waiting"] == 1


async def test_one_journey_shows_what_it_says(staff: Staff, running: str) -> None:
    """Its newest version has the journey file's own keys."""
    assert running
    found = await staff.get(f"/journeys/{NAME}", key=staff.support)
    assert (found["version"], found["definition"]["name"]) == (1, NAME)
    assert [stage["after"] for stage in found["definition"]["stages"]] == ["0d", "3d"]


async def test_stats_count_messages_by_stage(staff: Staff) -> None:
    """Each message counts once however many attempts it took, skipped ones by their reason."""
    for number in range(4):
        enrollment = await staff.world.enroll(await staff.world.customer(f"+44770090010{number}"))
        attempt = await staff.world.claim(enrollment, number % 2)
        async with staff.world.database.write() as session:
            row = await session.get_one(SendAttempt, attempt)
            send = await session.get_one(Send, row.send_id)
            if number == 3:
                send.state, send.skip_reason = SendState.SKIPPED, SkipReason.META_DECLINED
                continue
            send.state, send.received_at = SendState.ACCEPTED, staff.world.now
            row.status, row.read_at = AttemptStatus.READ, staff.world.now if number == 0 else None
            session.add(SendAttempt(**(row.model_dump() | {"id": f"{attempt}x", "number": 2, "wamid": None})))
    found = await staff.get(f"/journeys/{NAME}/stats", key=staff.support)
    first, second = found["stages"]
    assert (first["stage"], first["messages"]["accepted"], first["received"], first["read"]) == (1, 2, 2, 1)
    assert (second["stage"], second["messages"]["accepted"], second["messages"]["skipped"]) == (2, 1, 1)
    assert (second["received"], second["read"], second["skipped"]["meta_declined"]) == (1, 0, 1)
    assert (set(first["messages"]), set(first["skipped"])) == (set(SendState), set(SkipReason))
    assert found["journey"]["enrollments"]["waiting"] == 4


async def test_pausing_and_resuming(staff: Staff, running: str) -> None:
    """A pause stands with its reason; resuming releases those who hold for it, once."""
    assert running
    paused = await staff.post(f"/journeys/{NAME}/pause", {"reason": "stock is out"})
    assert (paused["state"], paused["state_reason"], paused["changed"]) == ("paused", "stock is out", True)
    again = await staff.post(f"/journeys/{NAME}/pause")
    assert (again["state"], again["state_reason"], again["changed"]) == ("paused", "stock is out", False)
    assert await staff.world.rows(SignalIntent) == []
    resumed = await staff.post(f"/journeys/{NAME}/resume")
    assert (resumed["state"], resumed["state_reason"], resumed["changed"]) == ("active", None, True)
    assert (await staff.post(f"/journeys/{NAME}/resume"))["changed"] is False
    broadcasts = await staff.world.rows(SignalIntent)
    # On PostgreSQL a second one, a minute later, is for a claim that saw the pause and had not committed yet.
    assert len(broadcasts) == (1 if staff.world.database.is_sqlite else 2)
    assert {(one.broadcast_key, one.signal) for one in broadcasts} == {("journey:1", "released")}


async def test_what_is_stopped_can_neither_be_paused_nor_resumed(staff: Staff, running: str) -> None:
    """It is a 409 that says which state it is in."""
    assert running
    await set_state(staff, JourneyState.STOPPED)
    for verb in ("pause", "resume"):
        response = await staff.ask("POST", f"/journeys/{NAME}/{verb}")
        assert response.status_code == 409
        assert "is stopped" in response.json()["detail"]


async def test_a_stop_reaches_everybody_once(staff: Staff, running: str) -> None:
    """Everybody in it is told, nobody twice, and the journey takes nobody any more."""
    control = await staff.world.enroll(await staff.world.customer("+447700900124"), state=EnrollmentState.CONTROL)
    told = await staff.post(f"/journeys/{NAME}/stop")
    assert (told["told"], told["unpaced"]) == (1, 0)
    assert (await staff.post(f"/journeys/{NAME}/stop"))["told"] == 0
    assert await staff.world.intents() == [(running, "stop")]
    assert control not in dict(await staff.world.intents())
    assert (await staff.world.one(Journey, 1)).state is JourneyState.STOPPED


async def test_support_ends_a_journey_for_one(staff: Staff, running: str) -> None:
    """Only that customer's passage ends; somebody who is not in it is a 409, a stranger a 404."""
    other = await staff.world.enroll(await staff.world.customer("+447700900124"))
    await staff.world.customer("+447700900125")
    path = f"/journeys/{NAME}/customers/stop"
    assert (await staff.post(path, {"phone": PHONE}, key=staff.support))["told"] == 1
    assert await staff.world.events() == [("stop", "stopped_by_staff")]
    assert await staff.world.intents() == [(running, "stop")]
    assert other
    assert (await staff.ask("POST", path, {"phone": "+447700900125"})).status_code == 409
    assert (await staff.ask("POST", path, {"phone": "+447700900126"})).status_code == 404


@pytest.mark.parametrize("always_on", [False, True])
async def test_a_stop_for_one_who_waits_says_whether_they_are_asked_again(staff: Staff, *, always_on: bool) -> None:
    """They never were in it, so that nothing keeps an always-on journey's next day from taking them."""
    world = staff.world
    customer = await world.customer()
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, DEFINITION, now=NOON)
        journey_id, version_id = required_id(journey.id), required_id(version.id)
        launch = await open_launch(
            session, store_id=world.store_id, journey_id=journey_id, version_id=version_id, limit=None, now=NOON
        )
        await pace(session, launch, {customer: Wait(NOON.date(), control=False)})
        if always_on:
            await keep_on(session, journey, at="09:30", limit=None, only_new=False, now=NOON)
    path = f"/journeys/{NAME}/customers/stop"
    told = await staff.post(path, {"phone": PHONE})
    assert (told["told"], told["unpaced"], told["asked_again"]) == (0, 1, always_on)
    assert (await staff.ask("POST", path, {"phone": PHONE})).status_code == 409


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/stats"), ("POST", "/pause"), ("POST", "/stop")])
async def test_an_unknown_journey_is_a_404(staff: Staff, method: str, path: str) -> None:
    """Whatever is asked of it."""
    response = await staff.ask(method, f"/journeys/no-such{path}")
    body: Any = response.json()
    assert (response.status_code, body["detail"]) == (404, "the store has no journey of that name")


async def test_approvals_list_what_waits(staff: Staff, running: str) -> None:
    """A message that waits for a person is listed with its text; without Temporal nobody can decide, which is a 503."""
    attempt = await staff.world.claim(running)
    async with staff.world.database.write() as session:
        row = await session.get_one(SendAttempt, attempt)
        send = await session.get_one(Send, row.send_id)
        send.state, send.free_text = SendState.DRAFTED, "Hello Ada"
        await session.delete(row)
        enrollment = await session.get_one(Enrollment, running)
        enrollment.state, enrollment.hold_reason = EnrollmentState.HOLDING, HoldReason.APPROVAL
    [waiting] = (await staff.get("/approvals", key=staff.support))["waiting"]
    # The window is closed, so the template goes and not the free text.
    assert (waiting["send_id"], waiting["text"], waiting["text_later"]) == (1, "you", None)
    async with staff.world.database.write() as session:
        (await session.get_one(Customer, send.customer_id)).last_inbound_at = staff.world.now
    found = await staff.get("/approvals", key=staff.support)
    [waiting] = found["waiting"]
    assert (waiting["workflow_id"], waiting["text"], waiting["text_later"]) == (running, "Hello Ada", "you")
    assert (waiting["journey"], waiting["stage"], found["next"]) == (NAME, 1, None)
    assert (await staff.get("/approvals?after=1"))["waiting"] == []
    assert (await staff.ask("POST", "/approvals/1/approve")).status_code == 503
    assert (await staff.ask("POST", "/approvals/2/approve")).status_code == 404
    async with staff.world.database.write() as session:
        (await session.get_one(Send, 1)).state = SendState.ACCEPTED
    assert (await staff.ask("POST", "/approvals/1/reject")).status_code == 409


async def test_an_update_that_nobody_answers_in_time_is_a_503(
    staff: Staff, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal's client makes an error of its own of a time-out, which must not become a 500."""
    attempt = await staff.world.claim(running)
    async with staff.world.database.write() as session:
        row = await session.get_one(SendAttempt, attempt)
        (await session.get_one(Send, row.send_id)).state = SendState.DRAFTED
        enrollment = await session.get_one(Enrollment, running)
        enrollment.state, enrollment.hold_reason = EnrollmentState.HOLDING, HoldReason.APPROVAL
    monkeypatch.setattr(decisions, "_ANSWER_WITHIN", timedelta(seconds=0.3))

    async with dev_server() as environment:
        address = environment.client.service_client.config.target_host
        client = await Client.connect(address, plugins=[RekindlePlugin()])
        # Nobody works on that queue.
        await client.start_workflow("JourneyWorkflow", id=running, task_queue="nobody")
        app = gateway(staff.world, Relay(staff.world.database, client, staff.world.clock))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as http:
            headers = {"Authorization": f"Bearer {staff.marketer}"}
            answer = await http.post("/api/approvals/1/approve", headers=headers)
    assert answer.status_code == 503


async def test_resuming_may_pass_over_what_was_missed(staff: Staff, running: str) -> None:
    """`missed: skip` marks the pause, so that what came due in it is passed over; another word is a 422."""
    assert running
    await staff.post(f"/journeys/{NAME}/pause")
    assert (await staff.ask("POST", f"/journeys/{NAME}/resume", {"missed": "later"})).status_code == 422
    assert (await staff.post(f"/journeys/{NAME}/resume", {"missed": "skip"}))["state"] == "active"
    [pause] = await staff.world.rows(JourneyPause)
    assert (pause.skips, pause.ended_at) == (True, staff.world.now)


async def test_a_run_is_asked_for(staff: Staff, running: str) -> None:
    """A marketer begins it, once at a time; a journey of another kind, or one that is not active, has none."""
    assert running
    async with staff.world.database.write() as session:
        definition = Tracking.model_validate({"name": "daily-review", "kind": "tracking"})
        journey, _ = await publish(session, 1, definition, now=staff.world.now)
        journey.state = JourneyState.ACTIVE
    address = "/journeys/daily-review/run-now"
    assert (await staff.ask("POST", address)).status_code == 503  # this gateway speaks to no Temporal
    assert (await staff.ask("POST", address, key=staff.support)).status_code == 403
    assert (await staff.ask("POST", "/journeys/nothing/run-now")).status_code == 404
    assert "only a tracking journey" in (await staff.ask("POST", f"/journeys/{NAME}/run-now")).text
    async with dev_server() as environment:
        address = environment.client.service_client.config.target_host
        client = await Client.connect(address, plugins=[RekindlePlugin()])
        app = gateway(staff.world, Relay(staff.world.database, client, staff.world.clock))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as http:
            headers = {"Authorization": f"Bearer {staff.marketer}"}
            begun = await http.post("/api/journeys/daily-review/run-now", headers=headers)
            again = await http.post("/api/journeys/daily-review/run-now", headers=headers)
        described = await client.get_workflow_handle(begun.json()["workflow_id"]).describe()
    assert (begun.status_code, again.status_code) == (200, 409)
    assert described.workflow_type == "TrackingWorkflow"
