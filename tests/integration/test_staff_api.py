"""The staff API beside real workflows: decisions about waiting messages, pauses, and the figures of Temporal's SDK."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client

from gateway.app import GatewaySettings, create_app
from models.enums import ExitReason, HoldReason, SendState, StaffRole
from models.tables import SignalIntent
from storage.api_keys import create_key
from tests.integration.conftest import OpenStack
from tests.stack import Stack, journey
from workflows.plugin import RekindlePlugin

APPROVED = {"approval": "required"}
WRITTEN = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}
_ROOT = Path(__file__).parents[2]


async def ask(stack: Stack, method: str, path: str, body: Any = None) -> httpx.Response:
    """One request of a marketer's to the stack's own gateway."""
    async with stack.database.write() as session:
        _, key = await create_key(session, stack.store.id, name="test", role=StaffRole.MARKETER, now=stack.clock())
    url = f"{stack.urls['gateway']}/api{path}"
    return await stack.http.request(method, url, json=body, headers={"Authorization": f"Bearer {key}"})


async def waiting(stack: Stack) -> tuple[str, int]:
    """An enrollment whose message waits for a person, and the message's id."""
    enrollment = await stack.begin(journey(sending=APPROVED))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    answer = await ask(stack, "GET", "/approvals")
    [found] = answer.json()["waiting"]
    assert found["workflow_id"] == enrollment
    assert "Ada" in found["text"]
    return enrollment, found["send_id"]


async def test_an_approved_message_goes(open_stack: OpenStack) -> None:
    """Approved, it is sent and waits no more; a second decision is a 409."""
    async with open_stack() as stack:
        enrollment, send_id = await waiting(stack)
        answer = await ask(stack, "POST", f"/approvals/{send_id}/approve")
        assert (answer.status_code, answer.json()["decision"]) == (200, "approved")
        await stack.accepted(1)
        assert (await stack.send(enrollment)).state is SendState.ACCEPTED
        assert (await ask(stack, "GET", "/approvals")).json()["waiting"] == []
        assert (await ask(stack, "POST", f"/approvals/{send_id}/reject")).status_code == 409


async def test_a_decision_names_the_text_that_was_read(open_stack: OpenStack) -> None:
    """Another text goes if it keeps to the rules; a decision about the text before it is a 409."""
    async with open_stack() as stack:
        enrollment = await stack.begin(journey(("0d", WRITTEN), sending=APPROVED))
        await stack.holds(enrollment, HoldReason.APPROVAL)
        [found] = (await ask(stack, "GET", "/approvals")).json()["waiting"]
        assert found["approval_id"] == f"{found['send_id']}.{found['revision']}"
        assert found["expires_at"] > found["drafted_at"]
        path = f"/approvals/{found['send_id']}"
        refused = await ask(stack, "POST", f"{path}/approve", {"text": "See www.elsewhere.example\n\nfor SAVE4711"})
        assert refused.status_code == 422
        assert [one["field"] for one in refused.json()["problems"]] == ["body.text"] * 3
        assert "SAVE4711" not in refused.text
        assert "elsewhere" not in refused.text
        for path_and_body in (("approve", {"revision": 7}), ("reject", {"revision": 7})):
            answer = await ask(stack, "POST", f"{path}/{path_and_body[0]}", path_and_body[1])
            assert answer.status_code == 409
            assert f"as {found['approval_id']}" in answer.json()["detail"]
        body = {"revision": found["revision"], "text": "Your scarf is here. Shall we send it?"}
        answer = await ask(stack, "POST", f"{path}/approve", body)
        assert (answer.status_code, answer.json()["revision"]) == (200, found["revision"] + 1)
        await stack.accepted(1)
        assert "Your scarf is here. Shall we send it?" in stack.received()[0].rendered


async def test_a_rejected_message_ends_the_journey(open_stack: OpenStack) -> None:
    """Rejected, nothing is sent and the passage ends with that reason."""
    async with open_stack() as stack:
        enrollment, send_id = await waiting(stack)
        assert (await ask(stack, "POST", f"/approvals/{send_id}/reject")).status_code == 200
        assert await stack.ends(enrollment) is ExitReason.REJECTED
        assert stack.received() == []


async def test_a_message_whose_workflow_waits_no_more_is_a_409(open_stack: OpenStack) -> None:
    """The database is a moment behind: the workflow itself has the last word."""
    async with open_stack() as stack:
        enrollment, send_id = await waiting(stack)
        await stack.handle(enrollment).terminate()
        assert (await ask(stack, "POST", f"/approvals/{send_id}/approve")).status_code == 409


async def test_without_temporal_a_decision_is_a_503(open_stack: OpenStack) -> None:
    """Nothing is decided, and the message goes on waiting."""
    async with open_stack() as stack:
        enrollment, send_id = await waiting(stack)
        nobody = await Client.connect("127.0.0.1:9", plugins=[RekindlePlugin()], lazy=True)
        app = create_app(stack.database, stack.cipher, GatewaySettings(), None, stack.clock)
        app.state.gateway.temporal = nobody
        async with stack.database.write() as session:
            _, key = await create_key(session, stack.store.id, name="x", role=StaffRole.MARKETER, now=stack.clock())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
            answer = await client.post(f"/api/approvals/{send_id}/approve", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        await stack.holds(enrollment, HoldReason.APPROVAL)


async def test_a_pause_holds_and_a_resume_releases(open_stack: OpenStack) -> None:
    """What a message of a paused journey holds for is what the resumption releases."""
    async with open_stack() as stack:
        definition = journey()
        enrollment = await stack.enroll(definition, await stack.person())
        assert (await ask(stack, "POST", f"/journeys/{definition.name}/pause")).status_code == 200
        await stack.start(enrollment)
        held = await stack.holds(enrollment, HoldReason.JOURNEY_PAUSED)
        assert (await ask(stack, "POST", f"/journeys/{definition.name}/resume")).status_code == 200
        broadcast = (await stack.rows(SignalIntent))[-1]
        assert broadcast.broadcast_key == held.hold_key
        await stack.settle()
        released = [one.enrollment_id for one in await stack.rows(SignalIntent) if one.signal == "released"]
        assert enrollment in released


_FIGURES = """
import asyncio, sys
import httpx
from composition import connect, system_clock
from gateway.app import GatewaySettings, create_app
from observability import free_loopback_address, route_temporal_logs
from storage.engine import Database
from storage.secrets import Cipher, new_key

async def main():
    route_temporal_logs(metrics_address=free_loopback_address())
    client = await connect(sys.argv[1])
    await client.count_workflows()
    database = Database(f"sqlite+aiosqlite:///{sys.argv[2]}/empty.db")
    app = create_app(database, Cipher([new_key()]), GatewaySettings(), None, system_clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as http:
        print((await http.get("/metrics")).text)
    await database.close()
    await asyncio.sleep(0.05)

asyncio.run(main())
"""


async def test_the_figures_hold_those_of_temporals_sdk(temporal: Client, tmp_path: Path) -> None:
    """`/metrics` has the SDK's own beside ours; a process of its own, since a runtime is for life."""
    address = temporal.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FIGURES, address, str(tmp_path),
        cwd=_ROOT, env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "temporal_request" in out.decode()
    assert "rekindle_database_up 0.0" in out.decode()
