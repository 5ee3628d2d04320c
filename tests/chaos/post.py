"""The way of webhooks to the gateways: late, twice, in another order, and sometimes with the answer lost.

The senders are the sandbox's own, which repeat what did not get its 200 as Meta and Shopify do. This is the network
below them; it writes down what a gateway has taken, which is what must have had its effect (promise 3).
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import httpx

from tests.chaos.plan import Plan, dice

_OK = 200
_MARK = b'"messages":['
"""In a body of WhatsApp's that tells what a customer wrote."""


class CrookedLine(httpx.AsyncBaseTransport):
    """Between the senders and the gateways.

    Args:
        plan: what goes wrong.
        ports: of the gateways.
        kill: ends the gateway of a slot with SIGKILL.

    Attributes:
        taken: what was answered with 200: path, topic and body.
        is_calm: nothing is broken on purpose any more.
    """

    def __init__(self, plan: Plan, ports: Sequence[int], kill: Callable[[int], Awaitable[bool]]) -> None:
        self._plan = plan
        self._ports = ports
        self._kill = kill
        self._wire = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=50, max_keepalive_connections=10))
        self._left: dict[bytes, int] = {}
        self._requests = 0
        self._kills_left = max(plan.options.journeys // 20, 2)
        self._tasks: set[asyncio.Task[object]] = set()
        self.taken: list[tuple[str, bytes]] = []
        self.answers: Counter[str] = Counter()
        self.is_calm = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one delivery."""
        raw, key = request.content, hashlib.sha256(request.content).digest()
        self._requests += 1
        slot = self._requests % len(self._ports)
        draw = dice(self._plan.seed, "webhook", self._requests)
        roll = 100.0 if self.is_calm else draw.uniform(0, 100)
        if key not in self._left:
            is_shopify = request.url.path.endswith("shopify")  # its sender waits far longer between two tries
            self._left[key] = draw.randint(1, 3) if roll < 15 and not is_shopify else 0
            self._plan.injected["webhook delayed, and so out of order"] += self._left[key] > 0
        if self._left[key] > 0 and not self.is_calm:
            self._left[key] -= 1
            raise httpx.ConnectError("the network is down")
        if 15 <= roll < 30:
            self._plan.injected["webhook delivered twice"] += 1
            self._begin(self._later(request, raw, slot + 1, draw.uniform(0, 2)))
        if 30 <= roll < 38 and _MARK in raw and self._may_kill():
            self._plan.injected["gateway killed while a reply is on its way to it"] += 1
            self._begin(self._shoot(slot, draw.uniform(0, 0.03)))
        answer = await self._carry(request, raw, slot)
        if 38 <= roll < 46 and _MARK in raw and answer.status_code == _OK and self._may_kill():
            self._plan.injected["gateway killed right after its 200"] += 1
            await self._kill(slot)
        if 46 <= roll < 56:
            self._plan.injected["webhook's answer lost"] += 1
            raise httpx.ReadError("the network is down")
        return answer

    async def aclose(self) -> None:
        """Hang up."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._wire.aclose()

    def _may_kill(self) -> bool:
        """Whether one of the gateways' chosen deaths is left."""
        self._kills_left -= 1
        return self._kills_left >= 0

    def _begin(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(self, request: httpx.Request, raw: bytes, slot: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            await self._carry(request, raw, slot)
        except httpx.TransportError:
            return  # a copy of what is delivered anyway

    async def _shoot(self, slot: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._kill(slot)

    async def _carry(self, request: httpx.Request, raw: bytes, slot: int) -> httpx.Response:
        """To the gateway of the slot, or to the next that is there, as a load balancer would."""
        for other in range(len(self._ports) - 1):
            with suppress(httpx.ConnectError):
                return await self._carry_to(request, raw, slot + other)
        return await self._carry_to(request, raw, slot - 1)

    async def _carry_to(self, request: httpx.Request, raw: bytes, slot: int) -> httpx.Response:
        path = request.url.path
        there = httpx.Request(
            "POST",
            f"http://127.0.0.1:{self._ports[slot % len(self._ports)]}{path}",
            content=raw,
            headers={name: value for name, value in request.headers.items() if name not in {"host", "content-length"}},
            extensions=request.extensions,
        )
        try:
            answer = await self._wire.handle_async_request(there)
            content = await answer.aread()
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            raise
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == _OK:
            self.taken.append((path, raw))
        return httpx.Response(answer.status_code, content=content)
