"""Messages of which nobody knows, over the staff API."""

import pytest

from models.enums import SendState
from models.tables import SendAttempt
from storage.settling import park_open_sends
from tests.gateway.staff import Staff
from tests.worlds import DEFINITION, later


@pytest.fixture
async def unknown(staff: Staff) -> list[str]:
    """The attempts of a parked message, of one whose journey waits, and of one that WhatsApp took."""
    attempts = []
    for number, state in enumerate((SendState.IN_FLIGHT, SendState.UNKNOWN, SendState.ACCEPTED)):
        person = await staff.world.customer(f"+44770090010{number}", external_id=str(number))
        attempts.append(await staff.world.claim(await staff.world.enroll(person), state=state))
    async with staff.world.database.write() as session:
        await park_open_sends(session, "enr-1", now=later(minutes=10))
    return attempts


async def test_support_lists_messages_of_which_nobody_knows(staff: Staff, unknown: list[str]) -> None:
    """Parked and unknown ones unless others are asked for, by journey and in pages."""
    found = await staff.get("/sends", key=staff.support)
    assert [(one["attempt_id"], one["state"], one["can_settle"]) for one in found["sends"]] == [
        (unknown[0], "parked", True),
        (unknown[1], "unknown", True),
    ]
    first = await staff.get("/sends?limit=1", key=staff.support)
    assert [one["send_id"] for one in first["sends"]] == [first["next"]] == [1]
    taken = await staff.get(f"/sends?state=accepted&journey={DEFINITION.name}", key=staff.support)
    assert [(one["attempt_id"], one["can_settle"]) for one in taken["sends"]] == [(unknown[2], False)]
    assert (await staff.ask("GET", "/sends?journey=nothing-here")).status_code == 404
    assert (await staff.ask("GET", "/sends?state=lost")).status_code == 422


async def test_a_marketer_settles_a_message(staff: Staff, unknown: list[str]) -> None:
    """Whose word it was is kept by the key's prefix; support may not, and what is known is a 409 that says what."""
    refused = await staff.ask("POST", "/sends/2/settle", {"sent": True}, key=staff.support)
    assert refused.status_code == 403
    told = await staff.post("/sends/2/settle", {"sent": False})
    assert (told["settled"], told["send"]["state"]) == ("not_sent", "failed")
    row = await staff.world.one(SendAttempt, unknown[1])
    assert row.settled_by.startswith("key rk_")
    assert await staff.world.intents() == [("enr-2", "attempt_settled")]
    again = await staff.ask("POST", "/sends/2/settle", {"sent": True})
    assert (again.status_code, "said so" in again.json()["detail"]) == (409, True)
    assert (await staff.ask("POST", "/sends/3/settle", {"sent": False})).status_code == 409
    assert (await staff.ask("POST", f"/sends/{2**31 - 1}/settle", {"sent": True})).status_code == 404
    assert (await staff.ask("POST", f"/sends/{2**31}/settle", {"sent": True})).status_code == 422
    assert (await staff.ask("POST", "/sends/1/settle", {"sent": "yes"})).status_code == 422
