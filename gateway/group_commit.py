"""Requests that share a commit: waiting for the disk costs far more than what one webhook writes.

While one commit is on its way, the requests that come in gather, and then all of them are ingested in one transaction
and answered after it. Nobody is kept waiting for company: a request that finds nothing on its way goes at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from storage.engine import DatabaseUnavailableError
from storage.ingest import Ingested

_log = logging.getLogger(__name__)

LONGEST_GROUP: Final = 64
"""Requests in one transaction."""
LARGEST_GROUP: Final = 1000
"""Pieces in one transaction; a request that has more of its own goes alone."""


class Shareable(Protocol):
    """A request that can be ingested together with others."""

    @property
    def weight(self) -> int:
        """How many pieces it has."""
        ...

    @property
    def goes_alone(self) -> bool:
        """Whether its effects depend on what exactly was applied before it."""
        ...


RequestT = TypeVar("RequestT", bound=Shareable)


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[RequestT]):
    request: RequestT
    answer: asyncio.Future[Ingested]


class GroupCommit(Generic[RequestT]):
    """Gathers requests and ingests them in groups.

    Args:
        ingest: ingests requests in one transaction, in their order; what it did for each of them.
        at_once: how many groups may be on their way. SQLite has one writer at a time.
    """

    def __init__(
        self, ingest: Callable[[Sequence[RequestT]], Awaitable[Sequence[Ingested]]], *, at_once: int = 1
    ) -> None:
        self._ingest = ingest
        self._at_once = at_once
        self._waiting: deque[_Waiting[RequestT]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._working = 0

    async def ingest(self, request: RequestT) -> Ingested:
        """Store the request with its effects; returns when they are committed.

        Raises:
            DatabaseUnavailableError: the database cannot be reached; nothing is stored.
            Exception: whatever made this request fail when it was tried by itself.
        """
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._working < self._at_once:
            self._working += 1
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await waiting.answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._commit(self._next_group())
        finally:
            # In one step with the look that found nobody waiting, or somebody would come in between and wait for ever.
            self._working -= 1

    def _next_group(self) -> list[_Waiting[RequestT]]:
        group = [self._waiting.popleft()]
        weight = group[0].request.weight
        while self._waiting and not group[0].request.goes_alone and len(group) < LONGEST_GROUP:
            following = self._waiting[0].request
            weight += following.weight
            if following.goes_alone or weight > LARGEST_GROUP:
                break
            group.append(self._waiting.popleft())
        return group

    async def _commit(self, group: Sequence[_Waiting[RequestT]]) -> None:
        try:
            done = await self._ingest([one.request for one in group])
        except DatabaseUnavailableError as error:
            for one in group:
                _fail(one, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the sender's whose request it was
            if len(group) == 1:
                _fail(group[0], error)
                return
            # One of them is at fault, and the others must not suffer for it.
            _log.warning("gateway: %d requests are tried one by one (%s)", len(group), type(error).__name__)
            for one in group:
                await self._commit([one])
        else:
            for one, ingested in zip(group, done, strict=True):
                if not one.answer.done():
                    one.answer.set_result(ingested)


def _fail(waiting: _Waiting[RequestT], error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
