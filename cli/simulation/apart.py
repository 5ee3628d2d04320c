"""Simulations in a process of their own, one after the other, so that two can run at the same time.

`python -m cli.simulation.apart` reads what to simulate from its standard input, writes a line for every virtual day
and a last one with the outcome, and so on, until its standard input ends, and with it whoever asked.
"""

import quick_start  # noqa: F401 - for its effect

import asyncio
import contextlib
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from cli.failures import Failure
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from composition import run_async
from observability import configure_logging

_ROOT = Path(__file__).resolve().parents[2]
_LENGTH_BYTES = 8
_LONGEST_LINE = 2**26
_LET_THE_RUNTIME_END_S = 0.02


class DayLine(BaseModel):
    """A virtual day has passed."""

    what: Literal["day"] = "day"
    day: int


class RefusedLine(BaseModel):
    """The simulated world has come apart; `text` says where."""

    what: Literal["refused"] = "refused"
    text: str


class OutcomeLine(BaseModel):
    """The end of one simulation."""

    what: Literal["outcome"] = "outcome"
    outcome: Outcome


_Line = DayLine | RefusedLine | OutcomeLine
_LINES: TypeAdapter[_Line] = TypeAdapter(_Line)


class Lane:
    """The other process, seen from this one."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def simulate(self, options: Options, passed: Callable[[int], None]) -> Outcome:
        """Run a simulation there; one at a time.

        Args:
            options: what to simulate.
            passed: is told of each virtual day.

        Raises:
            Failure: the simulated world has come apart, or the process has ended and said why on stderr.
        """
        asking, answering = self._process.stdin, self._process.stdout
        if asking is None or answering is None:
            raise Failure("a simulation's process has no pipes")
        asked = pickle.dumps(options)
        with contextlib.suppress(ConnectionError):
            asking.write(len(asked).to_bytes(_LENGTH_BYTES) + asked)
            await asking.drain()
        async for text in answering:
            line = _LINES.validate_json(text)
            if isinstance(line, OutcomeLine):
                return line.outcome
            if isinstance(line, RefusedLine):
                raise Failure(line.text)
            passed(line.day)
        raise Failure("a simulation's process ended before the simulation")


@contextlib.asynccontextmanager
async def lane() -> AsyncIterator[Lane]:
    """A process that simulates inside the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        cwd=_ROOT,
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # Ctrl-C is ours; it ends with its standard input
        limit=_LONGEST_LINE,
    )
    try:
        yield Lane(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _serve() -> None:
    from cli.simulation.past import SimulationError  # noqa: PLC0415 - the asking process needs nothing of the world
    from cli.simulation.run import simulate  # noqa: PLC0415 - as above

    asking = asyncio.ensure_future(asyncio.to_thread(_asked))
    while (options := await asking) is not None:
        asking = asyncio.ensure_future(asyncio.to_thread(_asked))
        working = asyncio.ensure_future(simulate(options, watch=lambda day: _write(DayLine(day=day.day))))
        await asyncio.wait([working, asking], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():  # nobody asks for the next one before this one is over: nobody is there any more
            working.cancel()
        try:
            _write(OutcomeLine(outcome=await working))
        except SimulationError as error:
            _write(RefusedLine(text=str(error)))
        except (asyncio.CancelledError, BrokenPipeError):
            return
    # Temporal's runtime can abort an interpreter that ends right after it (sdk-python#300).
    await asyncio.sleep(_LET_THE_RUNTIME_END_S)


def _write(line: _Line) -> None:
    sys.stdout.write(f"{line.model_dump_json()}\n")
    sys.stdout.flush()


def _asked() -> Options | None:
    length = sys.stdin.buffer.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    options = pickle.loads(sys.stdin.buffer.read(int.from_bytes(length)))  # noqa: S301 - from whoever started this one
    if not isinstance(options, Options):
        msg = "asked for something that is no simulation"
        raise TypeError(msg)
    return options


if __name__ == "__main__":
    configure_logging("error", "console")
    run_async(_serve())
