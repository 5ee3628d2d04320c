"""Other automations report whom they write to."""

from datetime import timedelta
from typing import Any

import pytest

from models.enums import EnrollmentState
from models.tables import Customer, CustomerEvent, ExternalJourney
from tests.gateway.staff import Staff
from tests.worlds import DEFINITION, NOON, PHONE, later

ADA = {"phone": PHONE}


async def report(staff: Staff, **more: Any) -> Any:
    """The answer to a report about the world's customer."""
    return await staff.post("/external-journeys", {"customer": ADA, "name": "cart-flow", **more})


async def test_a_higher_automation_takes_over_and_is_named(staff: Staff) -> None:
    """The running journey ends with the winner's name in the event, once however often it is reported."""
    enrollment = await staff.world.enroll(await staff.world.customer())
    answer = await report(staff)
    assert (answer["took_over"], answer["kept"], answer["priority"]) == (DEFINITION.name, None, 100)
    assert answer["until"] == "2026-11-25T12:00:00Z"
    await report(staff)
    [event] = await staff.world.rows(CustomerEvent)
    assert (event.exit_reason, event.detail, event.enrollment_id) == (
        "entered_priority_journey",
        "cart-flow",
        enrollment,
    )
    assert await staff.world.intents() == [(enrollment, "priority_journey_entered")]
    assert len(await staff.world.rows(ExternalJourney)) == 1


@pytest.mark.parametrize("priority", [0, 50])
async def test_a_lower_or_equal_one_does_not(staff: Staff, priority: int) -> None:
    """On a tie the incumbent stays, as among our own; the report is kept all the same."""
    await staff.world.enroll(await staff.world.customer(), priority=50)
    answer = await report(staff, priority=priority)
    assert (answer["took_over"], answer["kept"]) == (None, DEFINITION.name)
    assert await staff.world.events() == []
    assert [row.priority for row in await staff.world.rows(ExternalJourney)] == [priority]


async def test_the_control_group_stays_what_it_is(staff: Staff) -> None:
    """Somebody held out hears nothing of ours, so there is nothing to end."""
    await staff.world.enroll(await staff.world.customer(), state=EnrollmentState.CONTROL)
    assert (await report(staff))["took_over"] is None
    assert await staff.world.events() == []


async def test_the_end_lets_ours_write_again(staff: Staff) -> None:
    """Reported as over, it is over now; a second time nothing changes; reported again, it begins anew."""
    await staff.world.customer()
    await report(staff, until=later(days=10).isoformat())
    staff.world.now = later(hours=1)
    body = {"customer": ADA, "name": "cart-flow"}
    assert [(await staff.post("/external-journeys/end", body))["ended"] for _ in range(2)] == [True, False]
    [row] = await staff.world.rows(ExternalJourney)
    assert (row.entered_at, row.until) == (NOON, later(hours=1))
    staff.world.now = later(hours=2)
    await report(staff)
    [row] = await staff.world.rows(ExternalJourney)
    assert (row.entered_at, row.until) == (later(hours=2), later(hours=74))


@pytest.mark.parametrize("who", [{"phone": PHONE}, {"user_id": "GB.1"}, {"reference": "77"}], ids=str)
async def test_a_stranger_is_met(staff: Staff, who: dict[str, str]) -> None:
    """Ours stay away from the first moment on, also from somebody of whom only the automation knows."""
    for _ in range(2):
        await staff.post("/external-journeys", {"customer": who, "name": "cart-flow"})
    [customer] = await staff.world.rows(Customer)
    assert (customer.phone, customer.wa_user_id, customer.external_id) == (
        who.get("phone"),
        who.get("user_id"),
        who.get("reference"),
    )
    assert len(await staff.world.rows(ExternalJourney)) == 1


async def test_an_end_that_has_passed_is_refused(staff: Staff) -> None:
    """It is a 409, and one that is years away is cut to 366 days."""
    await staff.world.customer()
    body = {"customer": ADA, "name": "x", "until": NOON.isoformat()}
    assert (await staff.ask("POST", "/external-journeys", body)).status_code == 409
    answer = await report(staff, until="2099-01-01T00:00:00Z")
    assert answer["until"] == (NOON + timedelta(days=366)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("change", [{"priority": -1}, {"priority": True}, {"priority": "9"}, {"name": ""}], ids=str)
async def test_impossible_reports_are_refused(staff: Staff, change: dict[str, Any]) -> None:
    """A 422, and nobody is made of it."""
    body = {"customer": ADA, "name": "cart-flow", **change}
    assert (await staff.ask("POST", "/external-journeys", body)).status_code == 422
    assert await staff.world.rows(Customer) == []


async def test_the_end_of_a_stranger_is_a_404(staff: Staff) -> None:
    """Nobody is made for an end."""
    assert (await staff.ask("POST", "/external-journeys/end", {"customer": ADA, "name": "x"})).status_code == 404
