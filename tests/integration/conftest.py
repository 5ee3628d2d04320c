"""One real Temporal server for all of these tests, and stacks on it with the machine's own clock."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from composition import system_clock
from tests.databases import remove_sqlite_file
from tests.devserver import dev_server
from tests.stack import Stack, running_stack
from workflows.plugin import RekindlePlugin


class OpenStack(Protocol):
    """Opens a stack."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[Stack]:
        """A stack on the dev server."""
        ...


@pytest.fixture(scope="package")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """The dev server; it ends with these tests, because it is never idle."""
    async with dev_server() as environment:
        yield environment


@pytest.fixture
async def temporal(server: WorkflowEnvironment) -> Client:
    """A client of the dev server."""
    return await Client.connect(server.client.service_client.config.target_host, plugins=[RekindlePlugin()])


@pytest.fixture
def open_stack(temporal: Client, tmp_path_factory: pytest.TempPathFactory) -> OpenStack:
    """Opens stacks on the dev server."""
    file = tmp_path_factory.getbasetemp() / "stack.db"
    remove_sqlite_file(file)

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Stack]:
        url = options.pop("database_url", f"sqlite+aiosqlite:///{file}")
        async with running_stack(temporal, url, clock=system_clock, **options) as stack:
            yield stack

    return opened
