"""`python -m tests.chaos [--journeys 300] [--seed N] [--database sqlite|postgresql]`: run chaos and tell what held."""

import quick_start  # noqa: F401 - for its effect

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import Options
from tests.chaos.run import Report, run

_LEAST_FOR_ALL_KILLS = 300


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--journeys", type=int, default=300, help="customers in the journey")
    parser.add_argument("--seed", type=int, default=None, help="what is injected; drawn and told if left out")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--delays", default="0m,1m,1m", help="of the stages, in minutes")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=None, help="workers killed between claim and record")
    parser.add_argument("--hurry", action="store_true", help="end the minutes of time-outs and retries at once")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds that a minute of the delays lasts")
    parser.add_argument("--rest", type=float, default=1.0, help="2: twice as many messages between disasters")
    given = parser.parse_args(arguments)
    return Options(
        journeys=given.journeys,
        seed=secrets.randbelow(1_000_000) if given.seed is None else given.seed,
        database=given.database,
        workers=given.workers,
        delays=tuple(given.delays.split(",")),
        kills=max(given.journeys // 10, 30) if given.kills is None else given.kills,
        hurry=given.hurry,
        minute_s=given.minute,
        rest=given.rest,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell(report: Report) -> None:
    _say("\nfaults injected")
    for what, count in sorted(report.injected.items()):
        _say(f"  {count:6}  {what}")
    _say(f"  {report.killed_between:6}  of the killed workers had a claim in the database and nothing recorded")
    _say("\nwhat customers did")
    for what, count in sorted(report.deeds.items()):
        _say(f"  {count:6}  {what}")
    _say("\nprocesses")
    for name, what in report.programs.items():
        _say(f"  {name}: {what}")
    _say("\nfigures")
    for what, figure in report.verdict.figures.items():
        _say(f"  {what}: {figure}")
    _say("\n" + ", ".join(f"{what} {seconds:.0f} s" for what, seconds in report.seconds.items()))


async def _main(options: Options, scratch: Path) -> Report:
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel if task is not None else sys.exit)
    return await run(options, scratch)


def main() -> int:
    """0 when every promise held, 1 when one was broken, 130 after Ctrl-C."""
    options = _options(sys.argv[1:])
    _say(
        f"chaos: {options.journeys} journeys of {options.stages} stages on {options.database}, seed {options.seed}, "
        f"{options.workers} workers, {options.gateways} gateways",
    )
    with tempfile.TemporaryDirectory(prefix="chaos", ignore_cleanup_errors=True) as scratch:
        try:
            report = asyncio.run(_main(options, Path(scratch)))
        except asyncio.CancelledError:
            return 130
        _tell(report)
        broken = list(report.verdict.broken)
        if report.killed_between < min(options.kills, 20) and options.journeys >= _LEAST_FOR_ALL_KILLS:
            broken.append(f"only {report.killed_between} workers were killed between claim and record")
        for line in broken:
            _say(f"BROKEN  {line}")
        if broken:
            for log in sorted(Path(scratch).glob("*.log")):
                _say(f"\n{log.name} ends with\n{log.read_text()[-1500:]}")
        _say("\nbroken" if broken else "\nevery promise held")
        return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
