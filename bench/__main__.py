"""`python -m bench`: every figure in one run, as a table; `--write` keeps it in bench/RESULTS.md."""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench import (
    audience,
    claims,
    door,
    gateway,
    history,
    lift,
    live_chat,
    lone,
    rate,
    report,
    reviews,
    sends,
    simulated,
    waiting,
)
from bench.bare import bare_per_second
from bench.figures import Figure, at_least, note, table
from bench.journeys import template_journey, written_journey
from composition import run_async, system_clock
from observability import configure_logging, route_temporal_logs

_RESULTS = Path(__file__).parent / "RESULTS.md"
_LET_THE_RUNTIME_END_S = 0.02
_OF_THE_BARE = 0.3
"""How much of the bare workflow's speed a simulation should keep; the peer's engine keeps 0.42 without database."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything is measured."""

    journeys: int
    considered: int
    customers: int
    cached: int
    replays: int
    claims: int
    sends: int
    queued: int
    webhooks: int
    exits: int
    conversations: int
    reviewed: int
    reviewed_at_length: int
    trials: int
    reported: int


Part = Callable[[Sizes], Awaitable[list[Figure]]]


async def _histories(sizes: Sizes) -> list[Figure]:
    template = (await simulated.run(template_journey(), 1)).history
    written = (await simulated.run(written_journey(), 1)).history
    if template is None or written is None:
        raise RuntimeError("nobody entered the journey")
    on_dev_server = await lone.history(written=False)
    return [
        *history.counts("3 template stages", template, events=66, billed=13),
        *history.sizes("3 template stages", on_dev_server, 14),
        *history.counts("3 written stages", written, events=84, billed=16),
        *history.sizes("3 written stages", await lone.history(written=True), 20),
        *history.beside_the_peer(on_dev_server),
        await waiting.replay(template, sizes.replays),
    ]


async def _speed(sizes: Sizes) -> list[Figure]:
    bare = await bare_per_second(sizes.journeys)
    ran = await simulated.run(template_journey(), sizes.journeys)
    whole = f"{ran.journeys} journeys, {ran.messages} messages"
    return [
        note("bare SDK workflows, same timers and activities", f"{bare:.1f}/s"),
        note(f"simulated with their selection ({whole})", f"{ran.per_second:.1f}/s"),
        at_least("simulated against bare", ran.per_second / bare, _OF_THE_BARE),
    ]


async def _audience(sizes: Sizes) -> list[Figure]:
    ran = await simulated.run(template_journey(), sizes.considered, limit=1)
    simulated_s = 1000 * ran.launched_s / sizes.considered
    return [
        note("simulated audience selection per 1,000 customers", f"{simulated_s:.2f} s"),
        *await audience.figures(sizes.customers),
    ]


async def _memory(sizes: Sizes) -> list[Figure]:
    return [await waiting.memory(sizes.cached)]


async def _claims(sizes: Sizes) -> list[Figure]:
    return await claims.figures(sizes.claims, now=system_clock())


async def _sends(sizes: Sizes) -> list[Figure]:
    return await sends.figures(sizes.sends)


async def _rate(sizes: Sizes) -> list[Figure]:
    return await rate.figures(sizes.queued)


async def _webhooks(sizes: Sizes) -> list[Figure]:
    return await gateway.figures(sizes.webhooks, clock=system_clock)


async def _exits(sizes: Sizes) -> list[Figure]:
    return await door.exits(sizes.exits, clock=system_clock)


async def _chats(sizes: Sizes) -> list[Figure]:
    return await live_chat.figures(sizes.conversations)


async def _reviews(sizes: Sizes) -> list[Figure]:
    return await reviews.figures(sizes.reviewed, sizes.reviewed_at_length)


async def _lift(sizes: Sizes) -> list[Figure]:
    return lift.figures(sizes.trials)


async def _report(sizes: Sizes) -> list[Figure]:
    return await report.figures(sizes.reported)


PARTS: dict[str, Part] = {
    "memory": _memory,  # first: what the others leave behind would blur it
    "histories": _histories,
    "speed": _speed,
    "audience": _audience,
    "claims": _claims,
    "sends": _sends,
    "rate": _rate,
    "webhooks": _webhooks,
    "exits": _exits,
    "chats": _chats,
    "reviews": _reviews,
    "lift": _lift,
    "report": _report,
}


async def _measure(parts: list[str], sizes: Sizes) -> list[Figure]:
    found = []
    for name in parts:
        began = time.perf_counter()
        found += await PARTS[name](sizes)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    await asyncio.sleep(_LET_THE_RUNTIME_END_S)  # see docs/benchmarks.md
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--write", action="store_true", help="keep the table in bench/RESULTS.md")
    for name, size in (
        ("journeys", 300),
        ("considered", 1000),
        ("customers", 100_000),
        ("cached", 1000),
        ("replays", 100),
        ("claims", 300),
        ("sends", 600),
        ("queued", 5000),
        ("webhooks", 900),
        ("exits", 40),
        ("conversations", 1000),
        ("reviewed", 800),
        ("reviewed_at_length", 10_000),
        ("trials", 1000),
        ("reported", 1_000_000),
    ):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=size, metavar="N", help=f"default {size}")
    found = parser.parse_args()
    unknown = set(found.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return found


def main() -> int:
    """Measure, print, and say by the exit code whether every aim was reached."""
    arguments = _arguments()
    configure_logging("error", "console")
    route_temporal_logs()
    options = vars(arguments)
    sizes = Sizes(**{name: options[name] for name in Sizes.__dataclass_fields__})
    figures = run_async(_measure(arguments.parts or list(PARTS), sizes))
    text = table(figures)
    print(text)
    if arguments.write:
        machine = (
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        )
        _RESULTS.write_text(f"# Measured\n\n`python -m bench --write` on {machine}.\n\n{text}\n", encoding="utf-8")
    return 1 if any(one.reached is False for one in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
