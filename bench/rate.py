"""The rate of a number's queue, as the sandbox sees it: many sends come due at one moment, real workers take them."""

import asyncio
import bisect
import itertools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
from pydantic import BaseModel
from temporalio import workflow
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.search_attributes import ALL
from bench.figures import Figure, at_most, note
from bench.sends import number_of_the_shop, open_drafts, services_on
from bench.shop import PHONE_NUMBER_ID
from composition import system_clock
from models.orchestration import StageRef, StageResult, StageStep
from models.tables import Number
from sandbox.whatsapp.app import WhatsAppApp
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from worker import Fleet, Share
from workflows.plugin import RekindlePlugin

PER_SECOND = 40
_IN_A_BURST = 500
_BURSTS = "bench-bursts"
_OVER = 2
"""How far one second may be above the rate: the server lets a second's worth that it saved up through at once."""
_SAVED_UP_S = 2.0
"""After so long nothing saved up is left."""


class BurstInput(BaseModel):
    """Whose first messages to send at once."""

    enrollments: list[str]


@workflow.defn(name="Burst", sandboxed=False)
class Burst:
    """Puts many sends into the number's queue at the same moment."""

    @workflow.run
    async def run(self, ask: BurstInput) -> int:
        """How many were accepted."""
        sends = (
            workflow.execute_activity(
                "send_message",
                StageRef(enrollment_id=one, stage=0),
                task_queue=f"whatsapp-{PHONE_NUMBER_ID}",
                start_to_close_timeout=timedelta(minutes=2),
                result_type=StageResult,
            )
            for one in ask.enrollments
        )
        return sum(one.step is StageStep.ACCEPTED for one in await asyncio.gather(*sends))


async def figures(sends: int) -> list[Figure]:
    """The fastest second and the mean, as the sandbox's own books have them."""
    with tempfile.TemporaryDirectory() as directory:
        binary = str(Path(sys.executable).parent / "temporal")
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=binary, search_attributes=list(ALL), dev_server_log_level="error"
        ) as server:
            client = await Client.connect(server.client.service_client.config.target_host, plugins=[RekindlePlugin()])
            database = Database(f"sqlite+aiosqlite:///{directory}/rate.db")
            await create_all(database)
            try:
                times = await arrivals(client, database, sends=sends, per_second=PER_SECOND)
            finally:
                await database.close()
    fastest, steady = most_in_a_second(times), most_in_a_second([at for at in times if at > _SAVED_UP_S] or times)
    return [
        note(f"{len(times)} sends at {PER_SECOND} a second, mean", f"{len(times) / times[-1]:.1f}/s"),
        note(f"{len(times)} sends at {PER_SECOND} a second, fastest second after the first two", f"{steady}/s"),
        at_most(f"{len(times)} sends at {PER_SECOND} a second, fastest second", fastest, _OVER * PER_SECOND, "/s"),
    ]


async def arrivals(
    client: Client, database: Database, *, sends: int, per_second: int, limited: bool = True
) -> list[float]:
    """When each of so many messages reached the sandbox, in seconds since the first.

    Args:
        client: of a real server, connected with `RekindlePlugin`.
        database: with the schema, and empty.
        sends: messages that all come due at the same moment.
        per_second: the number's rate.
        limited: whether the workers tell the server of rates at all.
    """
    cipher, sandbox = Cipher([new_key()]), number_of_the_shop()
    shop = await open_drafts(database, cipher, sends, now=system_clock())
    async with database.write() as session:
        (await session.get_one(Number, shop.number_id)).messages_per_second = per_second
    ids = iter([one.enrollment_id for one in shop.entrants])
    bursts = iter(lambda: list(itertools.islice(ids, _IN_A_BURST)), [])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=WhatsAppApp(sandbox))) as http:
        services = replace(services_on(database, cipher, http, "http://sandbox"), temporal=client)
        async with (
            Fleet(client, services, share=Share.ACTIVITIES, limit_rates=limited),
            Worker(client, task_queue=_BURSTS, workflows=[Burst]),
        ):
            accepted = await asyncio.gather(
                *(
                    client.execute_workflow(
                        Burst.run,
                        BurstInput(enrollments=some),
                        id=f"burst-{some[0]}-{shop.number_id}",
                        task_queue=_BURSTS,
                    )
                    for some in bursts
                )
            )
    if sum(accepted) != sends:
        raise RuntimeError(f"{sends - sum(accepted)} messages were not sent")
    times = sorted(one.at for one in sandbox.books.messages)
    return [(at - times[0]).total_seconds() for at in times]


def most_in_a_second(times: Sequence[float]) -> int:
    """The most that came within any one second, the times in order."""
    return max(place + 1 - bisect.bisect_right(times, at - 1.0) for place, at in enumerate(times))
