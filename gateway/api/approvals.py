"""Messages that wait for a person: reading them, and saying yes or no, which only the waiting workflow can take."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError

from activities.rewriting import TextRefusedError
from gateway.api.guard import Caller, Marketer, Support, TheGateway
from gateway.api.problems import ApiError
from gateway.api.requests import ApproveRequest, DecisionRequest, SendId
from gateway.api.responses import NO_SUCH_MESSAGE, NOT_WAITING, TEMPORAL_IS_AWAY
from gateway.api.stores import store_of
from gateway.decisions import Desk, HasChangedError, NoAnswerError, NoSuchMessageError, NotWaitingError, Wanted
from gateway.state import Gateway
from reports.approvals import approvals_of
from reports.documents import ApprovalsDocument, DecisionDocument

router = APIRouter(prefix="/approvals", tags=["approvals"])

_log = logging.getLogger(__name__)

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {404: NO_SUCH_MESSAGE, 409: NOT_WAITING, 503: TEMPORAL_IS_AWAY}


@router.get("", summary="List the messages that wait")
async def list_waiting(
    caller: Support,
    gateway: TheGateway,
    after: Annotated[int, Query(ge=0, le=2**53, description="Only messages with a higher id: `next` of the answer "
                                "before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
) -> ApprovalsDocument:  # fmt: skip
    """Every message that a person has to read before it goes, oldest first, with the text that would be seen."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        return await approvals_of(session, parts, after=after, limit=limit, now=gateway.clock())


@router.post("/{send_id}/approve", responses=_RESPONSES, summary="Let a waiting message go")
async def approve(
    send_id: SendId,
    caller: Marketer,
    gateway: TheGateway,
    request: ApproveRequest | None = None,
) -> DecisionDocument:
    """It is sent at once, or when the sending hours begin; every rule is asked again before.

    A text of your own goes in its place if it keeps to what a generated one has to keep to; a 422 says all that it
    does not. With `revision` only the text that you have read is approved: a 409 says that there is another by now.
    """
    asked = request or ApproveRequest()
    async with _desk(gateway, caller) as desk:
        decided = await desk.approve(Wanted(send_id, asked.revision), text=asked.text)
    _log.info("api: send %d approved by key %s", send_id, caller.prefix)
    return decided


@router.post("/{send_id}/reject", responses=_RESPONSES, summary="Do not send a waiting message")
async def reject(
    send_id: SendId,
    caller: Marketer,
    gateway: TheGateway,
    request: DecisionRequest | None = None,
) -> DecisionDocument:
    """The customer's passage through the journey ends with `rejected`."""
    asked = request or DecisionRequest()
    async with _desk(gateway, caller) as desk:
        decided = await desk.reject(Wanted(send_id, asked.revision))
    _log.info("api: send %d rejected by key %s", send_id, caller.prefix)
    return decided


@asynccontextmanager
async def _desk(gateway: Gateway, caller: Caller) -> AsyncIterator[Desk]:
    """Where the caller's store decides; what does not work out becomes the API's answer."""
    try:
        yield Desk(gateway.database, gateway.temporal, caller.store_id, gateway.clock)
    except NoSuchMessageError:
        raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such message") from None
    except NotWaitingError:
        raise ApiError(HTTPStatus.CONFLICT, "the message does not wait for a decision any more") from None
    except HasChangedError as changed:
        raise ApiError(HTTPStatus.CONFLICT, str(changed)) from None
    except TextRefusedError as refused:
        faults = [{"loc": ("body", "text"), "msg": fault.unquoted, "type": "text"} for fault in refused.faults]
        raise RequestValidationError(faults) from None
    except NoAnswerError:
        raise _away() from None


def _away() -> ApiError:
    return ApiError(
        HTTPStatus.SERVICE_UNAVAILABLE, "Temporal or its worker does not answer; look at the message and try again"
    )
