"""What comes out of asking a language model for a message: a text, or a reason why there is none, and its price."""

from dataclasses import dataclass
from enum import StrEnum

from providers.llm.wire import ChatMessage

OUTPUT_TOKENS = 2000
"""Default bound of one answer; a message needs a tenth, a model that thinks first counts its thoughts too."""


class UnusableReason(StrEnum):
    """Why a paid answer holds no message."""

    REFUSAL = "refusal"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    INVALID_JSON = "invalid_json"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class WritingRequest:
    """A prompt that is ready to go (`providers.llm.prompts.build_messages`).

    Attributes:
        messages: instructions first.
        max_output_tokens: the answer is cut off beyond.
    """

    messages: tuple[ChatMessage, ...]
    max_output_tokens: int = OUTPUT_TOKENS


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What a call used, in tokens as the server counts them; `cached_input_tokens` are part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """A message, of which nothing but its form has been checked.

    Attributes:
        text: as the model wrote it, without blanks around it.
        language: what the model says it wrote in.
        usage: None if the server did not say.
        model: the model that answered, as the server names it.
    """

    text: str
    language: str
    usage: TokenUsage | None
    model: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer without a message; it is paid for all the same."""

    reason: UnusableReason
    usage: TokenUsage | None
    model: str


WritingResult = Written | Unusable
