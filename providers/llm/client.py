"""Asks a language model for one message, once; repeating, charging and judging the text are the caller's.

Chat completions are the interface that most servers speak (OpenAI, vLLM, Ollama, LM Studio, LiteLLM). The answer is
read from the raw body rather than by the SDK's own parser, because a truncated or misshapen answer is paid for too and
its usage must not get lost.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import openai
from pydantic import SecretStr, ValidationError

from providers.errors import BadAnswer
from providers.llm.failures import map_openai_error, names_response_format
from providers.llm.results import TokenUsage, Unusable, UnusableReason, WritingRequest, WritingResult, Written
from providers.llm.wire import (
    ANSWER_FORMAT,
    Answer,
    ChatCompletion,
    ChatRequest,
    Choice,
    CompletionUsage,
    JsonObjectFormat,
)

TIMEOUT_SECONDS: Final = 60.0
"""For the whole answer; an activity's start-to-close timeout must be longer."""
_CONNECT_SECONDS: Final = 5.0

# Servers that do not enforce the format wrap it as they would in a chat.
_FENCED = re.compile(r"\s*```(?:json)?\s*(?P<inside>.*?)\s*```\s*", re.DOTALL)


class LlmClient:
    """One model on one server.

    Args:
        http: a client whose pool is shared by the whole process; closing it is the caller's.
        base_url: the server, with `/v1`.
        api_key: its key; servers without keys take any.
        model: the model's name there.
        timeout: seconds for the whole answer.
        options: further request fields, only those that the server knows (`{"store": False}`).
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        base_url: str,
        api_key: SecretStr,
        model: str,
        timeout: float = TIMEOUT_SECONDS,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._openai = openai.AsyncOpenAI(
            api_key=api_key.get_secret_value(),
            base_url=base_url,
            http_client=http,
            max_retries=0,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        )
        self._model = model
        self._options = dict(options or {})
        self._knows_json_schema = True

    async def write(self, request: WritingRequest) -> WritingResult:
        """One answer of the model.

        The first refusal of JSON Schema by the server repeats the request with the plain JSON format, which this
        client uses from then on.

        Raises:
            NotSent: it never left.
            Throttled: too many requests or tokens for now.
            CredentialRefused: the key is wrong or may not do this.
            Rejected: the server refused it; `code` says why, `transient` whether later may go better.
            OutcomeUnknown: no answer arrived, but one may have been written and billed.
            BadAnswer: a success that is no chat completion.
        """
        try:
            if self._knows_json_schema:
                try:
                    return await self._ask(request)
                except openai.APIStatusError as exc:
                    if not names_response_format(exc):
                        raise
                    self._knows_json_schema = False
            return await self._ask(request)
        except openai.OpenAIError as exc:
            # The original holds the request and with it the customer's data.
            raise map_openai_error(exc) from None

    async def _ask(self, request: WritingRequest) -> WritingResult:
        body = ChatRequest(
            model=self._model,
            messages=list(request.messages),
            response_format=ANSWER_FORMAT if self._knows_json_schema else JsonObjectFormat(),
            max_completion_tokens=request.max_output_tokens,
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
        answer = await self._openai.chat.completions.with_raw_response.create(
            model=body.pop("model"), messages=body.pop("messages"), extra_body={**body, **self._options}
        )
        try:
            completion = ChatCompletion.model_validate_json(answer.content)
        except ValidationError:
            raise BadAnswer(
                service="llm", operation="write", detail="no chat completion", status=answer.status_code
            ) from None
        return _result(completion, self._model)


def _result(completion: ChatCompletion, asked: str) -> WritingResult:
    usage = _usage(completion.usage)
    model = completion.model or asked
    outcome = _answer(completion.choices[0])
    if isinstance(outcome, UnusableReason):
        return Unusable(reason=outcome, usage=usage, model=model)
    return Written(text=outcome.text.strip(), language=outcome.language.strip(), usage=usage, model=model)


def _answer(choice: Choice) -> Answer | UnusableReason:
    content = choice.message.content
    if choice.finish_reason == "content_filter":
        return UnusableReason.CONTENT_FILTER
    if choice.message.refusal:
        return UnusableReason.REFUSAL
    if choice.finish_reason == "length":
        return UnusableReason.LENGTH
    return _read(content or "")


def _read(content: str) -> Answer | UnusableReason:
    fenced = _FENCED.fullmatch(content)
    try:
        answer = Answer.model_validate_json(fenced["inside"] if fenced else content)
    except ValidationError as error:
        broken = any(problem["type"] == "json_invalid" for problem in error.errors(include_url=False))
        return UnusableReason.INVALID_JSON if broken else UnusableReason.SCHEMA
    return answer if answer.text.strip() and answer.language.strip() else UnusableReason.SCHEMA


def _usage(usage: CompletionUsage | None) -> TokenUsage | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return TokenUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_input_tokens=(details.cached_tokens or 0) if details is not None else 0,
    )
