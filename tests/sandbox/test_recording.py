import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.recording import Recorder

NOON = datetime(2030, 1, 7, 12, 0, 0, 250_000, tzinfo=UTC)


async def echo(request: Request) -> Response:
    """Answer with what was sent."""
    return JSONResponse({"echo": await request.json()}, status_code=201)


async def words(_: Request) -> Response:
    """Answer with a text."""
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/echo", echo, methods=["POST"]), Route("/words", words)])


def lines(path: Path) -> list[dict[str, Any]]:
    """What stands in a recording."""
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_requests_are_written_with_everything_but_secrets(tmp_path: Path) -> None:
    """A line tells the whole exchange at the virtual time, and no credential is in the file."""
    with Recorder(tmp_path / "run") as recorder:
        app = recorder.wrap(APP, "shopify", lambda: NOON)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test") as http:
            secrets = dict.fromkeys(["Authorization", "X-Shopify-Access-Token", "Api-Key"], "s3cret")
            headers = secrets | {"X-Trace": "7"}
            await http.post("/echo", params={"a": "1", "access_token": "s3cret"}, json={"n": "é"}, headers=headers)
            await http.get("/words")
    text = (tmp_path / "run" / "shopify.jsonl").read_text()
    assert "s3cret" not in text
    posted, read = lines(tmp_path / "run" / "shopify.jsonl")
    assert posted.keys() == {"seq", "at", "method", "path", "headers", "body", "status", "response"}
    assert (posted["seq"], posted["at"], posted["method"]) == (1, "2030-01-07T12:00:00.250Z", "POST")
    assert (posted["path"], posted["headers"]["x-trace"]) == ("/echo?a=1", "7")
    assert (posted["body"], posted["status"], posted["response"]) == ({"n": "é"}, 201, {"echo": {"n": "é"}})
    assert (read["seq"], read["body"], read["response"]) == (2, None, "hello")


async def test_a_broken_answer_is_written_with_its_status_and_no_response(tmp_path: Path) -> None:
    """An exchange that ends in a broken connection is on record as well."""

    async def breaks(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"half":', "more_body": True})
        raise httpx.ReadError("broken")

    with Recorder(tmp_path) as recorder:
        app = recorder.wrap(breaks, "whatsapp", lambda: NOON)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://graph.test") as http:
            with pytest.raises(httpx.ReadError):
                await http.get("/")
    (line,) = lines(tmp_path / "whatsapp.jsonl")
    assert (line["status"], line["response"]) == (200, None)


async def test_two_services_share_one_sequence_and_a_second_run_appends(tmp_path: Path) -> None:
    """The order over all files can be told, and nothing is overwritten."""
    for _ in range(2):
        with Recorder(tmp_path) as recorder:
            for name in ("llm", "shopify"):
                app = recorder.wrap(APP, name, lambda: NOON)
                async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x.test") as http:
                    await http.get("/words")
    assert [line["seq"] for line in lines(tmp_path / "llm.jsonl")] == [1, 1]
    assert [line["seq"] for line in lines(tmp_path / "shopify.jsonl")] == [2, 2]


def test_without_a_directory_the_app_is_left_alone() -> None:
    """Recording that is off costs nothing."""
    assert Recorder(None).wrap(APP, "llm", lambda: NOON) is APP
