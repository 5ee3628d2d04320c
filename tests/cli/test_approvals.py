"""`approvals`, `approve` and `reject`: reading what waits, and deciding about the text that was read."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.enums import EnrollmentState, ExitReason, HoldReason, TemplateStatus
from models.tables import Enrollment, Send, Template
from storage.enrollments import enrollment_facts
from storage.sends import Draft, ensure_send, save_draft
from tests.around.names import SALT
from tests.cli.conftest import WABA, Scene, edit
from tests.cli.recorded import check
from tests.worlds import NOON, World

_LOOK_S = 0.05
_LOOKS = 400
WRITTEN = (
    "    message:\n      ai: {mode: goal, goal: Remind them what they liked}\n"
    "      template: {name: winback_note, language: en, variables: {'1': '{ai.text}'}}\n"
    "      fallback: {template: winback_hello, language: en, variables: {'1': friend}}\n"
)


async def _until(look: Callable[[], Awaitable[Any]]) -> Any:
    for _ in range(_LOOKS):
        found = await look()
        if found:
            return found
        await asyncio.sleep(_LOOK_S)
    raise AssertionError("it never came true")


async def _all_wait(scene: Scene, count: int) -> bool:
    rows = await scene.rows(Enrollment)
    return len(rows) == count and all(one.hold_reason is HoldReason.APPROVAL for one in rows)


async def _launched(scene: Scene, file: Path, customers: int) -> None:
    for number in range(1, customers + 1):
        scene.customer(number)
    edit(file, ("sending: {", "sending: {approval: required, "))
    assert (await scene.run("templates", "--sync")).code == 0
    answer = await scene.run("launch", str(file), "--yes")
    assert answer.code == 0, answer.err
    await _until(lambda: _all_wait(scene, customers))


@pytest.mark.usefixtures("worker")
async def test_what_waits_is_listed_and_decided(world: Scene, journey_file: Path) -> None:
    """A yes sends the text that was read, a no ends the passage, and neither can be said twice."""
    await _launched(world, journey_file, 2)
    listed = json.loads((await world.run("approvals", "--json")).out)
    first, second = (one["approval_id"] for one in listed["waiting"])
    shown = await world.run("approvals")
    assert first in shown.out
    assert "it has been a while" in shown.out.lower() or "friend" in shown.out
    status = await world.run("status", "+447700900001")
    assert f"approve {first}" in status.out or f"approve {second}" in status.out
    changed = await world.run("approve", first.replace(".1", ".9"))
    assert (changed.code, first in changed.err) == (1, True)
    unread = await world.run("approve", first.split(".")[0])
    assert (unread.code, "--yes" in unread.err) == (2, True)
    fixed = await world.run("approve", first, "--text", "Something else")
    assert (fixed.code, "fixed at Meta" in fixed.err) == (1, True)
    decided = check("approve", await world.run("approve", first, "--json"))
    assert decided["decision"] == "approved"
    check("reject", await world.run("reject", second, "--json"))
    await _until(lambda: _decided(world))
    assert world.whatsapp is not None
    assert len(world.whatsapp.books.messages) == 1
    again = await world.run("approve", first)
    assert (again.code, "does not wait" in again.err) == (1, True)
    assert (await world.run("approvals")).out == "No message waits for approval.\n"


async def _decided(scene: Scene) -> bool:
    rows = await scene.rows(Enrollment)
    ended = [one for one in rows if one.exit_reason is ExitReason.REJECTED]
    return len(ended) == 1 and any(one.state is EnrollmentState.WAITING for one in rows)


async def test_the_documents_of_what_waits(scene: Scene) -> None:
    """The list and `status` name the message by the same id, with everything that the customer may come to see."""
    scene.clock = NOON + timedelta(hours=1)
    world = World(scene.database, scene.cipher, now=NOON)
    await world.add_store(salt=SALT, waba_id=WABA)
    customer = await world.customer(
        "+447700900001", external_id="1", first_name="Ana", last_inbound_at=NOON - timedelta(hours=2)
    )
    enrollment = await world.enroll(
        customer,
        id="enr-waits",
        state=EnrollmentState.HOLDING,
        hold_reason=HoldReason.APPROVAL,
        due_at=NOON + timedelta(days=3),
    )
    async with scene.database.write() as session:
        facts = await enrollment_facts(session, enrollment)
        send = await ensure_send(session, facts, 0, 0)
        draft = Draft("winback_note", "en", {"1": "We kept one for you."}, free_text="We kept one for you.")
        save_draft(send, draft, now=NOON)
        session.add(
            Template(
                waba_id=WABA,
                name="winback_note",
                language="en",
                status=TemplateStatus.APPROVED,
                category="MARKETING",
                variables=["1"],
                body="A note from us: {{1}}",
                synced_at=NOON,
            )
        )
    [waiting] = check("approvals", await scene.run("approvals", "--json"))["waiting"]
    assert (waiting["approval_id"], waiting["text"]) == ("1.1", "We kept one for you.")
    assert waiting["text_later"] == "A note from us: We kept one for you."
    status = check("status-waiting", await scene.run("status", "+447700900001", "--json"), document="status")
    assert status["enrollments"][0]["messages"][0]["approval_id"] == "1.1"
    assert "is passed over unless somebody approves it" in status["enrollments"][0]["next_action"]["text"]


async def test_a_decision_without_temporal_decides_nothing(scene: Scene) -> None:
    """An id that is none is wrong usage; a message that nobody has is not found, as soon as Temporal can be asked."""
    await scene.add_store()
    assert (await scene.run("approve", "twelve", "--yes")).code == 2
    assert (await scene.run("reject", "1.1")).code == 1
    assert await scene.rows(Send) == []
