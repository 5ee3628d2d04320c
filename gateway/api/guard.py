"""The API's door: a key first, then a body of bounded length; only then does anything of ours look at the request."""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import ApiError, problem_response, unavailable
from gateway.bodies import BodyCutOffError, BodyTooLargeError, read_body
from gateway.state import Gateway, gateway_of
from models.enums import StaffRole
from storage.api_keys import find_key, is_use_noted, note_use
from storage.engine import DatabaseUnavailableError
from storage.stores import required_id

_log = logging.getLogger(__name__)

MAX_API_BODY: Final = 1024 * 1024
"""Longest body of an API request, in bytes: a hundred long messages fit."""
_CALLER: Final = "rekindle.caller"
_UNAUTHORIZED_HEADERS: Final = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request came with. `prefix` is the part of the key that may be shown."""

    key_id: int
    prefix: str
    store_id: int
    role: StaffRole


class Guard:
    """Lets requests with a genuine key through to the application, with their bodies read.

    The key is looked at before the body, so that a stranger can neither learn what the API takes nor make it work.
    """

    def __init__(self, app: ASGIApp, gateway: Gateway, *, max_body: int = MAX_API_BODY) -> None:
        self._app = app
        self._gateway = gateway
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or refuse it."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            caller = await self._caller(request)
        except (DatabaseUnavailableError, SQLAlchemyError, OSError) as error:
            await unavailable(error)(scope, receive, send)
            return
        if caller is None:
            refusal = problem_response(HTTPStatus.UNAUTHORIZED, headers=_UNAUTHORIZED_HEADERS)
            await refusal(scope, receive, send)
            return
        try:
            body = await read_body(request, self._max_body)
        except BodyTooLargeError:
            detail = f"the body is longer than {self._max_body} bytes"
            refusal = problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        except BodyCutOffError:
            return
        scope[_CALLER] = caller
        await self._app(scope, _read_already(body, receive), send)

    async def _caller(self, request: Request) -> Caller | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        database, now = self._gateway.database, self._gateway.clock()
        async with database.read() as session:
            row = await find_key(session, key.strip())
        if row is None:
            return None
        if not is_use_noted(row, now=now):
            async with database.write() as session:
                await note_use(session, required_id(row.id), now=now)
        return Caller(required_id(row.id), row.prefix, row.store_id, row.role)


def _read_already(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


_SCHEME: Final = HTTPBearer(
    scheme_name="key", description="A key of the staff API, made by `starter.py keys create`.", auto_error=False
)
"""For the description only: the guard has looked at the key before anything here runs."""


def _any_role(request: Request, _described: Annotated[object, Depends(_SCHEME)]) -> Caller:
    caller = request.scope[_CALLER]
    assert isinstance(caller, Caller)  # noqa: S101 - the guard put it there
    return caller


def _marketer(caller: Annotated[Caller, Depends(_any_role)]) -> Caller:
    if caller.role is not StaffRole.MARKETER:
        raise ApiError(HTTPStatus.FORBIDDEN, "this needs a key with the role marketer")
    return caller


def _gateway(request: Request) -> Gateway:
    return gateway_of(request)


Support = Annotated[Caller, Security(_any_role)]
"""A caller with any role."""
Marketer = Annotated[Caller, Security(_marketer, scopes=[StaffRole.MARKETER.value])]
"""A caller who may do everything."""
TheGateway = Annotated[Gateway, Depends(_gateway)]
"""Database, clock and the rest."""
