"""Posts the sandbox's webhooks to the gateway, and again when it is not there, as Meta does."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx

from sandbox.whatsapp.outbox import Outbox

_FIRST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(hours=1)
_GIVES_UP_AFTER = timedelta(days=7)
_MOST_DOUBLINGS = 12
_LOOK_AGAIN = 0.5  # seconds: a clock that is not this machine's may run ahead of a sleep
_OK = 200


class WebhookSender:
    """The delivery of one outbox to one URL.

    Anything but a 200 is retried: at once, then after 1, 2, 4, ... seconds up to an hour, for seven days; then the
    body is dropped for good.

    Args:
        outbox: where the updates wait.
        http: posts them.
        target: the gateway's webhook URL.
        clock: the sandbox's clock.

    Attributes:
        delivered: bodies that were answered with 200.
        dropped: bodies that were given up.
    """

    def __init__(self, outbox: Outbox, http: httpx.AsyncClient, target: str, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._http = http
        self._target = target
        self._clock = clock
        self._retries: list[tuple[datetime, int, int, datetime, bytes]] = []
        self._order = itertools.count()
        self.delivered = 0
        self.dropped = 0

    @property
    def next_due(self) -> datetime | None:
        """When there is something to post next, a first time or again."""
        moments = [
            moment for moment in (self._outbox.next_due, self._retries[0][0] if self._retries else None) if moment
        ]
        return min(moments, default=None)

    async def post(self, body: bytes) -> bool:
        """Sign and post one body (a status batch, or what a customer did); retried later if it does not get its 200."""
        now = self._clock()
        return await self._post(body, now, attempt=0, first=now)

    async def deliver_due(self) -> int:
        """Post everything that is due now; returns how many bodies were posted, successfully or not."""
        now = self._clock()
        again = []
        while self._retries and self._retries[0][0] <= now:
            again.append(heapq.heappop(self._retries))
        for _, _, attempt, first, body in again:
            await self._post(body, now, attempt=attempt, first=first)
        fresh = self._outbox.due_webhooks(now)
        for body in fresh:
            await self._post(body, now, attempt=0, first=now)
        return len(again) + len(fresh)

    async def run(self) -> None:
        """Deliver as things become due, until cancelled; for a clock that runs by itself."""
        while True:
            self._outbox.changed.clear()
            await self.deliver_due()
            due = self.next_due
            wait = _LOOK_AGAIN
            if due is not None:
                wait = min(max((due - self._clock()).total_seconds(), 0.0), _LOOK_AGAIN)
            try:
                async with asyncio.timeout(wait):
                    await self._outbox.changed.wait()
            except TimeoutError:
                continue

    async def _post(self, body: bytes, now: datetime, *, attempt: int, first: datetime) -> bool:
        headers = {"X-Hub-Signature-256": self._outbox.sign(body), "Content-Type": "application/json"}
        try:
            answer = await self._http.post(self._target, content=body, headers=headers)
        except httpx.TransportError:
            accepted = False
        else:
            accepted = answer.status_code == _OK
        if accepted:
            self.delivered += 1
            return True
        wait = min(_FIRST_WAIT * 2 ** min(attempt - 1, _MOST_DOUBLINGS), _LONGEST_WAIT) if attempt else timedelta(0)
        if now + wait - first > _GIVES_UP_AFTER:
            self.dropped += 1
        else:
            heapq.heappush(self._retries, (now + wait, next(self._order), attempt + 1, first, body))
        return False
