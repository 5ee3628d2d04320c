"""The client against the stand-in, over real HTTP."""

import json
import traceback
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
)
from providers.llm.client import LlmClient
from providers.llm.results import Unusable, UnusableReason, WritingRequest, Written
from providers.llm.wire import ANSWER_FORMAT, Answer, ChatMessage
from sandbox.llm.app import MODEL
from sandbox.llm.faults import (
    CutShort,
    Fault,
    Filter,
    Hang,
    InvalidJson,
    QuotaExhausted,
    RateLimited,
    Refuse,
    ServerFailure,
    WrongSchema,
)
from tests.asking import ANALYSIS, KEY, REQUEST, answering, client_of, completion, sandbox
from tests.serving import serve


async def test_a_message_comes_with_its_language_price_and_model() -> None:
    """A good answer is the text, the language, what it used and who wrote it."""
    async with client_of(sandbox()) as client:
        result = await client.write(REQUEST)
    assert isinstance(result, Written)
    assert "Ana" in result.text
    assert result.language == "es"
    assert result.model == MODEL
    assert result.usage is not None
    assert result.usage.input_tokens > result.usage.output_tokens > 10


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Refuse(), UnusableReason.REFUSAL),
        (CutShort(), UnusableReason.LENGTH),
        (Filter(), UnusableReason.CONTENT_FILTER),
        (InvalidJson(), UnusableReason.INVALID_JSON),
        (WrongSchema(), UnusableReason.SCHEMA),
    ],
)
@pytest.mark.parametrize("question", ["write", "analyse"])
async def test_an_answer_that_is_of_no_use_still_has_its_price(
    question: str, fault: Fault, reason: UnusableReason
) -> None:
    """What cannot be used was billed, so its usage is kept beside the reason."""
    server = sandbox()
    server.faults.add(fault)
    async with client_of(server) as client:
        result = await (client.write(REQUEST) if question == "write" else client.analyse(ANALYSIS))
    assert isinstance(result, Unusable)
    assert result.reason is reason
    assert result.usage is not None
    assert result.usage.input_tokens > 0


async def test_an_answer_that_runs_out_of_tokens_is_too_long() -> None:
    """The bound of the request reaches the server."""
    async with client_of(sandbox()) as client:
        result = await client.write(WritingRequest(REQUEST.messages, max_output_tokens=5))
    assert isinstance(result, Unusable)
    assert result.reason is UnusableReason.LENGTH


@pytest.mark.parametrize(
    ("fault", "expected", "attributes"),
    [
        (RateLimited("7"), Throttled, {"retry_after": timedelta(seconds=7), "code": "rate_limit_exceeded"}),
        (RateLimited("600"), Throttled, {"retry_after": timedelta(minutes=10)}),
        (RateLimited(None), Throttled, {"retry_after": timedelta(seconds=10)}),
        (QuotaExhausted(), Rejected, {"transient": False, "code": "insufficient_quota", "status": 429}),
        (ServerFailure(), Rejected, {"transient": True, "code": "server_error", "status": 500}),
        (ServerFailure(502, html=True), OutcomeUnknown, {"status": 502}),
    ],
)
async def test_trouble_at_the_server_is_told_apart_and_not_repeated_here(
    fault: Fault, expected: type[ProviderError], attributes: dict[str, Any]
) -> None:
    """Each kind of trouble is its own error, after one request: the waiting is done by the caller."""
    server = sandbox()
    server.faults.add(fault, times=5)
    async with client_of(server) as client:
        with pytest.raises(expected) as caught:
            await client.write(REQUEST)
    assert {name: getattr(caught.value, name) for name in attributes} == attributes
    assert server.requests == 1


async def test_a_wrong_key_is_a_refused_credential() -> None:
    """A person must act: the key is not taken."""
    async with client_of(sandbox(), api_key=SecretStr("sk-other")) as client:
        with pytest.raises(CredentialRefused) as caught:
            await client.write(REQUEST)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


async def test_an_unknown_model_is_rejected_for_good() -> None:
    """A 404 names a model that is not there; repeating it changes nothing."""
    async with client_of(sandbox(), model="other") as client:
        with pytest.raises(Rejected) as caught:
            await client.write(REQUEST)
    assert (caught.value.status, caught.value.code, caught.value.transient) == (404, "model_not_found", False)


async def test_a_server_that_is_not_there_was_not_asked() -> None:
    """A refused connection has no effect and no price."""
    async with serve(sandbox()) as address:
        pass
    async with httpx2.AsyncClient() as http:
        client = LlmClient(http, base_url=f"{address}/v1", api_key=SecretStr(KEY), model=MODEL)
        with pytest.raises(NotSent):
            await client.write(REQUEST)


async def test_an_answer_that_does_not_come_may_have_been_written() -> None:
    """After the time allowed the outcome is unknown, because the server may have gone on and billed it."""
    server = sandbox()
    server.faults.add(Hang(30))
    async with client_of(server, timeout=0.2) as client:
        with pytest.raises(OutcomeUnknown):
            await client.write(REQUEST)


@pytest.mark.parametrize("body", ["<html>hello</html>", "{}", '{"choices": []}', "[]", ""])
async def test_a_success_that_is_no_completion_is_a_bad_answer(body: str) -> None:
    """A portal's page or an empty object with status 200 is not taken for a text."""
    app, _ = answering(body)
    async with client_of(app) as client:
        with pytest.raises(BadAnswer):
            await client.write(REQUEST)


@pytest.mark.parametrize("refusing", ["stand-in", "422 in words"])
async def test_a_server_without_json_schema_is_asked_for_plain_json_from_then_on(refusing: str) -> None:
    """The refusal of the format costs one more request once, not once per message."""
    formats: list[str] = []
    inner = sandbox(knows_json_schema=False)

    async def spying(request: Request) -> Response:
        body = await request.json()
        formats.append(body["response_format"]["type"])
        if formats[-1] == "json_schema" and refusing == "422 in words":
            told = {"detail": [{"msg": "extra fields not permitted", "loc": ["response_format", "json_schema"]}]}
            return Response(json.dumps(told), 422, media_type="application/json")
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=inner), base_url="http://inner") as http:
            answer = await http.post(
                "/v1/chat/completions", json=body, headers={"authorization": request.headers["authorization"]}
            )
        return Response(answer.content, answer.status_code, media_type="application/json")

    app = Starlette(routes=[Route("/v1/chat/completions", spying, methods=["POST"])])
    async with client_of(app) as client:
        results = [await client.write(REQUEST) for _ in range(2)]
    assert all(isinstance(result, Written) for result in results)
    assert formats == ["json_schema", "json_object", "json_object"]


async def test_another_bad_request_does_not_change_the_format() -> None:
    """Only a refusal that names the format leads to the plain one."""
    told = {"error": {"message": "Invalid value for messages", "param": "messages", "type": "invalid_request_error"}}
    app, asked = answering(told, 400)
    async with client_of(app) as client:
        for _ in range(2):
            with pytest.raises(Rejected) as caught:
                await client.write(REQUEST)
            assert not caught.value.transient
    assert [body["response_format"]["type"] for body in asked] == ["json_schema", "json_schema"]


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "Hola", "language": "es"}',
        '```json\n{"text": "Hola", "language": "es"}\n```',
        '{"text": " Hola ", "language": "es", "reason": "because"}',
    ],
)
async def test_servers_that_do_not_enforce_the_format_are_understood(content: str) -> None:
    """A fence around the JSON or a key too many is no reason to pay twice; missing usage is said to be unknown."""
    app, _ = answering(completion(content))
    async with client_of(app) as client:
        result = await client.write(REQUEST)
    assert result == Written(text="Hola", language="es", usage=None, model=MODEL)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, UnusableReason.INVALID_JSON),
        ("Hola", UnusableReason.INVALID_JSON),
        ('["Hola"]', UnusableReason.SCHEMA),
        ('{"text": "  ", "language": "es"}', UnusableReason.SCHEMA),
        ('{"text": 5, "language": "es"}', UnusableReason.SCHEMA),
    ],
)
async def test_what_is_no_message_is_never_taken_for_one(content: str | None, reason: UnusableReason) -> None:
    """An empty, misshapen or plain answer is unusable."""
    app, _ = answering(completion(content))
    async with client_of(app) as client:
        assert await client.write(REQUEST) == Unusable(reason=reason, usage=None, model=MODEL)


async def test_the_installations_own_options_are_sent_and_no_others() -> None:
    """Optional fields go only where they are configured: small servers refuse what they do not know."""
    app, asked = answering(completion('{"text": "Hola", "language": "es"}'))
    async with client_of(app, options={"store": False}) as client:
        await client.write(REQUEST)
    assert asked[0].keys() == {"model", "messages", "response_format", "max_completion_tokens", "store"}


async def test_cached_tokens_are_counted_where_the_server_says_so() -> None:
    """Cached input costs less, so it is kept apart."""
    usage = {"prompt_tokens": 90, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 64}}
    app, _ = answering(completion('{"text": "Hola", "language": "es"}') | {"usage": usage, "model": "m-1"})
    async with client_of(app) as client:
        result = await client.write(REQUEST)
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.cached_input_tokens) == (90, 9, 64)
    assert result.model == "m-1"


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_no_error_repeats_the_prompt_or_the_key(status: int) -> None:
    """A server that quotes the request back does not get the customer's words or our key into a traceback."""
    secret = "Ana told us a secret"
    told = {"error": {"message": f"bad: {secret} {KEY}", "type": f"x {secret}", "code": f"y {secret}"}}
    app, _ = answering(told, status)
    request = WritingRequest((ChatMessage(role="user", content=secret),))
    async with client_of(app) as client:
        with pytest.raises(ProviderError) as caught:
            await client.write(request)
    printed = "".join(traceback.format_exception(caught.value))
    assert secret not in printed
    assert KEY not in printed


def test_the_schema_asks_for_exactly_what_is_read() -> None:
    """The schema that is sent and the type that is read have the same fields."""
    schema = ANSWER_FORMAT.json_schema.schema_
    assert set(schema["properties"]) == set(schema["required"]) == set(Answer.model_fields)
