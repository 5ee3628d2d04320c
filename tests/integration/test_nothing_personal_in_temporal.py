"""Promise 6: whatever happens, no history, attribute, id or log line holds a phone, a name or a text."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from google.protobuf.json_format import MessageToJson

from activities import prepare
from activities.purchases import purchases_of
from models.enums import ExitReason, HoldReason
from models.orchestration import Approval
from models.tables import ChatMessage
from observability import configure_logging
from sandbox.whatsapp.faults import DropResponse
from storage.stores import required_id
from tests.integration.conftest import OpenStack
from tests.stack import HELLO, Stack, journey
from workflows.journey import JourneyWorkflow

NAME = "Zephyrine"
INBOUND = "My parcel smells of marzipan"
AI = {
    "ai": {"mode": "goal", "goal": "Mention the quokka enclosure"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


class _LostItError(Exception):
    """An exception that quotes what it should not."""


def _quote(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Let the next question to the shop fail in a way that nobody foresaw, quoting a person twice."""
    asked = purchases_of

    async def fail(*_: Any) -> Any:
        monkeypatch.setattr(prepare, "purchases_of", asked)
        raise _LostItError(f"row of {words}") from ValueError(f"cannot read {words}")

    monkeypatch.setattr(prepare, "purchases_of", fail)


async def _live(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Journeys through every kind of trouble that could tell on somebody; the words that must not be told."""
    secrets = [NAME, INBOUND, "marzipan", "quokka"]
    # A model's text, a failure that quotes, a refusal whose body quotes, and a reply.
    person = await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:]]
    _quote(monkeypatch, f"{person.phone} {NAME} {INBOUND}")
    graph = {"message": f"cannot send to {person.phone}", "code": 131056, "error_data": {"details": f"{NAME} is busy"}}
    stack.line.answers["/messages"] = httpx.Response(400, json={"error": graph})
    enrollment = await stack.begin(journey(("0d", AI), ("3d", HELLO)), person)
    await stack.waits(enrollment, 1)
    secrets += [(await stack.send(enrollment)).free_text or "?"]
    await stack.write(person, INBOUND)
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    # A shop in trouble, and an answer that broke off.
    person = await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:]]
    stack.line.answers["/graphql.json"] = httpx.Response(502, text=f"no backend for {NAME} {person.phone}")
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse())
    enrollment = await stack.begin(journey(name="second"), person)
    await stack.waits(enrollment, 1)
    await stack.write(person, "STOP")
    await stack.ends(enrollment)
    # A request that can never work, and one with a person in between.
    person = await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:]]
    stack.line.answers["/graphql.json"] = httpx.Response(400, text=f"{person.phone} {NAME}")
    enrollment = await stack.begin(journey(name="third"), person)
    assert await stack.ends(enrollment) is ExitReason.FAILED
    enrollment = await stack.begin(journey(name="fourth", sending={"approval": "required"}), person)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    draft = required_id((await stack.send(enrollment)).id)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, Approval(draft_id=draft))
    await stack.waits(enrollment, 1)
    return secrets


async def _told(stack: Stack) -> str:
    """Everything that Temporal knows, payloads decoded."""
    known = []
    for workflow_id in stack.started:
        handle = stack.client.get_workflow_handle(workflow_id)
        history = await handle.fetch_history()
        for event in history.events:
            known += [MessageToJson(event), event.SerializeToString().decode("latin-1")]
        described = (await handle.describe()).raw_description
        known += [MessageToJson(described), described.SerializeToString().decode("latin-1"), workflow_id]
    return "\n".join(known)


async def test_temporal_is_told_of_nobody(open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """No phone, name or text in any history (failures and payloads included), attribute, memo or id."""
    async with open_stack() as stack:
        secrets = await _live(stack, monkeypatch)
        launch = await stack.launch(journey(name="fifth"))
        await stack.launched(launch)
        told = await _told(stack)
        # The words were there to be told, and the failures are told in our own words.
        assert any(INBOUND in (one.text or "") for one in await stack.rows(ChatMessage))
        assert "_LostItError" in told
        assert "whatsapp send" in told
        assert [word for word in secrets if word in told] == []


@pytest.fixture
def plain_logging() -> Iterator[None]:
    """Puts logging back as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("plain_logging")
async def test_the_log_tells_of_nobody(
    open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same troubles, logged at debug level: what was unforeseen is in the log, and no person is."""
    configure_logging("debug", "json")
    async with open_stack() as stack:
        secrets = await _live(stack, monkeypatch)
    logged = "".join(capfd.readouterr())
    assert "_LostItError" in logged
    # Names and texts in an exception's words cannot be told from other words; phones can.
    assert [word for word in secrets if word in logged and word[-9:].isdigit()] == []
