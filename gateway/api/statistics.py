"""A journey's statistics, and the rows behind each of its numbers."""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.guard import Support, TheGateway
from gateway.api.problems import ApiError
from gateway.api.requests import JourneyName
from gateway.api.responses import NO_SUCH_JOURNEY, UNKNOWN_ZONE
from gateway.api.stores import store_of
from policies.zones import zone_or_none
from reports.statistics import journey_stats, stats_list
from reports.statistics_documents import JourneyStatsDocument, StatsListDocument
from storage.journeys import find_journey
from storage.statistics.grouping import By
from storage.statistics.lists import UnknownKeyError
from storage.statistics.period import Period
from storage.stores import StoreParts

router = APIRouter(prefix="/journeys", tags=["journeys"])

_First = Annotated[date | None, Query(alias="from", description="First day, in store time.")]
_End = Annotated[date | None, Query(alias="to", description="The day after the last one, in store time.")]


@router.get("/{name}/stats", responses={404: NO_SUCH_JOURNEY, 409: UNKNOWN_ZONE}, summary="How a journey does")
async def show_stats(
    name: JourneyName,
    caller: Support,
    gateway: TheGateway,
    first: _First = None,
    end: _End = None,
    by: Annotated[By | None, Query(description="What `rows` splits the numbers by.")] = None,
) -> JourneyStatsDocument:
    """Every number of it, counted now, each with the key that opens it: `starter.py stats --json`.

    A period narrows passages by their entry, messages by their acceptance and orders by their date.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
        return await journey_stats(
            session, parts, journey, now=gateway.clock(), period=_period(parts, first, end), by=by
        )


@router.get(
    "/{name}/stats/list", responses={404: NO_SUCH_JOURNEY, 409: UNKNOWN_ZONE}, summary="The rows behind a number"
)
async def list_stats(
    name: JourneyName,
    caller: Support,
    gateway: TheGateway,
    key: Annotated[str, Query(max_length=80, description="A key of `numbers`.", examples=["exited:unsubscribed"])],
    first: _First = None,
    end: _End = None,
    after: Annotated[str | None, Query(max_length=40, description="`next` of the answer before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 200,
) -> StatsListDocument:
    """As many rows as the number says, oldest first: `starter.py stats --list KEY --json`.

    With a `key` that no number has, `detail` lists those that there are.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
        period = _period(parts, first, end)
        try:
            return await stats_list(session, parts, journey, key, period=period, after=after, limit=limit)
        except UnknownKeyError as error:
            known = ", ".join(error.keys)
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"no number has that key; the keys are: {known}") from None


def _period(parts: StoreParts, first: date | None, end: date | None) -> Period:
    if first is not None and end is not None and end <= first:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "`to` is the day after the last one: it is later than `from`")
    zone = zone_or_none(parts.store.time_zone)
    if zone is None:
        raise ApiError(HTTPStatus.CONFLICT, "the store's time zone is unknown on this machine")
    return Period(first, end, zone)
