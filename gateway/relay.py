"""Delivers stored signal intents to Temporal until Temporal has accepted them (promise 3).

An intent may also ask for a workflow to be started: the delivery of an event to a system of a store's own.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities import queues
from models.orchestration import AttemptSettled, DeliveryRef, DeliveryStart, ExitNotice, Released, Wake
from storage.engine import Database, DatabaseUnavailableError
from storage.intents import (
    START_DELIVERY,
    DueIntent,
    expand_broadcast,
    next_try_at,
    put_off,
    settle_delivered,
    settle_not_found,
    take_due,
)
from storage.wakes import CHECK_NOW
from workflows.webhook_delivery import WebhookDeliveryWorkflow

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

IN_FLIGHT = 20
"""How many signals are on their way at once."""
LOOK_EVERY = 1.0
"""Seconds between two looks when nobody wakes the relay."""
_LONGEST_PAUSE = 30.0
_ANSWER_WITHIN = timedelta(seconds=10)
_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
    }
)

# `check_now` takes no argument; every other signal is an exit notice. The converter needs the handler's own model.
_PAYLOADS: Mapping[str, type[BaseModel]] = {"attempt_settled": AttemptSettled, "released": Released, "wake": Wake}


@dataclass(slots=True)
class _Answers:
    delivered: list[DueIntent] = field(default_factory=list)
    not_found: list[DueIntent] = field(default_factory=list)
    failed: list[DueIntent] = field(default_factory=list)
    error: str | None = None


class Relay:
    """Takes intents from the database in pages, signals their workflows and settles them.

    Several may run on one database. The client's data converter must be pydantic's.

    Attributes:
        counts: how many signals were delivered, found nobody, or were put off, since this relay began.
    """

    def __init__(self, database: Database, client: Client, clock: Clock) -> None:
        self._database = database
        self._client = client
        self._clock = clock
        self._awake = asyncio.Event()
        self._temporal_is_away = False
        self._was_away = False
        self.counts: Counter[str] = Counter()

    @property
    def client(self) -> Client:
        """The client that signals go through."""
        return self._client

    def wake(self) -> None:
        """Look for intents now rather than at the next round; called after an ingest."""
        self._awake.set()

    async def drain(self) -> int:
        """Deliver everything that is due now; what Temporal does not take is put off.

        Returns:
            How many signals Temporal accepted.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        delivered = 0
        self._was_away, self._temporal_is_away = self._temporal_is_away, False
        # The look is a read, so that an idle relay never asks for SQLite's one write lock.
        while not self._temporal_is_away and await self._is_something_due():
            async with self._database.write() as session:
                expanded = await expand_broadcast(session, now=self._clock())
                page = await take_due(session, now=self._clock())
            if page:
                delivered += await self._deliver(page)
            elif not expanded:
                break  # another relay holds what is due
        return delivered

    async def next_due_at(self) -> datetime | None:
        """When the earliest pending intent is due, for whoever moves a clock."""
        async with self._database.read() as session:
            return await next_try_at(session)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, resting longer and longer while Temporal or the database is away."""
        failures = 0
        while not stop.is_set():
            self._awake.clear()
            try:
                await self.drain()
            except (DatabaseUnavailableError, SQLAlchemyError, OSError) as exc:
                # The text of a database error can hold parameters; its kind says enough here.
                _log.warning("relay: the database is away (%s)", type(exc).__name__)
                failures += 1
            else:
                failures = failures + 1 if self._temporal_is_away else 0
            if failures:
                # A wake-up must not shorten the pause: the other side is down whatever comes in.
                await _first_of(min(LOOK_EVERY * 2 ** (failures - 1), _LONGEST_PAUSE), stop)
            else:
                await _first_of(LOOK_EVERY, stop, self._awake)

    async def _is_something_due(self) -> bool:
        due_at = await self.next_due_at()
        return due_at is not None and due_at <= self._clock()

    async def _deliver(self, page: list[DueIntent]) -> int:
        answers = _Answers()
        limit = asyncio.Semaphore(IN_FLIGHT)

        async def deliver(intent: DueIntent) -> None:
            async with limit:
                if self._temporal_is_away:
                    answers.failed.append(intent)
                else:
                    await self._signal(intent, answers)

        first, *others = page
        if self._was_away:
            # One request finds out whether Temporal is back; twenty would each be repeated by its client for seconds.
            await deliver(first)
            self._was_away = self._temporal_is_away
        else:
            others = page
        await asyncio.gather(*(deliver(intent) for intent in others))
        now = self._clock()
        async with self._database.write() as session:
            await settle_delivered(session, [intent.id for intent in answers.delivered], now=now)
            if answers.not_found:
                await settle_not_found(session, answers.not_found, now=now)
            await put_off(session, answers.failed, now=now)
        self.counts["delivered"] += len(answers.delivered)
        self.counts["not_found"] += len(answers.not_found)
        self.counts["put_off"] += len(answers.failed)
        if answers.error is not None:
            _log.warning("relay: %d signals put off (%s)", len(answers.failed), answers.error)
        return len(answers.delivered)

    async def _signal(self, intent: DueIntent, answers: _Answers) -> None:
        try:
            if intent.signal == START_DELIVERY:
                await self._start_delivery(intent)
                answers.delivered.append(intent)
                return
            handle = self._client.get_workflow_handle(intent.enrollment_id)
            if intent.signal == CHECK_NOW:
                await handle.signal(intent.signal, rpc_timeout=_ANSWER_WITHIN)
            else:
                payload = _PAYLOADS.get(intent.signal, ExitNotice).model_validate(intent.payload)
                await handle.signal(intent.signal, payload, rpc_timeout=_ANSWER_WITHIN)
        except RPCError as exc:
            if exc.status is RPCStatusCode.NOT_FOUND and intent.signal != START_DELIVERY:
                answers.not_found.append(intent)
                return
            answers.failed.append(intent)
            answers.error = exc.status.name
            self._temporal_is_away = self._temporal_is_away or exc.status in _AWAY
        except RuntimeError as exc:
            # A lazy client that cannot connect.
            answers.failed.append(intent)
            answers.error = type(exc).__name__
            self._temporal_is_away = True
        except ValidationError as exc:
            # Never lost, even if nobody can read it before the code is mended.
            answers.failed.append(intent)
            answers.error = type(exc).__name__
        else:
            answers.delivered.append(intent)

    async def _start_delivery(self, intent: DueIntent) -> None:
        """Start the workflow of a delivery to a store's own system, once: one that was started already is a success."""
        start = DeliveryStart.model_validate(intent.payload)
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                WebhookDeliveryWorkflow.run,
                DeliveryRef(delivery_id=start.delivery_id),
                id=intent.enrollment_id,
                task_queue=queues.MAIN,
                priority=queues.in_turns(start.store_id),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=_ANSWER_WITHIN,
            )


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, at most so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
