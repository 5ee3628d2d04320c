"""Asks a language model for one message or one verdict, once; repeating, charging and judging are the caller's.

Chat completions are the interface that most servers speak (OpenAI, vLLM, Ollama, LM Studio, LiteLLM). The answer is
read from the raw body rather than by the SDK's own parser, because a truncated or misshapen answer is paid for too and
its usage must not get lost.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import httpx2
import openai
from pydantic import BaseModel, SecretStr, ValidationError

from providers.errors import BadAnswer
from providers.llm.failures import map_openai_error, names_response_format
from providers.llm.results import TokenUsage, Unusable, UnusableReason, WritingRequest, WritingResult, Written
from providers.llm.verdicts import Analysed, AnalysisRequest, AnalysisResult, Verdict
from providers.llm.wire import (
    ANSWER_FORMAT,
    VERDICT_FORMAT,
    Answer,
    ChatCompletion,
    ChatMessage,
    ChatRequest,
    Choice,
    CompletionUsage,
    JsonObjectFormat,
    JsonSchemaFormat,
    VerdictAnswer,
)

TIMEOUT_SECONDS: Final = 60.0
"""For the whole answer; an activity's start-to-close timeout must be longer."""
_CONNECT_SECONDS: Final = 5.0

_AnswerT = TypeVar("_AnswerT", bound=BaseModel)

# Servers that do not enforce the format wrap it as they would in a chat.
_FENCED = re.compile(r"\s*```(?:json)?\s*(?P<inside>.*?)\s*```\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Question(Generic[_AnswerT]):
    """A kind of call: what errors call it, the format that it asks for, and what the answer is read as."""

    operation: str
    form: JsonSchemaFormat
    answer: type[_AnswerT]


_WRITE = _Question("write", ANSWER_FORMAT, Answer)
_ANALYSE = _Question("analyse", VERDICT_FORMAT, VerdictAnswer)


@dataclass(frozen=True, slots=True)
class _Said(Generic[_AnswerT]):
    """What came back and what it cost; the content is the answer, or why there is none."""

    content: _AnswerT | UnusableReason
    usage: TokenUsage | None
    model: str


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
        """One message of the model.

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
        said = await self._ask(_WRITE, request.messages, request.max_output_tokens)
        if isinstance(said.content, UnusableReason):
            return Unusable(reason=said.content, usage=said.usage, model=said.model)
        return Written(text=said.content.text, language=said.content.language, usage=said.usage, model=said.model)

    async def analyse(self, request: AnalysisRequest) -> AnalysisResult:
        """One verdict of the model about a conversation; raises what `write` raises."""
        said = await self._ask(_ANALYSE, request.messages, request.max_output_tokens)
        if isinstance(said.content, UnusableReason):
            return Unusable(reason=said.content, usage=said.usage, model=said.model)
        return Analysed(verdict=_verdict(said.content), usage=said.usage, model=said.model)

    async def _ask(self, question: _Question[_AnswerT], messages: Sequence[ChatMessage], most: int) -> _Said[_AnswerT]:
        try:
            if self._knows_json_schema:
                try:
                    return await self._ask_once(question, question.form, messages, most)
                except openai.APIStatusError as exc:
                    if not names_response_format(exc):
                        raise
                    self._knows_json_schema = False
            return await self._ask_once(question, JsonObjectFormat(), messages, most)
        except openai.OpenAIError as exc:
            # The original holds the request and with it the customer's data.
            raise map_openai_error(exc, question.operation) from None

    async def _ask_once(
        self,
        question: _Question[_AnswerT],
        form: JsonSchemaFormat | JsonObjectFormat,
        messages: Sequence[ChatMessage],
        most: int,
    ) -> _Said[_AnswerT]:
        body = ChatRequest(
            model=self._model, messages=list(messages), response_format=form, max_completion_tokens=most
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
        answer = await self._openai.chat.completions.with_raw_response.create(
            model=body.pop("model"), messages=body.pop("messages"), extra_body={**body, **self._options}
        )
        try:
            completion = ChatCompletion.model_validate_json(answer.content)
        except ValidationError:
            raise BadAnswer(
                service="llm", operation=question.operation, detail="no chat completion", status=answer.status_code
            ) from None
        return _Said(
            content=_content(completion.choices[0], question.answer),
            usage=_usage(completion.usage),
            model=completion.model or self._model,
        )


def _verdict(answer: VerdictAnswer) -> Verdict:
    return Verdict(
        intent=answer.intent,
        sale=answer.sale,
        asked_to_stop=answer.asked_to_stop,
        language=answer.language,
        product=answer.product,
        objection=answer.objection,
        suggestion=answer.message,
        quote=answer.quote,
    )


def _content(choice: Choice, answer: type[_AnswerT]) -> _AnswerT | UnusableReason:
    if choice.finish_reason == "content_filter":
        return UnusableReason.CONTENT_FILTER
    if choice.message.refusal:
        return UnusableReason.REFUSAL
    if choice.finish_reason == "length":
        return UnusableReason.LENGTH
    return _read(choice.message.content or "", answer)


def _read(content: str, answer: type[_AnswerT]) -> _AnswerT | UnusableReason:
    fenced = _FENCED.fullmatch(content)
    try:
        return answer.model_validate_json(fenced["inside"] if fenced else content)
    except ValidationError as error:
        broken = any(problem["type"] == "json_invalid" for problem in error.errors(include_url=False))
        return UnusableReason.INVALID_JSON if broken else UnusableReason.SCHEMA


def _usage(usage: CompletionUsage | None) -> TokenUsage | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return TokenUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_input_tokens=(details.cached_tokens or 0) if details is not None else 0,
    )
