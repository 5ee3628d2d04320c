"""Messages by what became of them, and a person's word where WhatsApp gives none."""

import logging
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.guard import Marketer, Support, TheGateway
from gateway.api.problems import ApiError
from gateway.api.requests import SendId, SettleRequest
from gateway.api.responses import NO_SUCH_JOURNEY, NO_SUCH_MESSAGE, NOT_OPEN
from gateway.api.stores import store_of
from models.enums import SendState
from reports.sends import SendsDocument, SettledDocument, send_line, sends_of
from storage.journeys import find_journey
from storage.settling import UNSETTLED, NotOpenError, UnknownSendError, settle_by_staff
from storage.stores import required_id

router = APIRouter(prefix="/sends", tags=["sends"])

_log = logging.getLogger(__name__)


@router.get("", responses={404: NO_SUCH_JOURNEY}, summary="List messages by what became of them")
async def list_messages(
    caller: Support,
    gateway: TheGateway,
    state: Annotated[list[SendState] | None, Query(description="Only messages in these states; `parked` and "
                                                   "`unknown`, of which nobody knows, if left out.")] = None,
    journey: Annotated[str | None, Query(max_length=63, description="Only this journey's.")] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only messages with a higher id: `next` of the answer "
                                "before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
) -> SendsDocument:  # fmt: skip
    """By id, each with its newest attempt; `can_settle` says whether a person may tell what became of it."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey_id = None
        if journey is not None:
            journey_id = required_id((await find_journey(session, parts.id, journey)).id)
        return await sends_of(
            session,
            parts,
            states=tuple(state or UNSETTLED),
            journey_id=journey_id,
            since=None,
            until=None,
            after=after,
            limit=limit,
        )


@router.post(
    "/{send_id}/settle", responses={404: NO_SUCH_MESSAGE, 409: NOT_OPEN}, summary="Say whether a message was sent"
)
async def settle(send_id: SendId, request: SettleRequest, caller: Marketer, gateway: TheGateway) -> SettledDocument:
    """For a message of which nobody knows. Its journey, if it still waits to hear it, goes on within a second."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            settled = await settle_by_staff(
                session, parts.id, str(send_id), sent=request.sent, by=f"key {caller.prefix}", now=gateway.clock()
            )
        except UnknownSendError:
            raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such message") from None
        except NotOpenError as reason:
            raise ApiError(HTTPStatus.CONFLICT, str(reason)) from None
        line = send_line(settled)
    _log.info("api: send %d settled as %s by key %s", send_id, "sent" if request.sent else "not sent", caller.prefix)
    return SettledDocument(
        store=parts.store.slug, settled="sent" if request.sent else "not_sent", send=line, delivered=True
    )
