"""Journeys that are always on, and journeys that are over: the daily selection and the archive."""

from http import HTTPStatus

from fastapi import APIRouter

from gateway.api.answers import JourneyStateDocument
from gateway.api.guard import Marketer, TheGateway
from gateway.api.journeys import state_document
from gateway.api.problems import ApiError
from gateway.api.requests import DailyRequest, JourneyName
from gateway.api.responses import NO_DAILY_SELECTION, NO_SUCH_JOURNEY, NOT_OVER
from gateway.api.stores import store_of
from models.enums import JourneyKind, JourneyState
from reports.journey_detail import JourneyDocument, journey_document
from storage.archiving import NotArchivableError, archive, unarchive
from storage.daily_selections import end_selection, keep_on
from storage.journeys import find_journey, journey_of
from storage.stores import required_id

router = APIRouter(prefix="/journeys", tags=["journeys"])

_LAUNCHED = (JourneyState.ACTIVE, JourneyState.PAUSED, JourneyState.PENDING)


@router.post("/{name}/archive", responses={404: NO_SUCH_JOURNEY, 409: NOT_OVER}, summary="Put a journey away")
async def archive_journey(name: JourneyName, caller: Marketer, gateway: TheGateway) -> JourneyStateDocument:
    """It leaves the list; its name stays taken and its numbers readable. Repeating it changes nothing.

    Only a journey in which nobody is any more, and into which nobody comes by itself; else it is a 409.
    """
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            journey, changed = await archive(session, parts.id, name, now=gateway.clock())
        except NotArchivableError as error:
            raise ApiError(HTTPStatus.CONFLICT, str(error)) from None
        return state_document(parts, journey, changed=changed)


@router.post("/{name}/unarchive", responses={404: NO_SUCH_JOURNEY}, summary="Take a journey out of the archive")
async def unarchive_journey(name: JourneyName, caller: Marketer, gateway: TheGateway) -> JourneyStateDocument:
    """It is stopped then: nobody enters before it is launched. Repeating it changes nothing."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        journey, changed = await unarchive(session, parts.id, name, now=gateway.clock())
        return state_document(parts, journey, changed=changed)


@router.put(
    "/{name}/schedule",
    responses={404: NO_SUCH_JOURNEY, 409: NO_DAILY_SELECTION},
    summary="Keep a win-back always on",
)
async def keep_journey_on(
    name: JourneyName, request: DailyRequest, caller: Marketer, gateway: TheGateway
) -> JourneyDocument:
    """Its audience is selected every day at that time of the store's clock; the first time when it next comes.

    Only a win-back that was launched and has not ended; else it is a 409. Repeating it changes nothing.
    """
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        journey = await journey_of(session, required_id((await find_journey(session, parts.id, name)).id), alone=True)
        if journey.kind is not JourneyKind.WIN_BACK or journey.state not in _LAUNCHED:
            why = f"{name} is a {journey.kind.value} journey and {journey.state.value}"
            raise ApiError(HTTPStatus.CONFLICT, f"{why}; only a win_back that was launched can be always on")
        await keep_on(
            session, journey, at=request.at, limit=request.limit, only_new=request.only_new, now=gateway.clock()
        )
        answer = await journey_document(session, parts, journey, now=gateway.clock())
    gateway.wake()
    return answer


@router.delete("/{name}/schedule", responses={404: NO_SUCH_JOURNEY}, summary="End the daily selection")
async def end_journey_schedule(name: JourneyName, caller: Marketer, gateway: TheGateway) -> JourneyDocument:
    """Nobody is selected by day any more; whoever is in it goes on. Repeating it changes nothing."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        journey = await journey_of(session, required_id((await find_journey(session, parts.id, name)).id), alone=True)
        await end_selection(session, journey, now=gateway.clock())
        answer = await journey_document(session, parts, journey, now=gateway.clock())
    gateway.wake()
    return answer
