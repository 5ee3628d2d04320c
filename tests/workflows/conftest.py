"""A stack on a time-skipping server of its own, so that no test sees another's clock or workflows."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from cli.simulation.clock import VirtualClock
from tests.databases import remove_sqlite_file
from tests.stack import BIN, Stack, register_search_attributes, running_stack
from workflows.plugin import RekindlePlugin

MONDAY = datetime(2030, 1, 7, 9, tzinfo=UTC)
"""Where every clock starts: a Monday in winter, 09:00 in London too."""


class OpenStack(Protocol):
    """Opens a stack at a moment."""

    def __call__(self, at: datetime = MONDAY, **options: Any) -> AbstractAsyncContextManager[Stack]:
        """A stack whose clock stands at `at`."""
        ...


@pytest.fixture
def open_stack(tmp_path_factory: pytest.TempPathFactory) -> OpenStack:
    """Opens stacks on time-skipping servers."""
    file = tmp_path_factory.getbasetemp() / "stack.db"
    remove_sqlite_file(file)

    @asynccontextmanager
    async def opened(at: datetime = MONDAY, **options: Any) -> AsyncIterator[Stack]:
        async with await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=str(BIN / "temporal-test-server")
        ) as env:
            await env.sleep(at - await env.get_current_time())
            clock = VirtualClock(at)
            # The environment's own client would let the clock run whenever a result is awaited.
            client = await Client.connect(env.client.service_client.config.target_host, plugins=[RekindlePlugin()])
            await register_search_attributes(client)
            url = f"sqlite+aiosqlite:///{file}"
            async with running_stack(client, url, clock=clock, env=env, **options) as stack:
                yield stack

    return opened


@pytest.fixture
async def stack(open_stack: OpenStack) -> AsyncIterator[Stack]:
    """A stack on Monday at 09:00."""
    async with open_stack() as opened:
        yield opened
