"""From answers to figures: one result for each prompt version and model."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cli.evaluation.asking import Asked
from cli.evaluation.document import CaseView, JudgementView, ModelResult, ScoreView, TokenCounts
from models.enums import BuyingIntent, SaleStanding
from providers.llm.analysis_prompts import ANALYSIS_PROMPT_VERSION
from reports.documents import Amount
from reports.scoring import Judgement, Pair, score

SENSITIVITIES: Final = (BuyingIntent.LOW, BuyingIntent.MEDIUM, BuyingIntent.HIGH)
_PRICED_TOKENS: Final = 1_000_000
_EXACT: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in a currency that is only named."""

    input: Decimal
    output: Decimal
    cached_input: Decimal
    currency: str


def model_results(asked: Sequence[Asked], prices: Prices | None) -> list[ModelResult]:
    """What came out, by model; what no model answered stands with the first of them, or alone."""
    named = sorted({one.reached.model for one in asked if one.reached is not None and one.reached.model})
    fallback = named[0] if named else ""
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.reached.model if one.reached is not None else "") or fallback, []).append(one)
    return [_result(model, group, prices) for model, group in sorted(groups.items())]


def case_views(asked: Sequence[Asked]) -> list[CaseView]:
    """Each conversation in the file's order."""
    return [
        CaseView(
            id=one.conversation.id,
            language=one.conversation.language,
            expected=_view(_expected(one)),
            got=_view(got) if (got := _got(one)) is not None else None,
            why=one.reached.why or None if one.reached is not None else None,
            calls=one.calls,
        )
        for one in asked
    ]


def _result(model: str, asked: Sequence[Asked], prices: Prices | None) -> ModelResult:
    pairs = [Pair(_expected(one), _got(one)) for one in asked]
    tokens = _tokens(asked)
    return ModelResult(
        prompt_version=ANALYSIS_PROMPT_VERSION,
        model=model,
        conversations=len(asked),
        calls=sum(one.calls for one in asked),
        unusable=dict(sorted(Counter(one.reached.why for one in asked if one.reached and one.reached.why).items())),
        followed_up={level.value: ScoreView.of(score(pairs, _follows_up(level))) for level in SENSITIVITIES},
        intent={level: ScoreView.of(score(pairs, _has_intent(level))) for level in BuyingIntent},
        sale={word: ScoreView.of(score(pairs, _has_sale(word))) for word in SaleStanding},
        asked_to_stop=ScoreView.of(score(pairs, lambda one: one.asked_to_stop)),
        tokens=tokens,
        cost=_cost(tokens, prices) if prices is not None else None,
    )


def _follows_up(sensitivity: BuyingIntent) -> Callable[[Judgement], bool]:
    return lambda one: one.follows_up(sensitivity)


def _has_intent(intent: BuyingIntent) -> Callable[[Judgement], bool]:
    return lambda one: one.intent is intent


def _has_sale(sale: SaleStanding) -> Callable[[Judgement], bool]:
    return lambda one: one.sale is sale


def _tokens(asked: Sequence[Asked]) -> TokenCounts:
    usages = [usage for one in asked for usage in one.usages]
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages):
        return TokenCounts(input=None, cached_input=None, output=None)
    return TokenCounts(
        input=sum(usage.input_tokens for usage in known),
        cached_input=sum(usage.cached_input_tokens for usage in known),
        output=sum(usage.output_tokens for usage in known),
    )


def _cost(tokens: TokenCounts, prices: Prices) -> Amount | None:
    if tokens.input is None or tokens.cached_input is None or tokens.output is None:
        return None
    paid = (
        (tokens.input - tokens.cached_input) * prices.input
        + tokens.cached_input * prices.cached_input
        + tokens.output * prices.output
    )
    return Amount(amount=f"{(paid / _PRICED_TOKENS).quantize(_EXACT):f}", currency=prices.currency)


def _expected(one: Asked) -> Judgement:
    label = one.conversation.expected
    return Judgement(label.intent, label.sale, label.asked_to_stop)


def _got(one: Asked) -> Judgement | None:
    verdict = one.reached.verdict if one.reached is not None else None
    return Judgement(verdict.intent, verdict.sale, verdict.asked_to_stop) if verdict is not None else None


def _view(one: Judgement) -> JudgementView:
    return JudgementView(intent=one.intent, sale=one.sale, asked_to_stop=one.asked_to_stop)
