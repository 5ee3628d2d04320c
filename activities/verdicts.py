"""Asking the model about one conversation until its verdict can be believed: three tries, each paid and on record.

Whoever asks keeps the books (`CallBook`), because a daily review charges a store's credits and an evaluation only
counts tokens.
"""

from dataclasses import dataclass, replace
from typing import Final, Protocol

from policies.verdicts import Line, SuggestionRules, VerdictProblem, as_note, as_quote, needs_suggestion, problems
from providers.errors import BadAnswer, OutcomeUnknown, ProviderError
from providers.llm.analysis_prompts import AnalysisBrief, build_analysis_messages
from providers.llm.results import OUTPUT_TOKENS, Unusable, UnusableReason
from providers.llm.turns import cut
from providers.llm.verdicts import Analysed, AnalysisRequest, AnalysisResult, Verdict

MOST_TRIES: Final = 3
MOST_SUGGESTED: Final = 500
"""Longest suggestion: it must fit into a template's variable with the template's own words around it."""
USED: Final = "used"
"""A call's outcome when its verdict is the one that counts; every other outcome is the code of a problem."""

_LONGEST_MODEL_NAME: Final = 80
# The same conversation would be refused again, and a refusal is paid for as well.
_FINAL: Final = frozenset({UnusableReason.REFUSAL, UnusableReason.CONTENT_FILTER})


class LanguageModel(Protocol):
    """What is asked: `providers.llm.client.LlmClient`, or a model that a test made up."""

    async def analyse(self, request: AnalysisRequest) -> AnalysisResult:
        """One answer."""
        ...


class CallBook(Protocol):
    """The account of the calls that one conversation took; calls are numbered from 1."""

    async def before(self, number: int) -> bool:
        """Make sure that the call is paid for, also when asked again; False if there are no credits for it."""
        ...

    async def after(self, number: int, result: AnalysisResult, outcome: str) -> None:
        """Write the call down.

        With the outcome `USED` the result is an `Analysed` whose verdict is as it may be kept, so that call and
        verdict can be stored together. Any other outcome is why the answer does not count.
        """
        ...

    async def given_back(self, number: int) -> None:
        """The model was not asked after all."""
        ...


class NoCredits(Exception):  # noqa: N818 - it says how far the analysis came, and is no error
    """The book had no credits for another call."""


@dataclass(frozen=True, slots=True)
class VerdictRules:
    """What a verdict is held to.

    Attributes:
        lines: the messages that the model saw.
        suggestion: the rules of the message that it suggests.
    """

    lines: tuple[Line, ...]
    suggestion: SuggestionRules

    def problems(self, verdict: Verdict) -> list[VerdictProblem]:
        """Everything that is wrong with it; empty if it may be believed."""
        return problems(
            intent=verdict.intent,
            sale=verdict.sale,
            asked_to_stop=verdict.asked_to_stop,
            language=verdict.language,
            suggestion=verdict.suggestion,
            quote=verdict.quote,
            lines=self.lines,
            rules=self.suggestion,
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """How it ended.

    Attributes:
        verdict: as it may be kept; None if no answer could be believed.
        model: who said so, as the server names it; empty if nobody was asked.
        why: without a verdict, the code of what was wrong with the last answer.
    """

    verdict: Verdict | None
    model: str
    why: str


def verdict_rules(brief: AnalysisBrief, *, as_variable: bool) -> VerdictRules:
    """The rules of a brief's verdict. What the shop's side said is trusted: its people, its assistant, its marketer.

    Args:
        brief: what the model is told.
        as_variable: whether the suggestion will stand in a template's variable.
    """
    # As far as the model was shown it: a quote comes from there, and a huge message costs no more than a long one.
    said = [(turn.sender, cut(turn.text)) for turn in brief.shown_turns]
    return VerdictRules(
        lines=tuple(Line(text, theirs=sender == "customer") for sender, text in said),
        suggestion=SuggestionRules(
            limit=brief.max_chars,
            wishes=brief.instructions,
            ours=tuple(text for sender, text in said if sender in {"agent", "bot"}),
            earlier=tuple(text for sender, text in said if sender != "customer"),
            language=brief.reply_language,
            as_variable=as_variable,
        ),
    )


async def reach_verdict(
    llm: LanguageModel, brief: AnalysisBrief, rules: VerdictRules, book: CallBook, *, made: int = 0
) -> Reached:
    """Ask until a verdict keeps to the rules, `MOST_TRIES` times at most, each time saying what was wrong before.

    A refusal or a content filter ends it at once. An answer that was cut off is allowed twice the length.

    Args:
        llm: the model.
        brief: the conversation and the task.
        rules: what the answer is held to (`verdict_rules`).
        book: pays for each call and writes it down.
        made: how many calls are on record already, from before a crash; they count among the tries.

    Raises:
        NoCredits: the book did not pay for the next call.
        ProviderError: the model gave no answer; what was certainly not asked is given back before.
    """
    model, why, most = "", "tries_used_up", OUTPUT_TOKENS
    for number in range(made + 1, MOST_TRIES + 1):
        if not await book.before(number):
            raise NoCredits
        try:
            result = await llm.analyse(AnalysisRequest(build_analysis_messages(brief), most))
        except ProviderError as error:
            if not isinstance(error, OutcomeUnknown | BadAnswer):
                await book.given_back(number)
            raise
        model = result.model[:_LONGEST_MODEL_NAME]
        found = _problems(result, rules)
        if isinstance(result, Analysed) and not found:
            kept = replace(result, verdict=_as_kept(result.verdict), model=model)
            await book.after(number, kept, USED)
            return Reached(kept.verdict, model, "")
        why = found[0].code
        await book.after(number, replace(result, model=model), why)
        if isinstance(result, Unusable):
            if result.reason in _FINAL:
                break
            if result.reason is UnusableReason.LENGTH:
                most *= 2
        brief = replace(brief, previous_problems=[*brief.previous_problems, *(problem.detail for problem in found)])
    return Reached(None, model, why)


def _problems(result: AnalysisResult, rules: VerdictRules) -> list[VerdictProblem]:
    if isinstance(result, Unusable):
        return [VerdictProblem(result.reason.value, f"the answer could not be used: {result.reason.value}")]
    return rules.problems(result.verdict)


def _as_kept(verdict: Verdict) -> Verdict:
    """Bounded and clean, and without a suggestion that nobody checked because none was called for."""
    wanted = needs_suggestion(intent=verdict.intent, sale=verdict.sale, asked_to_stop=verdict.asked_to_stop)
    return replace(
        verdict,
        product=as_note(verdict.product),
        objection=as_note(verdict.objection),
        suggestion=verdict.suggestion.strip() if wanted and verdict.suggestion is not None else None,
        quote=as_quote(verdict.quote),
    )
