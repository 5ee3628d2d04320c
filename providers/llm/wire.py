"""Chat completions as they travel: the part of OpenAI's interface that compatible servers share.

https://platform.openai.com/docs/api-reference/chat. Answers are read leniently (servers add fields, leave details out);
requests are written exactly, and the local stand-in reads them with the same types, strictly.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Received(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ChatMessage(_Sent):
    """One message of the prompt."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str = Field(min_length=1)


class NamedSchema(_Sent):
    """A JSON Schema that the answer must follow; `strict` asks the server to enforce it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None
    description: str | None = None


class JsonSchemaFormat(_Sent):
    """The answer must be JSON after a schema."""

    type: Literal["json_schema"] = "json_schema"
    json_schema: NamedSchema


class JsonObjectFormat(_Sent):
    """The answer must be some JSON object; the prompt has to say so too."""

    type: Literal["json_object"] = "json_object"


class TextFormat(_Sent):
    """The answer is plain text."""

    type: Literal["text"] = "text"


ResponseFormat = JsonSchemaFormat | JsonObjectFormat | TextFormat


class ChatRequest(_Sent):
    """The body of `POST /chat/completions`: what we send, and the options that an installation may add."""

    model: str = Field(min_length=1)
    messages: list[ChatMessage] = Field(min_length=1)
    response_format: ResponseFormat | None = Field(default=None, discriminator="type")
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = None
    n: Literal[1] | None = None
    stream: Literal[False] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    reasoning_effort: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    user: str | None = None


class PromptDetails(_Received):
    """Where the prompt's tokens came from."""

    cached_tokens: int | None = None


class CompletionUsage(_Received):
    """What the call costs, in tokens."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class AnswerMessage(_Received):
    """What the model said: a text or a refusal."""

    role: str | None = "assistant"
    content: str | None = None
    refusal: str | None = None


class Choice(_Received):
    """One answer; `finish_reason` is `stop`, `length`, `content_filter` or a server's own word."""

    index: int = 0
    message: AnswerMessage
    finish_reason: str | None = None


class ChatCompletion(_Received):
    """The body of a successful answer."""

    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    model: str = ""
    choices: list[Choice] = Field(min_length=1)
    usage: CompletionUsage | None = None


class ErrorDetail(_Received):
    """What an error body says."""

    message: str = ""
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class ErrorBody(_Received):
    """The body of an unsuccessful answer."""

    error: ErrorDetail


class ModelEntry(_Received):
    """One model that the server offers."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = ""


class ModelList(_Received):
    """The body of `GET /models`."""

    object: str = "list"
    data: list[ModelEntry]


class Answer(_Received):
    """What the model is asked for: the message and the language that it is in."""

    text: str
    language: str


# OpenAI's strict mode wants every field required and no others allowed, and knows no length limits: the caller
# checks those. A server that does not enforce the schema may add fields, which `Answer` passes over.
ANSWER_FORMAT = JsonSchemaFormat(
    json_schema=NamedSchema.model_validate(
        {
            "name": "whatsapp_message",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "description": "The message exactly as the customer will read it."},
                    "language": {"type": "string", "description": "The code of the language that the text is in."},
                },
                "required": ["text", "language"],
                "additionalProperties": False,
            },
        }
    )
)
"""The response format that asks for an `Answer`."""
