"""Messages that wait for a person: reading them, and saying yes or no, which only the waiting workflow can take."""

import asyncio
import logging
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from gateway.api.answers import DecisionDocument
from gateway.api.guard import Caller, Marketer, Support, TheGateway
from gateway.api.problems import ApiError
from gateway.api.requests import SendId
from gateway.api.responses import NO_SUCH_MESSAGE, NOT_WAITING, TEMPORAL_IS_AWAY
from gateway.api.stores import store_of
from gateway.state import Gateway
from models.orchestration import Approval
from reports.approvals import approvals_of
from reports.documents import ApprovalsDocument
from storage.approvals import has_send, waiting_send

router = APIRouter(prefix="/approvals", tags=["approvals"])

_log = logging.getLogger(__name__)

_ANSWER_WITHIN: Final = timedelta(seconds=10)
_DECISIONS: Final[dict[Literal["approved", "rejected"], str]] = {"approved": "approve", "rejected": "reject"}
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
        return await approvals_of(session, await store_of(session, caller), after=after, limit=limit)


@router.post("/{send_id}/approve", responses=_RESPONSES, summary="Let a waiting message go")
async def approve(send_id: SendId, caller: Marketer, gateway: TheGateway) -> DecisionDocument:
    """It is sent at once, or when the sending hours begin; every rule is asked again before."""
    return await _decide(gateway, caller, send_id, "approved")


@router.post("/{send_id}/reject", responses=_RESPONSES, summary="Do not send a waiting message")
async def reject(send_id: SendId, caller: Marketer, gateway: TheGateway) -> DecisionDocument:
    """The customer's passage through the journey ends with `rejected`."""
    return await _decide(gateway, caller, send_id, "rejected")


async def _decide(
    gateway: Gateway, caller: Caller, send_id: int, decision: Literal["approved", "rejected"]
) -> DecisionDocument:
    async with gateway.database.read() as session:
        waiting = await waiting_send(session, caller.store_id, send_id)
        if waiting is None and not await has_send(session, caller.store_id, send_id):
            raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such message")
    if waiting is None:
        raise _not_waiting()
    if gateway.temporal is None:
        raise _away()
    await _update(gateway.temporal, waiting.enrollment.id, _DECISIONS[decision], send_id)
    _log.info("api: send %d %s by key %s", send_id, decision, caller.prefix)
    return DecisionDocument(send_id=send_id, workflow_id=waiting.enrollment.id, decision=decision)


async def _update(client: Client, workflow_id: str, update: str, send_id: int) -> None:
    """Ask the workflow, which answers itself; a repetition of the same decision is answered as the first time."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            await handle.execute_update(
                update, Approval(draft_id=send_id), id=f"{update}-{send_id}", rpc_timeout=_ANSWER_WITHIN
            )
    except WorkflowUpdateFailedError:
        raise _not_waiting() from None
    except RPCError as error:
        raise (_not_waiting() if error.status is RPCStatusCode.NOT_FOUND else _away()) from None
    except (RuntimeError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        # A lazy client that cannot connect, or no worker to ask: the client makes an error of its own of a time-out.
        raise _away() from None


def _not_waiting() -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, "the message does not wait for a decision any more")


def _away() -> ApiError:
    return ApiError(
        HTTPStatus.SERVICE_UNAVAILABLE, "Temporal or its worker does not answer; look at the message and try again"
    )
