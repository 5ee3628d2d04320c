"""Several gateways with their relays on one database, as real processes, each of which hears everything."""

import asyncio
import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.api.enums.v1 import EventType

from models.enums import ExitReason
from models.tables import AppliedPiece, ChatMessage, CustomerEvent, SignalIntent, WebhookUpdate
from storage.secrets import new_key
from tests.integration.conftest import OpenStack
from tests.integration.gateways import post, running_gateway
from tests.integration.programs import environment
from tests.stack import HELLO, Stack, journey

PEOPLE = 24
GATEWAYS = 2


async def _signals(stack: Stack, workflow_id: str) -> int:
    """How many signals Temporal has taken for a workflow."""
    history = await stack.handle(workflow_id).fetch_history()
    wanted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    return sum(event.event_type == wanted for event in history.events)


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each kind of database, empty."""
    if request.param == "sqlite":
        return {}
    return {"database_url": request.getfixturevalue("postgres_url")}


async def test_gateways_share_a_database(open_stack: OpenStack, tmp_path: Path, where: dict[str, Any]) -> None:
    """Each webhook comes to both gateways at once: it is applied once, its signal delivered once, and nothing lost."""
    key = new_key()
    async with open_stack(key=key, **where) as stack, AsyncExitStack() as running:
        enrollments, bodies = [], []
        for _ in range(PEOPLE):
            person = await stack.person()
            enrollments.append(await stack.begin(journey(("3d", HELLO)), person))
            bodies.append(stack.whatsapp.inbound(person.phone, "Hello?", stack.clock()))
        for enrollment in enrollments:
            await stack.waits(enrollment, 0)
        log = tmp_path / "gateways.log"
        gateways = [
            await running.enter_async_context(running_gateway(environment(stack, key), log)) for _ in range(GATEWAYS)
        ]
        http = await running.enter_async_context(httpx.AsyncClient())
        deliveries = [(gateway, raw) for gateway in gateways for raw in bodies]
        deliveries.sort(key=lambda one: hashlib.sha256(one[1]).digest())
        answers = await asyncio.gather(*(post(http, gateway.url, raw) for gateway, raw in deliveries))
        assert set(answers) == {200}, log.read_text()

        for enrollment in enrollments:
            async with asyncio.timeout(60):
                assert (await stack.handle(enrollment).result()).reason is ExitReason.CUSTOMER_REPLIED

        async def settled() -> bool:
            return all(one.settled_at is not None for one in await stack.rows(SignalIntent))

        await stack.until(settled, settle=False)
        intents = await stack.rows(SignalIntent)
        assert sorted(one.enrollment_id for one in intents) == sorted(enrollments)
        assert {(one.tries, one.outcome) for one in intents} == {(1, "delivered")}
        assert [await _signals(stack, one) for one in enrollments] == [1] * PEOPLE
        for table in (WebhookUpdate, AppliedPiece, ChatMessage, CustomerEvent):
            assert len(await stack.rows(table)) == PEOPLE, table
