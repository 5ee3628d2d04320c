"""The product's client against the sandbox over a real socket."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from models.enums import TemplateStatus
from providers.errors import CredentialRefused, NotSent, OutcomeUnknown, Rejected, Throttled
from providers.whatsapp.client import WhatsAppClient
from providers.whatsapp.messages import template_message, text_message
from providers.whatsapp.wire import MessageStatus
from sandbox.recording import Recorder
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.faults import Delay, DropResponse, Hold, Refuse, ServerError

from .conftest import NUMBER, TOKEN, WABA, VirtualClock

ADA = "+447700900123"


@pytest.fixture
async def base_url(sandbox: WhatsAppSandbox, clock: VirtualClock, tmp_path: Path) -> AsyncIterator[str]:
    """The sandbox, recorded, on a free port of this machine."""
    with Recorder(tmp_path) as recorder, socket.create_server(("127.0.0.1", 0)) as listener:
        app = recorder.wrap(WhatsAppApp(sandbox), "whatsapp", clock)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[WhatsAppClient]:
    """The product's client, pointed at the sandbox."""
    async with httpx.AsyncClient() as http:
        yield WhatsAppClient(http, base_url=base_url)


async def test_a_message_is_accepted_and_booked(client: WhatsAppClient, sandbox: WhatsAppSandbox) -> None:
    """A coupon in Portuguese goes through, and the books hold the id that the client was given."""
    message = template_message(
        to=ADA,
        template="winback_coupon",
        language="pt_BR",
        body_values=["Inês", "BACK10"],
        copy_code="BACK10",
        callback_data="1:2:0:1",
    )
    response = await client.send(NUMBER, TOKEN, message)
    (booked,) = sandbox.books.messages
    assert (response.wamid, response.status) == (booked.wamid, MessageStatus.ACCEPTED)
    assert booked.rendered.startswith("Inês, um presente")


async def test_every_failure_on_the_wire_has_its_type(client: WhatsAppClient, sandbox: WhatsAppSandbox) -> None:
    """What the sandbox does wrong comes out of the client as what is known about the effect."""
    message = template_message(to=ADA, template="winback_hello", language="en", body_values=["Ada"])
    sandbox.faults.for_recipient(ADA, Refuse(80007, regain_minutes=3))
    with pytest.raises(Throttled) as throttled:
        await client.send(NUMBER, TOKEN, message)
    assert throttled.value.retry_after.total_seconds() == 180
    sandbox.faults.for_recipient(ADA, Refuse(131000, transient=True))
    with pytest.raises(Rejected) as rejected:
        await client.send(NUMBER, TOKEN, message)
    assert (rejected.value.code, rejected.value.transient) == ("131000", True)
    sandbox.faults.for_recipient(ADA, ServerError())
    with pytest.raises(OutcomeUnknown):
        await client.send(NUMBER, TOKEN, message)
    with pytest.raises(CredentialRefused):
        await client.send(NUMBER, "wrong", message)
    with pytest.raises(CredentialRefused):
        await client.send("900000000000009", TOKEN, message)
    with pytest.raises(Rejected) as closed:
        await client.send(NUMBER, TOKEN, text_message(to=ADA, body="Hello"))
    assert closed.value.code == "131047"
    assert sandbox.books.received == 0
    sandbox.faults.for_recipient(ADA, Hold())
    assert (await client.send(NUMBER, TOKEN, message)).status is MessageStatus.HELD_FOR_QUALITY_ASSESSMENT


async def test_a_dropped_answer_is_unknown_although_accepted(client: WhatsAppClient, sandbox: WhatsAppSandbox) -> None:
    """The caller sees a broken connection; the sandbox knows that the message went out."""
    message = text_message(to=ADA, body="Hello", callback_data="1:0:0:1")
    sandbox.inbound(ADA, "hi", sandbox.clock())
    sandbox.faults.for_callback("1", DropResponse())
    with pytest.raises(OutcomeUnknown):
        await client.send(NUMBER, TOKEN, message)
    assert sandbox.books.received == 1


async def test_a_slow_answer_is_unknown(base_url: str, sandbox: WhatsAppSandbox) -> None:
    """Giving up on an answer does not undo the message."""
    sandbox.inbound(ADA, "hi", sandbox.clock())
    sandbox.faults.for_recipient(ADA, Delay(1.0))
    async with httpx.AsyncClient() as http:
        hasty = WhatsAppClient(http, base_url=base_url, timeout=httpx.Timeout(5.0, read=0.1))
        with pytest.raises(OutcomeUnknown):
            await hasty.send(NUMBER, TOKEN, text_message(to=ADA, body="Hello"))
    assert sandbox.books.received == 1


async def test_nobody_listening_is_not_sent() -> None:
    """A closed port proves that nothing left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with httpx.AsyncClient() as http:
        nobody = WhatsAppClient(http, base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(NotSent):
            await nobody.send(NUMBER, TOKEN, text_message(to=ADA, body="Hello"))


async def test_templates_and_the_number_are_read(client: WhatsAppClient, sandbox: WhatsAppSandbox) -> None:
    """All templates of the sandbox come with what is needed to fill them, and the number with its limit."""
    templates = {(one.name, one.language): one for one in await client.templates(WABA, TOKEN)}
    assert len(templates) == 21
    coupon = templates["winback_coupon", "es"]
    assert (coupon.variables, coupon.copy_code_index, coupon.status) == (("1", "2"), 0, TemplateStatus.APPROVED)
    assert templates["winback_pending", "en"].status is TemplateStatus.PENDING
    assert templates["winback_paused", "en"].status is TemplateStatus.PAUSED
    assert (await client.phone_number(NUMBER, TOKEN)).daily_limit is None
    sandbox.tier = 250
    assert (await client.phone_number(NUMBER, TOKEN)).daily_limit == 250


async def test_the_recording_holds_no_token_and_the_accepted_status(
    base_url: str, sandbox: WhatsAppSandbox, clock: VirtualClock, tmp_path: Path
) -> None:
    """Whoever counts lines of status 200 counts the accepted messages, also those whose answer was dropped."""
    recorder = Recorder(tmp_path / "counted")
    app = recorder.wrap(WhatsAppApp(sandbox), "whatsapp", clock)
    sandbox.faults.for_callback("2", DropResponse())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        client = WhatsAppClient(http, base_url=base_url)
        for number in (1, 2, 3):
            message = template_message(
                to=ADA, template="winback_hello", language="en", body_values=["Ada"], callback_data=f"{number}:0:0:1"
            )
            try:
                await client.send(NUMBER, TOKEN, message)
            except OutcomeUnknown:
                assert number == 2
    recorder.close()
    raw = (tmp_path / "counted" / "whatsapp.jsonl").read_text()
    lines = [json.loads(line) for line in raw.splitlines()]
    assert TOKEN not in raw
    assert [line["status"] for line in lines] == [200, 200, 200]
    assert [line["response"] is None for line in lines] == [False, True, False]
    assert sandbox.books.received == 3
