"""Temporal's dev server with our search attributes, as the integration tests and the recorder use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.testing import WorkflowEnvironment

from activities.search_attributes import ALL
from tests.stack import BIN


@asynccontextmanager
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    """A dev server for the length of the block."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), search_attributes=list(ALL), dev_server_log_level="error"
    )
    async with environment:
        yield environment
