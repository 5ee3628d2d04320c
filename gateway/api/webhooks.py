"""The endpoints of a store's own systems over the API: what the command line can do with them."""

import logging
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field

from gateway.api.guard import Marketer, TheGateway
from gateway.api.problems import ApiError
from gateway.api.requests import Request
from gateway.api.stores import store_of
from models.chat_values import StoredText
from models.enums import DeliveryState, EndpointEnd
from models.outgoing import WantedKind
from providers.addresses import LONGEST_URL, UnsafeUrlError, check_url
from reports.webhooks import (
    DeliveriesDocument,
    DeliveryDocument,
    EndpointDocument,
    EndpointsDocument,
    EndpointSecretDocument,
    deliveries_of,
    delivery_view,
    endpoint_view,
    endpoints_of,
)
from storage.deliveries import NotRetriableError, UnknownDeliveryError, find_delivery, send_again
from storage.endpoints import (
    TooManyEndpointsError,
    UnknownEndpointError,
    add_endpoint,
    disable_endpoint,
    enable_endpoint,
    remove_endpoint,
    rotate_secret,
    send_test,
)

router = APIRouter(prefix="/webhooks", tags=["outgoing webhooks"])

_log = logging.getLogger(__name__)

_NO_SUCH_ENDPOINT: Final[dict[str, Any]] = {"description": "The store has no such endpoint."}
_NO_SUCH_DELIVERY: Final[dict[str, Any]] = {"description": "The store has no such delivery."}
_ENOUGH: Final[dict[str, Any]] = {"description": "The store has as many endpoints as it may have."}
_NOT_NOW: Final[dict[str, Any]] = {
    "description": "It is on its way, or its endpoint is disabled or removed; `detail` says which."
}

EndpointId = Annotated[int, Path(ge=1, le=2**31 - 1, description="The endpoint's id, from `GET /api/webhooks`.")]
DeliveryId = Annotated[
    int, Path(ge=1, le=2**31 - 1, description="The delivery's id, from `GET /api/webhooks/deliveries`.")
]


class EndpointRequest(Request):
    """A new endpoint."""

    url: StoredText = Field(
        min_length=1,
        max_length=LONGEST_URL,
        description="Where events are posted to: https, on the public internet, port 443 or from 1024 on.",
        examples=["https://hooks.example.com/rekindle"],
    )
    events: list[WantedKind] = Field(
        default_factory=list, max_length=20, description="What it is told of; every kind, later ones too, if left out."
    )


@router.get("", summary="List the endpoints")
async def list_all(caller: Marketer, gateway: TheGateway) -> EndpointsDocument:
    """Oldest first, with what is wrong with each; never their secrets."""
    async with gateway.database.read() as session:
        return await endpoints_of(session, await store_of(session, caller))


@router.post("", responses={409: _ENOUGH}, summary="Add an endpoint")
async def add(request: EndpointRequest, caller: Marketer, gateway: TheGateway) -> EndpointSecretDocument:
    """It is told of events from now on. The answer holds the secret that signs them, this once."""
    try:
        check_url(request.url, private=gateway.private_endpoints)
    except UnsafeUrlError as error:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            row, secret = await add_endpoint(
                session,
                parts.id,
                url=request.url,
                kinds=request.events,
                cipher=gateway.cipher,
                now=gateway.clock(),
            )
        except TooManyEndpointsError as error:
            raise ApiError(HTTPStatus.CONFLICT, str(error)) from None
        view = endpoint_view(row)
    _log.info("api: endpoint %d added by key %s", view.endpoint_id, caller.prefix)
    return EndpointSecretDocument(store=parts.store.slug, endpoint=view, secret=secret)


@router.post("/{endpoint_id}/disable", responses={404: _NO_SUCH_ENDPOINT}, summary="Tell an endpoint of nothing")
async def disable(endpoint_id: EndpointId, caller: Marketer, gateway: TheGateway) -> EndpointDocument:
    """What is on its way to it is withdrawn."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            row = await disable_endpoint(session, parts.id, endpoint_id, reason=EndpointEnd.STAFF, now=gateway.clock())
        except UnknownEndpointError:
            raise _unknown() from None
        view = endpoint_view(row)
    return EndpointDocument(store=parts.store.slug, endpoint=view)


@router.post("/{endpoint_id}/enable", responses={404: _NO_SUCH_ENDPOINT}, summary="Tell a disabled endpoint again")
async def enable(endpoint_id: EndpointId, caller: Marketer, gateway: TheGateway) -> EndpointDocument:
    """Of what happens from now on; what it has missed is sent by retrying single deliveries."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            view = endpoint_view(await enable_endpoint(session, parts.id, endpoint_id))
        except UnknownEndpointError:
            raise _unknown() from None
    return EndpointDocument(store=parts.store.slug, endpoint=view)


@router.post("/{endpoint_id}/rotate", responses={404: _NO_SUCH_ENDPOINT}, summary="Give an endpoint a new secret")
async def rotate(endpoint_id: EndpointId, caller: Marketer, gateway: TheGateway) -> EndpointSecretDocument:
    """The answer holds it, this once. For a day everything is signed with the secret before too."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            row, secret = await rotate_secret(
                session, parts.id, endpoint_id, cipher=gateway.cipher, now=gateway.clock()
            )
        except UnknownEndpointError:
            raise _unknown() from None
        view = endpoint_view(row)
    _log.info("api: endpoint %d has a new secret by key %s", view.endpoint_id, caller.prefix)
    return EndpointSecretDocument(store=parts.store.slug, endpoint=view, secret=secret)


@router.delete("/{endpoint_id}", responses={404: _NO_SUCH_ENDPOINT}, summary="Remove an endpoint")
async def remove(endpoint_id: EndpointId, caller: Marketer, gateway: TheGateway) -> EndpointDocument:
    """Its address and its secrets are forgotten, and what is on its way to it is withdrawn."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            view = endpoint_view(await remove_endpoint(session, parts.id, endpoint_id, now=gateway.clock()))
        except UnknownEndpointError:
            raise _unknown() from None
    _log.info("api: endpoint %d removed by key %s", view.endpoint_id, caller.prefix)
    return EndpointDocument(store=parts.store.slug, endpoint=view)


@router.post("/{endpoint_id}/test", responses={404: _NO_SUCH_ENDPOINT}, summary="Send an endpoint a test")
async def try_out(endpoint_id: EndpointId, caller: Marketer, gateway: TheGateway) -> DeliveryDocument:
    """A `webhook.test`, also while it is disabled; the delivery tells what came of it."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            delivery_id = await send_test(session, parts.id, endpoint_id, now=gateway.clock())
        except UnknownEndpointError:
            raise _unknown() from None
        view = delivery_view(await find_delivery(session, parts.id, delivery_id))
    gateway.wake()
    return DeliveryDocument(store=parts.store.slug, delivery=view, started=True)


@router.get("/deliveries", summary="List deliveries")
async def list_some(
    caller: Marketer,
    gateway: TheGateway,
    state: Annotated[list[DeliveryState] | None, Query(description="Only deliveries in these states.")] = None,
    endpoint: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only those to this endpoint.")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only deliveries with a smaller id: `next` of "
                                        "the answer before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
) -> DeliveriesDocument:  # fmt: skip
    """Newest first, each with its tries and the last answer; those that are over go a month later."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        return await deliveries_of(
            session, parts, states=tuple(state or ()), endpoint_id=endpoint, before=before, limit=limit
        )


@router.post(
    "/deliveries/{delivery_id}/retry",
    responses={404: _NO_SUCH_DELIVERY, 409: _NOT_NOW},
    summary="Send a delivery again",
)
async def retry(delivery_id: DeliveryId, caller: Marketer, gateway: TheGateway) -> DeliveryDocument:
    """Under the same `webhook-id`, with the body as it is now, and for a day."""
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            view = delivery_view(await send_again(session, parts.id, delivery_id, now=gateway.clock()))
        except UnknownDeliveryError:
            raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such delivery") from None
        except NotRetriableError as reason:
            raise ApiError(HTTPStatus.CONFLICT, str(reason)) from None
    gateway.wake()
    return DeliveryDocument(store=parts.store.slug, delivery=view, started=True)


def _unknown() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "the store has no such endpoint")
