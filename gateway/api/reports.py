"""A journey's report over HTTP, streamed as it is read: the same bytes that `starter.py report` writes to a file."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Final

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse
from starlette.types import Send

from gateway.api.guard import Marketer, TheGateway
from gateway.api.problems import ApiError
from gateway.api.requests import JourneyName
from gateway.api.responses import NO_SUCH_JOURNEY
from gateway.api.stores import store_of
from policies.zones import zone_or_none
from reports.export.context import Context
from reports.export.formats import Format, encoder_for
from reports.export.stream import context_of, row_pages
from storage.engine import Database
from storage.journeys import find_journey
from storage.statistics.period import Period

router = APIRouter(prefix="/journeys", tags=["journeys"])

_REPORT: Final[dict[str, Any]] = {
    "description": "The file, in chunks; docs/report.md tells its columns. An answer without its last chunk is not "
    "complete.",
    "content": {
        Format.CSV.media_type: {"schema": {"type": "string"}},
        Format.PARQUET.media_type: {"schema": {"type": "string", "format": "binary"}},
    },
}
_PAGE: Final = 200
"""Customers a page: fewer than on the command line, since webhooks wait for each."""
_UNKNOWN_ZONE: Final[dict[str, Any]] = {"description": "The store's time zone is unknown on the gateway's machine."}


@router.get(
    "/{name}/report",
    responses={200: _REPORT, 404: NO_SUCH_JOURNEY, 409: _UNKNOWN_ZONE},
    response_class=StreamingResponse,
    summary="A journey's report as a file",
)
async def fetch_report(
    name: JourneyName,
    caller: Marketer,
    gateway: TheGateway,
    first: Annotated[date | None, Query(alias="from", description="First day, in store time.")] = None,
    end: Annotated[date | None, Query(alias="to", description="The day after the last one, in store time.")] = None,
    form: Annotated[Format, Query(alias="format", description="How it is written.")] = Format.CSV,
) -> StreamingResponse:
    """A row for each message and order, and one for everybody who did not receive the message, with the reason.

    It holds the customers' names and numbers in full. Whoever hangs up ends the reading.
    """
    if first is not None and end is not None and end <= first:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "`to` is the day after the last one: it is later than `from`")
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
        zone = zone_or_none(parts.store.time_zone)
        if zone is None:
            raise ApiError(HTTPStatus.CONFLICT, "the store's time zone is unknown on this machine")
        context = await context_of(session, journey, Period(first, end, zone))
    return _Closing(
        _content(gateway.database, context, form),
        media_type=form.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{journey.name}.{form.value}"',
            "Cache-Control": "no-store",
        },
    )


async def _content(database: Database, context: Context, form: Format) -> AsyncGenerator[bytes, None]:
    encoder = encoder_for(form, context.zone)
    async with aclosing(row_pages(database, context, page=_PAGE)) as pages:
        while True:
            # Cut off inside a page, the database's connection could not be used again.
            with CancelScope(shield=True):
                page = await anext(pages, None)
            if page is None:
                break
            # Packing tens of thousands of rows takes a moment, and webhooks do not wait for it. Here it is noticed too
            # that the client has hung up, since sending to nobody takes no time.
            chunk = await to_thread.run_sync(encoder.rows, page[1])
            if chunk:
                yield chunk
    yield await to_thread.run_sync(encoder.end)


class _Closing(StreamingResponse):
    """Closes what it streams when its client has gone, rather than when the collector comes by."""

    async def stream_response(self, send: Send) -> None:
        """Send the content."""
        try:
            await super().stream_response(send)
        finally:
            content = self.body_iterator
            assert isinstance(content, AsyncGenerator)  # noqa: S101 - the only thing that is ever given
            await content.aclose()
