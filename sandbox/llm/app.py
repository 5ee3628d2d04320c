"""The stand-in as an ASGI application: `POST /v1/chat/completions` and `GET /v1/models`.

It is as strict as OpenAI about requests and answers errors in OpenAI's form, so that a request that only a lenient
server would take fails here first. The answer to a prompt is decided by the seed and the prompt's text alone.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from providers.llm.wire import (
    AnswerMessage,
    ChatCompletion,
    ChatRequest,
    Choice,
    CompletionUsage,
    ErrorBody,
    ErrorDetail,
    JsonObjectFormat,
    JsonSchemaFormat,
    ModelEntry,
    ModelList,
    PromptDetails,
)
from sandbox.llm.faults import (
    CutShort,
    Fault,
    FaultScript,
    Filter,
    Hang,
    InvalidJson,
    Obey,
    QuotaExhausted,
    RateLimited,
    Refuse,
    ServerFailure,
    UnfilledPlaceholder,
    WrongCoupon,
    WrongLanguage,
    WrongSchema,
)
from sandbox.llm.phrases import LANGUAGES
from sandbox.llm.reviewing import review, wants_verdict
from sandbox.llm.writing import digest, fill_schema, plain_language, read_facts, write

MODEL = "sandbox-writer"
_CHARACTERS_PER_TOKEN = 4
_EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
_REFUSAL = "I'm sorry, but I can't help with that."


class _Refused(Exception):  # noqa: N818 - an answer, not a defect
    """An error to answer with, in OpenAI's form."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(error=ErrorDetail(message=message, type=kind, param=param, code=code))
        self.headers = headers or {}


class LlmSandbox:
    """One server with one model.

    Args:
        api_keys: the keys that it takes.
        seed: another seed, other texts.
        model: the only model's name.
        knows_json_schema: False behaves like a server that only knows `json_object`.
        clock: for the answers' `created`; the texts never depend on it.

    Attributes:
        faults: trouble to order.
        requests: how many chat completions were asked for, good or bad.
    """

    def __init__(
        self,
        *,
        api_keys: frozenset[str],
        seed: int = 0,
        model: str = MODEL,
        knows_json_schema: bool = True,
        clock: Callable[[], datetime] = lambda: _EPOCH,
    ) -> None:
        self.faults = FaultScript()
        self.requests = 0
        self._api_keys = api_keys
        self._seed = seed
        self._model = model
        self._knows_json_schema = knows_json_schema
        self._clock = clock
        self._app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._completions, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
            ],
            exception_handlers={_Refused: _refused, 404: _unknown_path, 405: _unknown_path},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._app(scope, receive, send)

    async def _models(self, request: Request) -> Response:
        self._check_key(request)
        created = int(_EPOCH.timestamp())
        entry = ModelEntry(id=self._model, created=created, owned_by="sandbox")
        return JSONResponse(ModelList(data=[entry]).model_dump())

    async def _completions(self, request: Request) -> Response:
        self.requests += 1
        self._check_key(request)
        asked = self._read(await request.body())
        prompt = "\n\n".join(message.content for message in asked.messages)
        fault = self.faults.take(prompt)
        match fault:
            case RateLimited(retry_after=wait):
                headers = {} if wait is None else {"retry-after": wait}
                raise _Refused(
                    429,
                    "Rate limit reached for requests.",
                    code="rate_limit_exceeded",
                    kind="requests",
                    headers=headers,
                )
            case QuotaExhausted():
                told = "You exceeded your current quota, please check your plan and billing details."
                raise _Refused(429, told, code="insufficient_quota", kind="insufficient_quota")
            case ServerFailure(status=status, html=True):
                return HTMLResponse("<html><body><h1>Bad gateway</h1></body></html>", status_code=status)
            case ServerFailure(status=status):
                raise _Refused(status, "The server had an error while processing your request.", kind="server_error")
            case Hang(seconds=seconds):
                await _until_gone(request, seconds)
        completion = self._complete(asked, prompt, fault)
        return JSONResponse(completion.model_dump(mode="json"))

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise _Refused(401, "You didn't provide an API key.")
        if key not in self._api_keys:
            raise _Refused(401, "Incorrect API key provided.", code="invalid_api_key")

    def _read(self, raw: bytes) -> ChatRequest:
        try:
            asked = ChatRequest.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                told = f"Unrecognized request argument supplied: {where}"
                raise _Refused(400, told, code="unknown_parameter", param=where) from None
            raise _Refused(400, f"Invalid value for {where or 'body'}: {first['msg']}", param=where or None) from None
        if asked.model != self._model:
            raise _Refused(404, f"The model '{asked.model}' does not exist.", code="model_not_found", param="model")
        self._check_format(asked)
        return asked

    def _check_format(self, asked: ChatRequest) -> None:
        match asked.response_format:
            case JsonSchemaFormat() if not self._knows_json_schema:
                told = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
                raise _Refused(400, told, param="response_format")
            case JsonSchemaFormat(json_schema=named) if named.strict and (problem := _not_strict(named.schema_)):
                told = f"Invalid schema for response_format '{named.name}': {problem}"
                raise _Refused(400, told, param="response_format")
            case JsonObjectFormat() if not any("json" in message.content.lower() for message in asked.messages):
                told = "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
                raise _Refused(400, told, param="messages")

    def _complete(self, asked: ChatRequest, prompt: str, fault: Fault | None) -> ChatCompletion:
        decided = digest(self._seed, prompt)
        content = self._content(asked, prompt, decided, fault)
        message = AnswerMessage(content=content)
        finish = "stop"
        most = (asked.max_completion_tokens or len(content)) * _CHARACTERS_PER_TOKEN
        match fault:
            case Refuse():
                message = AnswerMessage(refusal=_REFUSAL)
            case Filter():
                message, finish = AnswerMessage(content=""), "content_filter"
            case CutShort():
                message, finish = AnswerMessage(content=content[: len(content) // 2]), "length"
            case _ if len(content) > most:
                message, finish = AnswerMessage(content=content[:most]), "length"
        used = _tokens(prompt), _tokens(message.content or message.refusal or "")
        return ChatCompletion(
            id=f"chatcmpl-{decided.hex()[:24]}",
            created=int(self._clock().timestamp()),
            model=self._model,
            choices=[Choice(message=message, finish_reason=finish)],
            usage=CompletionUsage(
                prompt_tokens=used[0],
                completion_tokens=used[1],
                total_tokens=sum(used),
                prompt_tokens_details=PromptDetails(cached_tokens=0),
            ),
        )

    def _content(self, asked: ChatRequest, prompt: str, decided: bytes, fault: Fault | None) -> str:
        facts = read_facts(prompt)
        language = facts.language
        if isinstance(fault, WrongLanguage):
            others = (code for code in LANGUAGES if code != plain_language(language))
            language = fault.language or next(others)
        named = asked.response_format.json_schema if isinstance(asked.response_format, JsonSchemaFormat) else None
        answers: dict[str, Any]
        if wants_verdict(named.name if named is not None else None, asked.messages[0].content):
            answers, said = review(prompt, choice=decided, language=language), "message"
        else:
            text = write(facts, language=language, choice=decided)
            answers, said = {"text": text, "language": facts.language}, "text"
        match fault:
            case InvalidJson():
                return f'{{"{said}": "{answers[said]}'
            case WrongSchema():
                return json.dumps({"answer": answers[said]}, ensure_ascii=False)
            case WrongCoupon(code=code):
                answers[said] = f"{answers[said]} {code}!"
            case UnfilledPlaceholder(placeholder=placeholder):
                answers[said] = f"{placeholder}, {answers[said]}"
            case Obey(fields=fields):
                answers |= fields
        if named is not None:
            return json.dumps(fill_schema(named.schema_, answers), ensure_ascii=False)
        if isinstance(asked.response_format, JsonObjectFormat):
            return json.dumps(answers, ensure_ascii=False)
        return str(answers[said])


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _not_strict(schema: dict[str, Any]) -> str | None:
    """What OpenAI's strict mode would say against the schema: every object closed, every property required."""
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false."
        missing = set(schema.get("properties", {})) - set(schema.get("required", []))
        if missing:
            return f"'required' must include every key in properties. Missing '{min(missing)}'."
    inner = [*schema.get("properties", {}).values(), schema.get("items")]
    return next((problem for part in inner if isinstance(part, dict) and (problem := _not_strict(part))), None)


async def _until_gone(request: Request, seconds: float) -> None:
    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    try:
        async with asyncio.timeout(seconds):
            await gone()
    except TimeoutError:
        return


async def _refused(_request: Request, exc: Exception) -> Response:
    # Registered for `_Refused` alone; Starlette types every handler for any exception.
    refusal = cast("_Refused", exc)
    return JSONResponse(refusal.body.model_dump(), status_code=refusal.status, headers=refusal.headers)


async def _unknown_path(request: Request, _exc: Exception) -> Response:
    told = f"Invalid URL ({request.method} {request.url.path})"
    return await _refused(request, _Refused(404, told))
