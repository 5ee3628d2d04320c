"""Why a customer did, or did not, get a message of a journey: what support asks, answered to their own system."""

from http import HTTPStatus

from fastapi import APIRouter

from gateway.api.guard import Support, TheGateway
from gateway.api.people import answered
from gateway.api.problems import ApiError
from gateway.api.requests import JourneyName, Who
from gateway.api.responses import NO_SUCH_JOURNEY
from gateway.api.stores import store_of, zone_of
from reports.documents import WhyNotDocument
from reports.dossiers import Asking
from reports.why_not import why_not_of
from storage.diagnosis import asked_journey
from storage.journeys import find_journey
from storage.stores import suppression_key

router = APIRouter(prefix="/journeys", tags=["customers"])


@router.post(
    "/{name}/customers/why-not",
    responses={404: NO_SUCH_JOURNEY},
    summary="Why a customer did, or did not, get a message",
)
async def why_not(name: JourneyName, who: Who, caller: Support, gateway: TheGateway) -> WhyNotDocument:
    """The one answer, every rule evaluated now, and what is on record: `starter.py why-not --json`.

    It answers from what Rekindle knows and asks no shop (`refreshed` is false); about somebody unknown the 404 holds
    the `answer`. A POST, so that no phone number stands in an address.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        asked = await asked_journey(session, await find_journey(session, parts.id, name))
        if asked is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "the journey has no version yet")
        asking = Asking(parts, suppression_key(parts.store, gateway.cipher), zone_of(parts), gateway.clock())
        customer = await answered(session, parts, who, suppression_key=asking.suppression_key)
        return await why_not_of(session, asking, asked, customer, refreshed=False)
