import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx

from providers.whatsapp.updates import InboundMessage, StatusUpdate, Update
from providers.whatsapp.webhooks import SIGNATURE_HEADER, parse, verify_signature
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.sender import WebhookSender

from .conftest import NUMBER, SECRET, VirtualClock, template

TARGET = "http://gateway.test/webhooks/whatsapp"


class Gateway:
    """Receives webhooks, with a status for each that a test decides."""

    def __init__(self, *answers: int | type[httpx.TransportError]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take one POST."""
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 200
        if not isinstance(answer, int):
            raise answer("no gateway", request=request)
        return httpx.Response(answer)


def sender_to(gateway: Gateway, sandbox: WhatsAppSandbox, clock: Callable[[], datetime]) -> WebhookSender:
    """A sender whose network is the gateway."""
    return WebhookSender(sandbox.outbox, httpx.AsyncClient(transport=httpx.MockTransport(gateway)), TARGET, clock)


async def test_webhooks_arrive_signed_and_can_be_read(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """The product's own verification and parser take what the sandbox posts."""
    gateway = Gateway()
    sender = sender_to(gateway, sandbox, clock)
    await graph.post(f"/{NUMBER}/messages", json=template(biz_opaque_callback_data="1:0:0:1"))
    assert await sender.deliver_due() == 1
    await sender.post(sandbox.inbound("+447700900123", "¡hola!", clock()))
    updates: list[Update] = []
    for request in gateway.requests:
        assert verify_signature(request.content, request.headers[SIGNATURE_HEADER], [SECRET])
        updates += parse(request.content).updates
    sent, hello = updates
    assert isinstance(sent, StatusUpdate)
    assert sent.callback_data == "1:0:0:1"
    assert isinstance(hello, InboundMessage)
    assert (hello.text, hello.from_phone, hello.at) == ("¡hola!", "+447700900123", clock())


async def test_what_is_not_taken_is_posted_again_later_and_later(sandbox: WhatsAppSandbox, clock: VirtualClock) -> None:
    """Errors and a missing gateway are retried: at once, then after 1, 2, 4 seconds; the same bytes each time."""
    gateway = Gateway(500, httpx.ConnectError, 404, 503)
    sender = sender_to(gateway, sandbox, clock)
    assert not await sender.post(sandbox.inbound("+447700900123", "hi", clock()))
    waits = []
    while sender.next_due is not None:
        waits.append((sender.next_due - clock()).total_seconds())
        clock.now = sender.next_due
        await sender.deliver_due()
    assert waits == [0, 1, 2, 4]
    assert len({request.content for request in gateway.requests}) == 1
    assert (sender.delivered, sender.dropped) == (1, 0)


async def test_after_seven_days_a_webhook_is_dropped(sandbox: WhatsAppSandbox, clock: VirtualClock) -> None:
    """A gateway that never comes back loses the update for good, as with Meta."""
    start = clock()
    sender = sender_to(Gateway(*[503] * 1000), sandbox, clock)
    await sender.post(sandbox.inbound("+447700900123", "hi", start))
    while sender.next_due is not None:
        clock.now = sender.next_due
        await sender.deliver_due()
    assert (sender.delivered, sender.dropped) == (0, 1)
    assert timedelta(days=6, hours=22) < clock() - start <= timedelta(days=7)


async def test_run_delivers_by_itself(graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock) -> None:
    """A message accepted while the loop waits has its first status posted without anybody asking."""
    arrived = asyncio.Event()

    def gateway(_: httpx.Request) -> httpx.Response:
        arrived.set()
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(gateway))
    loop = asyncio.create_task(WebhookSender(sandbox.outbox, http, TARGET, clock).run())
    await asyncio.sleep(0)
    await graph.post(f"/{NUMBER}/messages", json=template())
    async with asyncio.timeout(5):
        await arrived.wait()
    loop.cancel()
    assert clock() == datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
