"""Reports of growing length: rows a second, and a process's memory, which is to stay what it is.

The command is the product's own, in a process of its own, on a SQLite file that is filled straight by SQL: of two
customers one got a message and bought, and one was left out.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Table, insert
from sqlmodel import select

from bench.figures import Figure, at_most, note
from bench.journeys import template_journey
from bench.memory import peak_mib
from bench.shop import open_shop
from composition import system_clock
from models.enums import AttemptStatus, AttributedBy, ConsentState, EnrollmentState, ExitReason, SendState
from models.tables import Customer, Enrollment, EntryDecision, Journey, JourneyVersion, Order, Send, SendAttempt
from reports.export.formats import Format
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.stores import required_id

_ROOT: Final = Path(__file__).parents[1]
_ROWS_A_PAIR: Final = 3
_AT_ONCE: Final = 10_000
_LOOK_S: Final = 0.02
_FLAT_MIB: Final = 30.0
"""What the longest report may take beyond the shortest."""
_SIZES: Final = (10_000, 100_000)
"""Reports to compare the longest with."""


@dataclass(frozen=True, slots=True)
class _Run:
    rows: int
    seconds: float
    peak_mib: float
    file_mb: float


async def figures(longest: int) -> list[Figure]:
    """Reports of two sizes and of the longest one, and that one as parquet too."""
    found, runs = [], []
    for rows in (*(size for size in _SIZES if size < longest), longest):
        with tempfile.TemporaryDirectory(prefix="bench-report") as folder:
            place = Path(folder)
            environment = await _fill(place / "rekindle.db", rows)
            run = await asyncio.to_thread(_report, place, environment, Format.CSV)
            runs.append(run)
            found.append(_line(run, Format.CSV))
            if rows == longest:
                found.append(
                    _line(await asyncio.to_thread(_report, place, environment, Format.PARQUET), Format.PARQUET)
                )
    growth = runs[-1].peak_mib - runs[0].peak_mib
    found.append(at_most(f"growth from {runs[0].rows:,} to {runs[-1].rows:,} rows", growth, _FLAT_MIB, " MiB"))
    return found


def _line(run: _Run, form: Format) -> Figure:
    return note(
        f"report of {run.rows:,} rows, {form.value}",
        f"{run.rows / run.seconds:,.0f} rows/s, {run.seconds:.1f} s, peak {run.peak_mib:.0f} MiB, {run.file_mb:.1f} MB",
    )


def _report(place: Path, environment: dict[str, str], form: Format) -> _Run:
    out = place / f"report.{form.value}"
    words = (sys.executable, "starter.py", "report", template_journey().name, "--out", str(out), "--json")
    began, peak = time.perf_counter(), 0.0
    with subprocess.Popen(  # noqa: S603 - our own command
        words, cwd=_ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        while process.poll() is None:
            with contextlib.suppress(StopIteration):  # it has just ended, and holds nothing
                peak = max(peak, peak_mib(process.pid))
            time.sleep(_LOOK_S)
        answer = process.stdout.read()
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError("the report failed")
    rows = json.loads(answer)["totals"]["rows"]["total"]
    return _Run(rows, seconds, peak, out.stat().st_size / 1e6)


async def _fill(path: Path, rows: int) -> dict[str, str]:
    """A database with so many rows to report; the environment of programs on it."""
    key, now = new_key(), system_clock()
    environment = {"REKINDLE_DATABASE_URL": f"sqlite+aiosqlite:///{path}", "REKINDLE_SECRET_KEYS": key}
    database = Database(environment["REKINDLE_DATABASE_URL"], throwaway=True)
    try:
        await create_all(database)
        shop = await open_shop(database, Cipher([key]), entrants=0, now=now)
        async with database.read() as session:
            version = (await session.exec(select(JourneyVersion))).one()
            journey = await session.get_one(Journey, version.journey_id)
        ids = {
            "store_id": journey.store_id,
            "journey_id": version.journey_id,
            "version_id": required_id(version.id),
        }
        pairs = rows // _ROWS_A_PAIR
        for first in range(0, pairs, _AT_ONCE):
            together = range(first, min(first + _AT_ONCE, pairs))
            async with database.write() as session:
                connection = await session.connection()
                for table, values in _pairs(together, ids, shop.number_id, now - timedelta(days=30)):
                    await connection.execute(insert(table), values)
    finally:
        await database.close()
    return environment


def _pairs(
    pairs: Sequence[int], ids: dict[str, int], number_id: int, at: datetime
) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    store, of_journey = {"store_id": ids["store_id"]}, {key: ids[key] for key in ("store_id", "journey_id")}
    yield (
        _table(Customer),
        [
            {
                **store,
                "id": 2 * n + which,
                "external_id": f"{2 * n + which}",
                "phone": f"+4915550{2 * n + which:08d}",
                "first_name": f"Customer {n}",
                "consent": ConsentState.SUBSCRIBED,
            }
            for n in pairs
            for which in (1, 2)
        ],
    )
    yield (
        _table(Enrollment),
        [
            {
                **ids,
                "id": f"enr-{n}",
                "customer_id": 2 * n + 1,
                "entry_key": f"order-{n}",
                "priority": 50,
                "state": EnrollmentState.CLOSED,
                "exit_reason": ExitReason.PURCHASED,
                "selected_at": at,
                "entered_at": at,
                "closed_at": at + timedelta(days=2),
                "horizon_at": at + timedelta(days=8),
            }
            for n in pairs
        ],
    )
    yield (
        _table(Send),
        [
            {
                **of_journey,
                "id": n + 1,
                "enrollment_id": f"enr-{n}",
                "customer_id": 2 * n + 1,
                "stage": 0,
                "state": SendState.ACCEPTED,
                "attempt": 1,
                "template_name": "winback_hello",
                "template_language": "en",
                "settled_at": at,
                "received_at": at,
            }
            for n in pairs
        ],
    )
    yield (
        _table(SendAttempt),
        [
            {
                "id": f"enr-{n}:1:1:1",
                "send_id": n + 1,
                "number_id": number_id,
                "number": 1,
                "status": AttemptStatus.READ,
                "claimed_at": at,
                "accepted_at": at,
                "delivered_at": at,
                "read_at": at,
            }
            for n in pairs
        ],
    )
    yield (
        _table(Order),
        [
            {
                **store,
                "customer_id": 2 * n + 1,
                "external_id": f"{n}",
                "ordered_at": at + timedelta(days=2),
                "updated_at": at + timedelta(days=2),
                "total_minor": 4000 + n % 1000,
                "currency": "USD",
                "discount_codes": [],
                "attributed_by": AttributedBy.WINDOW,
                "attributed_journey_id": ids["journey_id"],
                "attributed_enrollment_id": f"enr-{n}",
                "attributed_send_id": n + 1,
            }
            for n in pairs
        ],
    )
    yield (
        _table(EntryDecision),
        [{**ids, "customer_id": 2 * n + 2, "at": at, "outcome": "no_consent"} for n in pairs],
    )


def _table(model: Any) -> Table:
    return cast("Table", model.__table__)
