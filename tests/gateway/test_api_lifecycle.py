"""Keeping a win-back always on, and the archive, through the API."""

import pytest

from models.enums import JourneyState
from models.tables import DailySelection, Enrollment, Journey, SignalIntent
from models.tracking import Tracking
from storage.publishing import publish
from storage.wakes import upkeep_workflow_id
from tests.gateway.staff import Staff
from tests.worlds import DEFINITION, NOON

NAME = DEFINITION.name


async def _made(staff: Staff, state: JourneyState) -> None:
    async with staff.world.database.write() as session:
        journey, _ = await publish(session, 1, DEFINITION, now=NOON)
        journey.state = state


async def test_a_win_back_is_kept_on_and_let_go(staff: Staff) -> None:
    """Asked twice it is once; the store's upkeep hears of both, and the answer says when it selects next."""
    await _made(staff, JourneyState.ACTIVE)
    asked = {"at": "09:30", "limit": 20}
    for _ in range(2):
        answer = await staff.ask("PUT", f"/journeys/{NAME}/schedule", asked)
        assert answer.status_code == 200, answer.text
    daily = answer.json()["daily"]
    assert (daily["at"], daily["limit"], daily["only_new"]) == ("09:30", 20, False)
    assert daily["next_at"] == "2026-11-23T09:30:00Z"
    [line] = (await staff.get("/journeys", key=staff.support))["journeys"]
    assert line["next_selection_at"] == daily["next_at"]
    answer = await staff.ask("DELETE", f"/journeys/{NAME}/schedule")
    assert (answer.status_code, answer.json()["daily"]) == (200, None)
    row: DailySelection = await staff.world.one(DailySelection, 1)
    assert row.ended_at is not None
    woken = [one for one in await staff.world.rows(SignalIntent) if one.enrollment_id == upkeep_workflow_id(1)]
    assert len(woken) == 3
    assert (await staff.ask("DELETE", f"/journeys/{NAME}/schedule")).status_code == 200
    assert (await staff.ask("PUT", f"/journeys/{NAME}/schedule", asked, key=staff.support)).status_code == 403
    assert (await staff.ask("PUT", f"/journeys/{NAME}/schedule", {"at": "25:00"})).status_code == 422


@pytest.mark.parametrize("state", [JourneyState.DRAFT, JourneyState.STOPPED, JourneyState.ARCHIVED])
async def test_only_a_win_back_that_was_launched_can_be_always_on(staff: Staff, state: JourneyState) -> None:
    """Another kind, and one into which nobody may come, are refused with the reason."""
    await _made(staff, state)
    answer = await staff.ask("PUT", f"/journeys/{NAME}/schedule", {"at": "09:30"})
    assert (answer.status_code, f"and {state}" in answer.json()["detail"]) == (409, True)
    async with staff.world.database.write() as session:
        tracking = Tracking.model_validate({"name": "daily-review", "kind": "tracking"})
        journey, _ = await publish(session, 1, tracking, now=NOON)
        journey.state = JourneyState.ACTIVE
    answer = await staff.ask("PUT", "/journeys/daily-review/schedule", {"at": "09:30"})
    assert (answer.status_code, "only a win_back" in answer.json()["detail"]) == (409, True)


async def test_the_archive(staff: Staff) -> None:
    """A journey that is over goes away and comes back; one with somebody in it does not."""
    await _made(staff, JourneyState.ACTIVE)
    enrollment = await staff.world.enroll(await staff.world.customer())
    answer = await staff.ask("POST", f"/journeys/{NAME}/archive")
    assert (answer.status_code, "has 1 customers in it" in answer.json()["detail"]) == (409, True)
    async with staff.world.database.write() as session:
        await session.delete(await session.get_one(Enrollment, enrollment))
    found = [await staff.post(f"/journeys/{NAME}/archive") for _ in range(2)]
    assert [(one["state"], one["changed"]) for one in found] == [("archived", True), ("archived", False)]
    assert (await staff.get("/journeys", key=staff.support))["journeys"] == []
    assert len((await staff.get("/journeys?archived=true", key=staff.support))["journeys"]) == 1
    shown = await staff.get(f"/journeys/{NAME}", key=staff.support)
    assert (shown["journey"]["state"], shown["since"]) == ("archived", "2026-11-22T12:00:00Z")
    await staff.get(f"/journeys/{NAME}/stats", key=staff.support)
    assert (await staff.ask("POST", f"/journeys/{NAME}/resume")).status_code == 409
    assert (await staff.post(f"/journeys/{NAME}/unarchive"))["state"] == "stopped"
    assert (await staff.world.one(Journey, 1)).state is JourneyState.STOPPED
    assert (await staff.ask("POST", "/journeys/nothing/archive")).status_code == 404
