"""Chat completions as they travel: the part of OpenAI's interface that compatible servers share.

https://platform.openai.com/docs/api-reference/chat. Answers are read leniently (servers add fields, leave details out);
requests are written exactly, and the local stand-in reads them with the same types, strictly.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from models.enums import BuyingIntent, SaleStanding


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


def _bare(value: Any) -> Any:
    bare = value.strip() if isinstance(value, str) else value
    return None if isinstance(bare, str) and bare.lower() in {"", "null", "none", "n/a"} else bare


def _word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A text that must be there."""
SaidOrNot = Annotated[str | None, BeforeValidator(_bare)]
"""A text that may be missing; models that are not held to the schema write an empty one, or the word, for null."""


class Answer(_Received):
    """What the model is asked for: the message and the language that it is in."""

    text: Said
    language: Said


class VerdictAnswer(_Received):
    """What the model is asked for about a conversation; what each field means stands in the prompt."""

    quote: SaidOrNot = None
    asked_to_stop: bool
    sale: Annotated[SaleStanding, BeforeValidator(_word)]
    intent: Annotated[BuyingIntent, BeforeValidator(_word)]
    product: SaidOrNot = None
    objection: SaidOrNot = None
    language: Said
    message: SaidOrNot = None


_TEXT_OR_NULL = {"type": ["string", "null"]}


def _format(name: str, properties: dict[str, dict[str, Any]]) -> JsonSchemaFormat:
    # OpenAI's strict mode wants every field required and no others allowed, and knows no length limits: the caller
    # checks those. A server that does not enforce the schema may add fields, which the answers' types pass over.
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return JsonSchemaFormat(json_schema=NamedSchema.model_validate({"name": name, "strict": True, "schema": schema}))


ANSWER_FORMAT = _format(
    "whatsapp_message",
    {
        "text": {"type": "string", "description": "The message exactly as the customer will read it."},
        "language": {"type": "string", "description": "The code of the language that the text is in."},
    },
)
"""The response format that asks for an `Answer`."""

# The evidence comes before what is concluded from it: a model writes its answer in this order.
VERDICT_FORMAT = _format(
    "conversation_verdict",
    {
        "quote": _TEXT_OR_NULL | {"description": "The words of one message that show the verdict, copied exactly."},
        "asked_to_stop": {"type": "boolean", "description": "The customer asked not to be written to."},
        "sale": {"type": "string", "enum": [word.value for word in SaleStanding]},
        "intent": {"type": "string", "enum": [word.value for word in BuyingIntent]},
        "product": _TEXT_OR_NULL | {"description": "What the customer wants, in a few words."},
        "objection": _TEXT_OR_NULL | {"description": "What keeps the customer from buying, in a few words."},
        "language": {"type": "string", "description": "The code of the customer's language, or of the message's."},
        "message": _TEXT_OR_NULL | {"description": "The follow-up exactly as the customer will read it."},
    },
)
"""The response format that asks for a `VerdictAnswer`."""
