"""A run of the daily review: conversations a minute with a slow model, and a worker's memory over a long run.

The worker is the product's own process beside a real dev server; the model is the sandbox's in another process, and
takes as long as it is told. Nobody shows an open sale, so that reading is what is measured.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import col, func, select
from starlette.types import ASGIApp, Receive, Scope, Send
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities import queues
from activities.search_attributes import ALL
from bench.figures import Figure, at_least, at_most, note
from bench.memory import resident_mib
from bench.servers import running_worker, served
from bench.shop import SECRET, open_shop
from composition import system_clock
from models.enums import ConsentState, JourneyState, MessageAuthor, RunTrigger
from models.journey import Tracking
from models.orchestration import TrackingInput, TrackingProgress
from models.tables import ChatMessage, Conversation, ConversationAnalysis, Customer, Journey
from sandbox.llm.app import MODEL, LlmSandbox
from storage.engine import Database
from storage.publishing import publish
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.stores import required_id
from workflows.plugin import RekindlePlugin
from workflows.tracking import TrackingWorkflow

_ROOT = Path(__file__).resolve().parents[1]
_TAKES_S, _IN_PARALLEL = 1.5, 20
_OF_THE_IDEAL = 0.9
_TAKES = "BENCH_MODEL_TAKES"
_FAIR = "matching.enableFairness=true"
_FLAT_MIB = 20.0
"""What a worker may grow by between a thousand conversations and ten thousand."""
_AT_ONCE = 500
_LOOK_S = 0.2
_STEADY = (0.1, 0.95)
"""The part of a run that the speed is read from: beginning and end have fewer than the model takes."""


class _Slow:
    """The model, which takes its time."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(self._seconds)
        await self._app(scope, receive, send)


def model() -> ASGIApp:
    """`uvicorn --factory bench.reviews:model`."""
    return _Slow(LlmSandbox(api_keys=frozenset({SECRET})), float(os.environ[_TAKES]))


@dataclass(frozen=True, slots=True)
class Look:
    """How many had been read so many seconds after the first, and how much the worker held then."""

    at_s: float
    analysed: int
    resident_mib: float


async def figures(conversations: int, long_run: int) -> list[Figure]:
    """The speed beside the ideal, and the memory over a long run.

    Args:
        conversations: read by the slow model.
        long_run: how many the long run reads, with a model that answers at once.
    """
    slow = await _run(conversations, takes_s=_TAKES_S)
    per_minute, ideal = 60 * _steady_rate(slow, conversations), 60 * _IN_PARALLEL / _TAKES_S
    quick = await _run(long_run, takes_s=0)
    marks = [_at(quick, share) for share in (long_run // 10, long_run // 2, long_run)]
    held = ", ".join(f"{one.resident_mib:.0f} MiB at {one.analysed}" for one in marks)
    return [
        note(f"model of {_TAKES_S} s, {_IN_PARALLEL} at once: conversations a minute", f"{per_minute:.0f}"),
        at_least("conversations a minute against the ideal", per_minute / ideal, _OF_THE_IDEAL),
        note("the whole run against the ideal", f"{60 * conversations / slow[-1].at_s / ideal:.2f}"),
        note("model that answers at once: conversations a minute", f"{60 * long_run / quick[-1].at_s:.0f}"),
        note(f"worker memory over a run of {long_run}", held),
        at_most(
            "worker memory, growth after the first tenth",
            marks[-1].resident_mib - marks[0].resident_mib,
            _FLAT_MIB,
            " MiB",
        ),
    ]


async def _run(conversations: int, *, takes_s: float) -> list[Look]:
    with tempfile.TemporaryDirectory() as directory:
        url, key, now = f"sqlite+aiosqlite:///{directory}/reviews.db", new_key(), system_clock()
        database = Database(url)
        await create_all(database)
        try:
            journey_id = await _fill(database, Cipher([key]), conversations, now=now)
            async with (
                await WorkflowEnvironment.start_local(
                    dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
                    dev_server_log_level="error",
                    dev_server_extra_args=["--output", "none", "--dynamic-config-value", _FAIR],
                    search_attributes=list(ALL),
                    plugins=[RekindlePlugin()],
                ) as env,
                served("bench.reviews:model", {_TAKES: str(takes_s)}) as address,
            ):
                target = env.client.service_client.config.target_host
                settings = {
                    "TEMPORAL_ADDRESS": target,
                    "REKINDLE_DATABASE_URL": url,
                    "REKINDLE_SECRET_KEYS": key,
                    "REKINDLE_LLM_BASE_URL": f"{address}/v1",
                    "REKINDLE_LLM_API_KEY": SECRET,
                    "REKINDLE_LLM_MODEL": MODEL,
                    "REKINDLE_LLM_PARALLEL": str(_IN_PARALLEL),
                    "REKINDLE_LOG_LEVEL": "error",
                }
                async with running_worker(settings) as process_id:
                    return await _watched(env.client, database, journey_id, process_id)
        finally:
            await database.close()


async def _watched(client: Client, database: Database, journey_id: int, process_id: int) -> list[Look]:
    handle: WorkflowHandle[Any, TrackingProgress] = await client.start_workflow(
        TrackingWorkflow.run,
        TrackingInput(journey_id=journey_id, trigger=RunTrigger.STAFF),
        id=f"bench-{journey_id}",
        task_queue=queues.MAIN,
    )
    ended = asyncio.ensure_future(handle.result())
    looks: list[Look] = []
    while not ended.done():
        await asyncio.wait([ended], timeout=_LOOK_S)
        looks.append(Look(time.perf_counter(), await _answered(database), resident_mib(process_id)))
    result = ended.result()
    if result.stop_reason is not None:
        msg = f"the run was stopped: {result.stop_reason}"
        raise RuntimeError(msg)
    began = next(one.at_s for one in looks if one.analysed)
    return [replace(one, at_s=one.at_s - began) for one in looks if one.analysed]


async def _answered(database: Database) -> int:
    async with database.read() as session:
        answered = select(func.count()).where(col(ConversationAnalysis.answered_at).is_not(None))
        return (await session.exec(answered)).one()


def _steady_rate(looks: list[Look], conversations: int) -> float:
    first, last = (_at(looks, int(share * conversations)) for share in _STEADY)
    return (last.analysed - first.analysed) / (last.at_s - first.at_s)


def _at(looks: list[Look], analysed: int) -> Look:
    return next(one for one in looks if one.analysed >= analysed)


async def _fill(database: Database, cipher: Cipher, conversations: int, *, now: datetime) -> int:
    """A store with so many conversations of the last hours; the id of its active tracking journey."""
    await open_shop(database, cipher, entrants=0, now=now)
    async with database.write() as session:
        store_id = (await session.exec(select(Journey.store_id))).one()
        definition = Tracking.model_validate(
            {"name": "bench-review", "kind": "tracking", "max_conversations": conversations}
        )
        journey, _ = await publish(session, store_id, definition, now=now)
        journey.state = JourneyState.ACTIVE
        journey_id = required_id(journey.id)
    for first in range(0, conversations, _AT_ONCE):
        await _add(database, store_id, range(first, min(first + _AT_ONCE, conversations)), now=now)
    return journey_id


async def _add(database: Database, store_id: int, numbers: range, *, now: datetime) -> None:
    async with database.write() as session:
        people = [
            Customer(store_id=store_id, phone=f"+4477009{number:05d}", consent=ConsentState.SUBSCRIBED)
            for number in numbers
        ]
        session.add_all(people)
        await session.flush()
        moments = [now - timedelta(hours=12) + timedelta(seconds=number) for number in numbers]
        chats = [
            Conversation(
                store_id=store_id,
                number_id=1,
                customer_id=required_id(one.id),
                last_spoken_at=at,
                last_spoken_key=f"key-{one.id}",
                customer_wrote_at=at,
                customer_heard_at=at,
            )
            for one, at in zip(people, moments, strict=True)
        ]
        session.add_all(chats)
        await session.flush()
        session.add_all(
            ChatMessage(
                conversation_id=required_id(chat.id),
                external_id=f"m-{chat.id}",
                inbound=True,
                author=MessageAuthor.CUSTOMER,
                kind="text",
                text="Hello! Just looking, thank you",
                at=at,
            )
            for chat, at in zip(chats, moments, strict=True)
        )
