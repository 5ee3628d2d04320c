from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account

WABA, NUMBER, TOKEN, SECRET = "800000000000001", "900000000000001", "sandbox-token", "app-secret"
START = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)  # a Monday


class VirtualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """The virtual time."""
        return self.now

    def pass_time(self, **span: float) -> datetime:
        """Move on and say where we are."""
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands at 09:00 UTC on a Monday."""
    return VirtualClock()


@pytest.fixture
def sandbox(clock: VirtualClock) -> WhatsAppSandbox:
    """A sandbox with one number."""
    return make_sandbox(clock)


def make_sandbox(clock: VirtualClock, **options: Any) -> WhatsAppSandbox:
    """A sandbox with one number and the given options."""
    number = SandboxNumber(Account(WABA, NUMBER, "15550000001"), frozenset({TOKEN}))
    return WhatsAppSandbox(clock=clock, numbers=[number], app_secret=SECRET, **options)


@pytest.fixture
async def graph(sandbox: WhatsAppSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP to the sandbox, with its token."""
    async with plain_http(sandbox) as http:
        yield http


def plain_http(sandbox: WhatsAppSandbox) -> httpx.AsyncClient:
    """A client that speaks to the app in this process."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(WhatsAppApp(sandbox)),
        base_url="http://graph.test/v26.0",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


def template(name: str = "winback_hello", *values: str, **changes: Any) -> dict[str, Any]:
    """A template request; `changes` replace its top keys, None removes one."""
    parameters = [{"type": "text", "text": value} for value in values or ("Ada",)]
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "to": "+447700900123",
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": "en"},
            "components": [{"type": "body", "parameters": parameters}],
        },
        **changes,
    }
    return {key: value for key, value in body.items() if value is not None}


def text(**changes: Any) -> dict[str, Any]:
    """A free text request."""
    return template(type="text", template=None, text={"body": "Hello"}) | changes
