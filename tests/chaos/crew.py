"""Our programs as real processes that are killed and come back, as under any supervisor."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.gateways import running_gateway
from tests.integration.programs import kill, running

_KILLED = -9
_MOST_IN_A_ROW = 8
_BACK_AFTER_S = 0.2
_BACK_AFTER_A_FAULT_S = 1.0
Process = asyncio.subprocess.Process


@dataclass(slots=True)
class Place:
    """One process and its successors.

    Attributes:
        process: the one that runs; None while there is none.
        starts: how many there have been.
        gave_up: how often one ended by itself, by exit code.
        dead: the identities under which Temporal knew those that were killed.
    """

    name: str
    start: Callable[[], AbstractAsyncContextManager[Process]]
    process: Process | None = None
    starts: int = 0
    gave_up: Counter[int] = field(default_factory=Counter)
    dead: list[str] = field(default_factory=list)

    async def shoot(self) -> bool:
        """`kill -9`, if there is one that lives."""
        process = self.process
        if process is None or process.returncode is not None:
            return False
        self.process = None
        self.dead.append(f"{process.pid}@{socket.gethostname()}")
        await kill(process)
        return True

    async def keep(self) -> None:
        """Start it again whenever it has ended, until cancelled.

        Raises:
            RuntimeError: it has ended by itself too often, which is no fault that was injected.
        """
        in_a_row = 0
        while True:
            async with self.start() as process:
                self.process, self.starts = process, self.starts + 1
                code = await process.wait()
            self.process = None
            in_a_row = 0 if code == _KILLED else in_a_row + 1
            if code != _KILLED:
                self.gave_up[code] += 1
            if in_a_row > _MOST_IN_A_ROW:
                raise RuntimeError(f"{self.name} ends by itself again and again")
            await asyncio.sleep(_BACK_AFTER_S if code == _KILLED else _BACK_AFTER_A_FAULT_S)


class Crew:
    """Workers and gateways.

    Args:
        workers: the environment of each worker.
        gateways: port and environment of each gateway.
        logs: the directory where they write.
        program: the worker's program with its arguments.
    """

    def __init__(
        self,
        workers: Sequence[Mapping[str, str]],
        gateways: Sequence[tuple[int, Mapping[str, str]]],
        logs: Path,
        program: Sequence[str] = ("worker.py",),
    ) -> None:
        self.workers = [
            Place(f"worker {n}", _worker(program, env, logs / f"worker{n}.log")) for n, env in enumerate(workers)
        ]
        self.gateways = [
            Place(f"gateway {n}", _gateway(env, logs / f"gateway{n}.log", port))
            for n, (port, env) in enumerate(gateways)
        ]

    @property
    def dead_workers(self) -> set[str]:
        """The identities of killed workers."""
        return {identity for place in self.workers for identity in place.dead}

    async def work(self) -> None:
        """Keep all of them running until cancelled; afterwards none does.

        Raises:
            RuntimeError: one of them does not start.
        """
        async with asyncio.TaskGroup() as group:
            for place in (*self.workers, *self.gateways):
                group.create_task(place.keep())


def _worker(
    program: Sequence[str], env: Mapping[str, str], log: Path
) -> Callable[[], AbstractAsyncContextManager[Process]]:
    return lambda: running(*program, env=env, log=log)


def _gateway(env: Mapping[str, str], log: Path, port: int) -> Callable[[], AbstractAsyncContextManager[Process]]:
    @asynccontextmanager
    async def start() -> AsyncIterator[Process]:
        async with running_gateway(env, log, port) as gateway:
            yield gateway.process

    return start
