"""Whether the process works, and how much: for whoever runs it."""

import hmac
import ipaddress
import logging
from http import HTTPStatus
from typing import Final

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from gateway.api.answers import ReadyDocument, UpDocument
from gateway.state import Gateway, gateway_of
from observability import temporal_metrics_url
from storage.engine import DatabaseUnavailableError
from storage.intents import Backlog, backlog
from storage.schema import HEAD, schema_revision

_log = logging.getLogger(__name__)

router = APIRouter(tags=["operations"])

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SDK_ANSWERS_WITHIN_S: Final = 2.0
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


@router.get("/health", summary="Is the process up?")
async def health() -> UpDocument:
    """Always, as long as it answers at all."""
    return UpDocument(status="up")


@router.get(
    "/ready",
    summary="Can webhooks and requests be taken?",
    response_model=ReadyDocument,
    responses={503: {"description": "The database is away, or its schema is not the one that this release needs."}},
)
async def ready(request: Request) -> Response:
    """The database answers and its schema fits the code; a newer one does too, while a release is rolled out."""
    found = await schema_revision(gateway_of(request).database)
    document = _readiness(found)
    status = HTTPStatus.OK if document.status == "ready" else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(document.model_dump(by_alias=True), status_code=status)


def _readiness(found: str | None) -> ReadyDocument:
    if found is None:
        return ReadyDocument(status="not ready", schema_="missing")
    if found < HEAD:
        return ReadyDocument(status="not ready", schema_="older")
    return ReadyDocument(status="ready", schema_="current" if found == HEAD else "newer")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "The figures.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        404: {"description": "The caller may not see them."},
    },
)
async def show(request: Request) -> Response:
    """Prometheus' text form, with the Temporal SDK's own figures.

    With `REKINDLE_METRICS_TOKEN` set it takes that as a bearer token. Without one it answers loopback and private
    addresses only, and nobody who comes through a proxy; everybody else gets a 404.
    """
    gateway = gateway_of(request)
    if not _may_see(request, gateway.metrics_token):
        return Response(status_code=HTTPStatus.NOT_FOUND)
    try:
        found = await _backlog(gateway)
    except (DatabaseUnavailableError, SQLAlchemyError, OSError):
        found = None
    return Response(gateway.metrics.text(found) + await _of_the_sdk(), media_type=_CONTENT_TYPE)


async def _backlog(gateway: Gateway) -> Backlog:
    async with gateway.database.read() as session:
        return await backlog(session, now=gateway.clock())


def _may_see(request: Request, token: str | None) -> bool:
    if token is not None:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(given, f"Bearer {token}".encode())
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_private
    except ValueError:
        return False


async def _of_the_sdk() -> bytes:
    url = temporal_metrics_url()
    if url is None:
        return b""
    try:
        async with httpx.AsyncClient(timeout=_SDK_ANSWERS_WITHIN_S, trust_env=False) as http:
            answer = await http.get(url)
    except httpx.HTTPError as error:
        _log.warning("metrics: the Temporal SDK's own are away (%s)", type(error).__name__)
        return b""
    return answer.content if answer.status_code == HTTPStatus.OK else b""
