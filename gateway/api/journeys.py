"""Journeys: which there are, how they do, pausing, resuming and stopping them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from temporalio.service import RPCError

from activities.asked_runs import NoTemporalError, NotNowError, run_now
from gateway.api.answers import JourneyStateDocument, RunBegunDocument, StoppedDocument
from gateway.api.guard import Marketer, Support, TheGateway
from gateway.api.people import known
from gateway.api.problems import ApiError
from gateway.api.requests import JourneyName, PauseRequest, ResumeRequest, Who
from gateway.api.responses import (
    NO_SUCH_JOURNEY,
    NO_SUCH_RUN,
    NOT_IN_IT,
    NOT_NOW,
    NOT_PAUSABLE,
    TEMPORAL_IS_AWAY_FOR_RUNS,
)
from gateway.api.stores import store_of
from models.tables import Journey
from reports.documents import JourneysDocument
from reports.journey_detail import JourneyDocument, journey_document
from reports.journeys import journeys_of
from reports.runs import RunsDocument, run_document, runs_document
from storage.customers import lock_customer
from storage.engine import LARGEST_ID
from storage.journeys import find_journey
from storage.pausing import Missed, NotPausableError, pause, resume
from storage.stopping import stop_customer, stop_everybody
from storage.stores import StoreParts, required_id

router = APIRouter(prefix="/journeys", tags=["journeys"])

_STOPPED = "stopped by staff"


@router.get("", summary="List the journeys")
async def list_journeys(
    caller: Support,
    gateway: TheGateway,
    *,
    archived: Annotated[bool, Query(description="Also those in the archive.")] = False,
) -> JourneysDocument:
    """Every journey with who is in it and how it ended for the others: `starter.py journeys --json`."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        return await journeys_of(session, parts, now=gateway.clock(), archived=archived)


@router.get("/{name}", responses={404: NO_SUCH_JOURNEY}, summary="One journey")
async def show_journey(name: JourneyName, caller: Support, gateway: TheGateway) -> JourneyDocument:
    """What it is since when, its versions with who is in each, its last launches: `starter.py journeys NAME --json`.

    `definition` is what its newest version says.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
        return await journey_document(session, parts, journey, now=gateway.clock())


@router.get("/{name}/runs", responses={404: NO_SUCH_JOURNEY}, summary="What a tracking journey's runs came to")
async def list_runs(
    name: JourneyName,
    caller: Support,
    gateway: TheGateway,
    limit: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 10,
) -> RunsDocument:
    """Newest first, each with its counts: `starter.py runs --json`. A journey of another kind has none."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        return await runs_document(session, parts, await find_journey(session, parts.id, name), limit=limit)


@router.get("/{name}/runs/{run_id}", responses={404: NO_SUCH_RUN}, summary="One run, conversation by conversation")
async def show_run(
    name: JourneyName,
    run_id: Annotated[int, Path(ge=1, le=LARGEST_ID, description="`run_id` of the list.")],
    caller: Support,
    gateway: TheGateway,
    after: Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="`next` of the answer before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many conversations.")] = 50,
) -> RunsDocument:
    """Most recent customer message first, those left out with the reason, and what it was measured by."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
        document = await run_document(session, parts, journey, run_id, after=after, limit=limit)
    if document is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "the journey has no such run")
    return document


@router.post("/{name}/pause", responses={404: NO_SUCH_JOURNEY, 409: NOT_PAUSABLE}, summary="Pause a journey")
async def pause_journey(
    name: JourneyName, caller: Marketer, gateway: TheGateway, request: PauseRequest | None = None
) -> JourneyStateDocument:
    """Nothing is sent until it is resumed; nobody leaves because of it. Repeating it changes nothing."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            journey, changed = await pause(
                session,
                parts.id,
                name,
                reason=request.reason if request is not None else None,
                now=gateway.clock(),
            )
        except NotPausableError as error:
            raise ApiError(HTTPStatus.CONFLICT, str(error)) from None
        answer = state_document(parts, journey, changed=changed)
    gateway.wake()
    return answer


@router.post("/{name}/resume", responses={404: NO_SUCH_JOURNEY, 409: NOT_PAUSABLE}, summary="Resume a paused journey")
async def resume_journey(
    name: JourneyName, caller: Marketer, gateway: TheGateway, request: ResumeRequest | None = None
) -> JourneyStateDocument:
    """Whoever was due in the meantime goes on now, within the sending hours, or passes that message over.

    Repeating it changes nothing.
    """
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            journey, changed = await resume(
                session,
                parts.id,
                name,
                now=gateway.clock(),
                missed=request.missed if request is not None else Missed.SEND,
            )
        except NotPausableError as error:
            raise ApiError(HTTPStatus.CONFLICT, str(error)) from None
        answer = state_document(parts, journey, changed=changed)
    gateway.wake()
    return answer


@router.post("/{name}/stop", responses={404: NO_SUCH_JOURNEY}, summary="End a journey for everybody")
async def stop_journey(name: JourneyName, caller: Marketer, gateway: TheGateway) -> StoppedDocument:
    """Nobody enters any more, and whoever is in it ends with `journey_stopped`.

    Repeating it goes on where it was cut off. Launching the journey makes it active again.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
    told, unpaced = await stop_everybody(
        gateway.database, required_id(journey.id), reason=_STOPPED, clock=gateway.clock
    )
    gateway.wake()
    return StoppedDocument(store=parts.store.slug, journey=name, told=told, unpaced=unpaced, asked_again=False)


@router.post(
    "/{name}/run-now",
    responses={404: NO_SUCH_JOURNEY, 409: NOT_NOW, 503: TEMPORAL_IS_AWAY_FOR_RUNS},
    summary="Begin a run of a tracking journey",
)
async def run_journey_now(name: JourneyName, caller: Marketer, gateway: TheGateway) -> RunBegunDocument:
    """Its conversations are reviewed at once, without waiting for its time; the schedule stays as it is.

    A run that is under way is not joined by another: that is a 409.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
    try:
        begun = await run_now(gateway.database, gateway.temporal, parts, name, now=gateway.clock())
    except NotNowError as error:
        raise ApiError(HTTPStatus.CONFLICT, str(error)) from None
    except (NoTemporalError, RPCError):
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "Temporal does not answer; ask again later") from None
    return RunBegunDocument(store=parts.store.slug, journey=name, workflow_id=begun.workflow_id)


@router.post(
    "/{name}/customers/stop", responses={404: NO_SUCH_JOURNEY, 409: NOT_IN_IT}, summary="End a journey for one customer"
)
async def stop_for_one(name: JourneyName, who: Who, caller: Support, gateway: TheGateway) -> StoppedDocument:
    """The customer's passage ends with `stopped_by_staff`, and they are taken off a later day that they wait for."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        journey = await find_journey(session, parts.id, name)
        customer = await lock_customer(session, required_id((await known(session, parts, who)).id))
        stopped = await stop_customer(session, required_id(journey.id), required_id(customer.id), now=gateway.clock())
    if not stopped:
        raise ApiError(HTTPStatus.CONFLICT, "the customer is not in this journey")
    gateway.wake()
    return StoppedDocument(
        store=parts.store.slug,
        journey=name,
        told=int(stopped.enrollment is not None),
        unpaced=int(stopped.unpaced),
        asked_again=stopped.asked_again,
    )


def state_document(parts: StoreParts, journey: Journey, *, changed: bool) -> JourneyStateDocument:
    """Where the journey stands, and whether a request changed that."""
    return JourneyStateDocument(
        store=parts.store.slug,
        journey=journey.name,
        state=journey.state,
        state_reason=journey.state_reason,
        changed=changed,
    )
