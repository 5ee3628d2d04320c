from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.app import _WEBHOOKS, doors
from gateway.straight import StraightToHandlers
from tests.gateway.conftest import Door


class AwayError(Exception):
    """The handler's fault."""


class FarAwayError(AwayError):
    """A kind of it."""


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("elsewhere")(scope, receive, send)


async def _hear(request: Request) -> Response:
    word = (await request.body()).decode()
    match word:
        case "fail":
            raise FarAwayError
        case "break":
            raise RuntimeError
        case _:
            return PlainTextResponse(f"heard {word}")


async def _away(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(type(error).__name__, status_code=503)


def _client() -> httpx.AsyncClient:
    app = StraightToHandlers(_elsewhere, handlers={"/hear": _hear}, faults={AwayError: _away})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway")


async def test_a_post_goes_straight_to_its_handler() -> None:
    """The handler answers what is posted to its path."""
    async with _client() as client:
        assert (await client.post("/hear", content="hello")).text == "heard hello"


@pytest.mark.parametrize(("method", "path"), [("GET", "/hear"), ("POST", "/hear/"), ("POST", "/hear/more")])
async def test_everything_else_is_passed_on(method: str, path: str) -> None:
    """Another method and another path are the application's."""
    async with _client() as client:
        assert (await client.request(method, path)).text == "elsewhere"


async def test_a_fault_is_answered_by_its_kind() -> None:
    """An exception of a known kind gets that kind's answer, and any other goes on to the server."""
    async with _client() as client:
        answer = await client.post("/hear", content="fail")
        assert (answer.status_code, answer.text) == (503, "FarAwayError")
        with pytest.raises(RuntimeError):
            await client.post("/hear", content="break")


def test_the_short_way_leads_where_the_description_says() -> None:
    """Every described webhook is on the short way, and nothing is that is not described."""
    described: dict[str, Any] = FastAPI.openapi(doors())["paths"]
    assert set(_WEBHOOKS) == {path for path, ways in described.items() if "post" in ways}


@pytest.mark.parametrize("path", sorted(_WEBHOOKS))
async def test_the_router_still_answers_what_no_sender_asks(door: Door, path: str) -> None:
    """A method that a webhook's address does not have is a 405, and a slash too many is sent to the right address."""
    assert (await door.client.put(path)).status_code == 405
    assert (await door.client.post(f"{path}/")).status_code == 307
