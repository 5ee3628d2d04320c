"""A launch whose workers are killed in each of its steps, on a server that wants short histories."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from unittest import mock

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.search_attributes import ALL
from cli.temporal import start_audience
from models.enums import ConsentState, EnrollmentState, JourneyState, LaunchState
from models.tables import Enrollment, Launch, LaunchCandidate
from sandbox.shopify.segments import SegmentLists
from storage.launches import open_launch
from storage.publishing import publish
from storage.secrets import new_key
from storage.stores import required_id
from tests.integration.conftest import OpenStack
from tests.integration.programs import ROOT, environment
from tests.stack import BIN, HELLO, Stack, journey
from workflows.ids import audience_workflow_id
from workflows.plugin import RekindlePlugin

PEOPLE = 13
MOMENTS = ("read:2", "judge:2", "rank:2", "enroll:2", "start:6")
_SHORT = "limit.historyCount.suggestContinueAsNew=24"


@pytest.fixture
async def temporal() -> AsyncIterator[Client]:
    """A client of a dev server that wants a new run after three pages."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        search_attributes=list(ALL),
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", _SHORT],
    ) as server:
        yield await Client.connect(server.client.service_client.config.target_host, plugins=[RekindlePlugin()])


async def _open(stack: Stack) -> tuple[int, int]:
    """A launch that nobody has begun; journey and launch."""
    definition = journey(("3d", HELLO))
    async with stack.database.write() as session:
        made, version = await publish(session, stack.store.id, definition, now=stack.clock())
        made.state = JourneyState.ACTIVE
        launch = await open_launch(
            session,
            store_id=stack.store.id,
            journey_id=required_id(made.id),
            version_id=required_id(version.id),
            limit=None,
            now=stack.clock(),
        )
        return required_id(made.id), required_id(launch.id)


async def _time_out(stack: Stack, workflow_id: str) -> None:
    """What the server does by itself a minute after the last sign of life, done at once."""
    description = await stack.handle(workflow_id).describe()
    for pending in description.raw_description.pending_activities:
        await stack.client.get_async_activity_handle(
            workflow_id=workflow_id, run_id=description.run_id, activity_id=pending.activity_id
        ).fail(ApplicationError("its worker is gone", next_retry_delay=timedelta(milliseconds=10)))


async def test_a_launch_whose_workers_are_killed_in_every_step_starts_everybody_once(open_stack: OpenStack) -> None:
    """Nobody twice, nobody lost, the account adds up, and the shop's list is read on from where it was."""
    key = new_key()
    places: list[object] = []

    def noted(lists: SegmentLists, place: object, *args: object) -> object:
        places.append(place)
        return read(lists, place, *args)  # type: ignore[arg-type]

    read = SegmentLists.after
    with mock.patch.object(SegmentLists, "after", noted):
        async with open_stack(key=key, fleet=False) as stack:
            for _ in range(PEOPLE):
                await stack.shopper()
            refuser = min(stack.shop.customers)
            stack.shop.set_consent(refuser, ConsentState.UNSUBSCRIBED, stack.clock())
            journey_id, launch_id = await _open(stack)
            workflow_id = audience_workflow_id(stack.store.id, journey_id)
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.dying_worker", *MOMENTS),
                cwd=ROOT,
                env=environment(stack, key),
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                await start_audience(stack.client, stack.store, journey_id, launch_id)
                assert worker.stdout is not None
                for moment in MOMENTS:
                    assert (await worker.stdout.readline()).decode().strip() == f"killed at {moment}"
                    await _time_out(stack, workflow_id)

                async def launched() -> bool:
                    (row,) = await stack.rows(Launch)
                    return row.state is LaunchState.DONE

                await stack.until(launched, settle=False, within=60)
            finally:
                worker.kill()
                await worker.wait()
            counted = Counter([one.outcome for one in await stack.rows(LaunchCandidate)])
            assert counted == {"entered": PEOPLE - 1, "unsubscribed": 1}
            rows = await stack.rows(Enrollment)
            assert len({one.customer_id for one in rows}) == len(rows) == PEOPLE - 1
            for row in rows:
                assert row.state in (EnrollmentState.STARTING, EnrollmentState.WAITING)
                stack.started.append(row.id)
                assert (await stack.handle(row.id).describe()).status is WorkflowExecutionStatus.RUNNING
            description = await stack.handle(workflow_id).describe()
            assert description.run_id != description.raw_description.workflow_execution_info.first_run_id
            assert places.count(None) == 1
