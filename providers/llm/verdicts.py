"""What comes out of asking a language model about a conversation: a verdict, or a reason why there is none."""

from dataclasses import dataclass

from models.enums import BuyingIntent, SaleStanding
from providers.llm.results import OUTPUT_TOKENS, TokenUsage, Unusable
from providers.llm.wire import ChatMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a conversation shows, in the model's opinion; of `LlmClient.analyse` only its form has been checked.

    Attributes:
        intent: how clearly the customer wants to buy.
        sale: what became of it.
        asked_to_stop: the customer wants no messages from the shop.
        language: code of the suggestion's language; without one, of the customer's.
        product: what they want.
        objection: what keeps them from it.
        suggestion: the message that may take the sale up again.
        quote: the words of the conversation that show it.
    """

    intent: BuyingIntent
    sale: SaleStanding
    asked_to_stop: bool
    language: str
    product: str | None = None
    objection: str | None = None
    suggestion: str | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """A prompt that is ready to go (`providers.llm.analysis_prompts.build_analysis_messages`).

    Attributes:
        messages: instructions first.
        max_output_tokens: the answer is cut off beyond.
    """

    messages: tuple[ChatMessage, ...]
    max_output_tokens: int = OUTPUT_TOKENS


@dataclass(frozen=True, slots=True)
class Analysed:
    """A verdict with what it cost.

    Attributes:
        verdict: what the model says.
        usage: None if the server did not say.
        model: the model that answered, as the server names it.
    """

    verdict: Verdict
    usage: TokenUsage | None
    model: str


AnalysisResult = Analysed | Unusable
