"""A gateway that dies after it has stored webhooks and before their sender knows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from models.enums import EnrollmentState, ExitReason
from models.tables import AppliedPiece, ChatMessage, CustomerEvent, Enrollment, SignalIntent, WebhookUpdate
from storage.secrets import new_key
from tests.integration.conftest import OpenStack
from tests.integration.gateways import (
    deaf_line,
    line_that_swallows_commits,
    post,
    running_gateway,
    webhook_url,
)
from tests.integration.programs import environment, kill
from tests.stack import HELLO, Stack, journey

PEOPLE = 8
_NOWHERE = "127.0.0.1:1"


async def _begin(stack: Stack) -> list[bytes]:
    """People in a journey that waits, and a reply of each."""
    bodies = []
    for _ in range(PEOPLE):
        person = await stack.person()
        enrollment = await stack.begin(journey(("3d", HELLO)), person)
        await stack.waits(enrollment, 0)
        bodies.append(stack.whatsapp.inbound(person.phone, "Hello?", stack.clock()))
    return bodies


async def _stored(stack: Stack, at_least: int) -> None:
    async def enough() -> bool:
        return len(await stack.rows(WebhookUpdate)) >= at_least

    await stack.until(enough, settle=False, within=60)


async def _never_answered(
    bodies: Sequence[bytes], url: str, stored: Callable[[], Awaitable[None]], crash: Callable[[], Awaitable[None]]
) -> None:
    """Deliver, wait until the database shows the requests, let the gateway die; no sender has got an answer."""
    async with httpx.AsyncClient() as http:
        posting = [asyncio.ensure_future(post(http, url, raw)) for raw in bodies]
        await stored()
        assert not any(one.done() for one in posting)
        await crash()
        answers = await asyncio.gather(*posting, return_exceptions=True)
    assert all(isinstance(answer, httpx.TransportError) for answer in answers), answers


async def _delivered_again(stack: Stack, key: str, log: Path, bodies: Sequence[bytes]) -> None:
    """The next gateway gets the same requests, and everything is there once."""
    async with stack.database.write() as session:
        for intent in await stack.rows(SignalIntent):
            # The dead relay's lease runs out; nobody waits a minute for it here.
            intent.next_try_at = intent.created_at
            session.add(intent)
    async with (
        running_gateway(environment(stack, key), log) as gateway,
        httpx.AsyncClient() as http,
    ):
        answers = await asyncio.gather(*(post(http, gateway.url, raw) for raw in bodies))
        assert set(answers) == {200}
        for row in await stack.rows(Enrollment):
            async with asyncio.timeout(60):
                assert (await stack.handle(row.id).result()).reason is ExitReason.CUSTOMER_REPLIED
    assert {row.state for row in await stack.rows(Enrollment)} == {EnrollmentState.CLOSED}
    for table in (WebhookUpdate, AppliedPiece, ChatMessage, CustomerEvent, SignalIntent):
        assert len(await stack.rows(table)) == PEOPLE, table


async def test_a_gateway_killed_before_its_answers_are_heard_applies_nothing_twice(
    open_stack: OpenStack, tmp_path: Path
) -> None:
    """On SQLite: the requests are stored, the answers get lost, the gateway is killed, all are delivered again."""
    key, log = new_key(), tmp_path / "gateway.log"
    async with open_stack(key=key) as stack:
        bodies = await _begin(stack)
        env = environment(stack, key) | {"TEMPORAL_ADDRESS": _NOWHERE}
        async with running_gateway(env, log) as gateway, deaf_line(gateway.port) as port:
            await _never_answered(
                bodies, webhook_url(port), lambda: _stored(stack, PEOPLE), lambda: kill(gateway.process)
            )
        await _delivered_again(stack, key, log, bodies)


async def test_a_gateway_killed_between_commit_and_answer_applies_nothing_twice(
    open_stack: OpenStack,
    tmp_path: Path,
    postgres_url: str,
    postgres_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """On PostgreSQL: the commit is done and the gateway does not know it yet when it is killed."""
    key, log = new_key(), tmp_path / "gateway.log"
    async with open_stack(key=key, database_url=postgres_url) as stack, AsyncExitStack() as running:
        bodies = await _begin(stack)
        near = tmp_path_factory.mktemp("pg")
        directory = await running.enter_async_context(line_that_swallows_commits(postgres_server, near))
        env = environment(stack, key) | {
            "REKINDLE_DATABASE_URL": postgres_url.replace(postgres_server, directory),
            "TEMPORAL_ADDRESS": _NOWHERE,
        }
        gateway = await running.enter_async_context(running_gateway(env, log))
        await _never_answered(bodies, gateway.url, lambda: _stored(stack, 1), lambda: kill(gateway.process))
        await _delivered_again(stack, key, log, bodies)
