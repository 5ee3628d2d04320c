"""A report over HTTP: the same bytes, to marketers only, and no longer than somebody listens."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.pool import QueuePool

from gateway.api import reports
from reports.export import stream
from reports.export.columns import ReportRow
from reports.export.formats import Format, encoder_for
from storage.engine import Database
from storage.journeys import find_journey
from storage.statistics.period import Period
from tests.gateway.staff import Staff, gateway
from tests.reporting import JOURNEY, Reporting
from tests.serving import serve

ZONE = ZoneInfo("Europe/London")


async def test_the_answer_is_the_file(staff: Staff) -> None:
    """Both formats, to the byte what the command writes; only for the store's own journeys, and for marketers."""
    reporting = Reporting(staff.world)
    await reporting.tell()
    for form in Format:
        answer = await staff.ask("GET", f"/journeys/{JOURNEY}/report?format={form.value}")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="{JOURNEY}.{form.value}"'
        assert answer.headers["content-type"] == form.media_type
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content == await file_of(staff.world.database, staff.world.store_id, form)
    days = await staff.ask("GET", f"/journeys/{JOURNEY}/report?from=2026-11-23&to=2026-11-24")
    assert days.text.count("\r\n") == 2
    assert (await staff.ask("GET", f"/journeys/{JOURNEY}/report", key=staff.support)).status_code == 403
    assert (await staff.ask("GET", "/journeys/nobody/report")).status_code == 404
    for wrong in ("from=2026-11-23&to=2026-11-23", "from=yesterday", "format=xlsx"):
        assert (await staff.ask("GET", f"/journeys/{JOURNEY}/report?{wrong}")).status_code == 422


async def file_of(database: Database, store_id: int, form: Format) -> bytes:
    """What the command writes."""
    async with database.read() as session:
        journey = await find_journey(session, store_id, JOURNEY)
        context = await stream.context_of(session, journey, Period(zone=ZONE))
    encoder = encoder_for(form, ZONE)
    parts = [encoder.rows(rows) async for _, rows in stream.row_pages(database, context)]
    return b"".join(parts) + encoder.end()


async def test_whoever_hangs_up_ends_the_reading(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that goes on for ever is over when its client goes away."""
    reporting = Reporting(staff.world)
    await reporting.tell()
    over = asyncio.Event()

    async def endless(*words: Any, page: int) -> AsyncGenerator[tuple[int, list[ReportRow]], None]:
        try:
            while True:
                async for one in stream.row_pages(*words, page=page):
                    yield one
        finally:
            over.set()

    monkeypatch.setattr(reports, "row_pages", endless)
    async with serve(gateway(staff.world)) as address:
        port = int(address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
        request = (
            f"GET /api/journeys/{JOURNEY}/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {staff.marketer}\r\n\r\n"
        )
        writer.write(request.encode())
        first = await reader.read(20_000)
        assert b"transfer-encoding: chunked" in first.lower()
        assert not over.is_set()
        writer.transport.abort()
        await asyncio.wait_for(over.wait(), 10)
    pool = staff.world.database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0
