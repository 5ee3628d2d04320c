"""Three tries with the reason named, each paid and on record."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from activities.verdicts import MOST_TRIES, USED, NoCredits, Reached, reach_verdict, verdict_rules
from models.enums import BuyingIntent, SaleStanding
from providers.errors import BadAnswer, NotSent, OutcomeUnknown, ProviderError, Throttled
from providers.llm.analysis_prompts import AnalysisBrief
from providers.llm.results import TokenUsage, Unusable, UnusableReason
from providers.llm.turns import Turn
from providers.llm.verdicts import Analysed, AnalysisRequest, AnalysisResult, Verdict

USAGE = TokenUsage(900, 80)
BRIEF = AnalysisBrief(
    store_name="Sol",
    instructions="Do not offer discounts. Mention free shipping.",
    max_chars=500,
    conversation=(Turn("customer", "How much is the lamp?"), Turn("agent", "It is 49.90 EUR")),
)
GOOD = Verdict(
    intent=BuyingIntent.MEDIUM, sale=SaleStanding.OPEN, asked_to_stop=False, language="en", product="lamp",
    suggestion=" The lamp is 49.90 EUR with free shipping. Shall we keep one for you? ", quote="how much is the lamp",
)  # fmt: skip
BAD = replace(GOOD, quote="I want it at any price")
STOP = replace(GOOD, asked_to_stop=True, suggestion="90% off!", quote="How much is the lamp?")


@dataclass
class Model:
    """Gives these answers one after the other, the last one for ever."""

    answers: Sequence[Verdict | UnusableReason | ProviderError]
    asked: list[AnalysisRequest] = field(default_factory=list)

    async def analyse(self, request: AnalysisRequest) -> AnalysisResult:
        """The next answer."""
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request)
        if isinstance(answer, ProviderError):
            raise answer
        if isinstance(answer, UnusableReason):
            return Unusable(answer, USAGE, "m-1")
        return Analysed(answer, USAGE, "m-1")


@dataclass
class Book:
    """Remembers what it was told; pays for so many calls."""

    credits: int = 100
    said: list[tuple[str, int]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    results: list[AnalysisResult] = field(default_factory=list)

    async def before(self, number: int) -> bool:
        """Pay, if there is enough."""
        self.said.append(("before", number))
        self.credits -= 1
        return self.credits >= 0

    async def after(self, number: int, result: AnalysisResult, outcome: str) -> None:
        """Write down."""
        self.said.append(("after", number))
        self.outcomes.append(outcome)
        self.results.append(result)

    async def given_back(self, number: int) -> None:
        """Take back."""
        self.said.append(("given_back", number))


async def reached(model: Any, book: Book, brief: AnalysisBrief = BRIEF, **more: Any) -> Reached:
    """What comes of asking."""
    return await reach_verdict(model, brief, verdict_rules(brief, as_variable=True), book, **more)


async def test_a_good_answer_is_asked_for_once() -> None:
    """One call, paid and on record with the verdict as it is kept."""
    model, book = Model([GOOD]), Book()
    result = await reached(model, book)
    assert result.verdict == replace(GOOD, suggestion=(GOOD.suggestion or "").strip())
    assert (result.model, result.why) == ("m-1", "")
    assert (book.said, book.outcomes) == ([("before", 1), ("after", 1)], [USED])
    assert book.results == [Analysed(result.verdict, USAGE, "m-1")]


async def test_a_bad_answer_is_asked_for_again_with_the_reason() -> None:
    """The next try is told what was wrong, and every try is paid and on record."""
    model, book = Model([BAD, UnusableReason.INVALID_JSON, GOOD]), Book()
    result = await reached(model, book)
    assert result.verdict is not None
    assert book.outcomes == ["quote_not_found", "invalid_json", USED]
    assert [number for what, number in book.said if what == "before"] == [1, 2, 3]
    told = [request.messages[1].content for request in model.asked]
    assert "EARLIER ANSWERS" not in told[0]
    assert "copy it letter by letter" in told[1]
    assert "invalid_json" in told[2]


async def test_after_three_tries_there_is_no_verdict() -> None:
    """It ends, and says what was wrong with the last one."""
    model, book = Model([BAD]), Book()
    result = await reached(model, book)
    assert result == Reached(None, "m-1", "quote_not_found")
    assert len(model.asked) == MOST_TRIES == len(book.outcomes)


@pytest.mark.parametrize("reason", [UnusableReason.REFUSAL, UnusableReason.CONTENT_FILTER])
async def test_what_would_be_refused_again_is_not_paid_again(reason: UnusableReason) -> None:
    """A refusal is about the conversation, which stays as it is."""
    model, book = Model([reason]), Book()
    assert await reached(model, book) == Reached(None, "m-1", reason.value)
    assert (len(model.asked), book.outcomes) == (1, [reason.value])


async def test_an_answer_that_was_cut_off_gets_more_room() -> None:
    """A model that thinks first needs more than it was given."""
    model = Model([UnusableReason.LENGTH, GOOD])
    await reached(model, Book())
    first, second = (request.max_output_tokens for request in model.asked)
    assert second == 2 * first


async def test_without_credits_nobody_is_asked() -> None:
    """The call that the book does not pay for is not made, the first or a later one."""
    model = Model([BAD])
    with pytest.raises(NoCredits):
        await reached(model, Book(credits=0))
    assert not model.asked
    with pytest.raises(NoCredits):
        await reached(model, Book(credits=1))
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("error", "given_back"),
    [
        (Throttled(service="llm", operation="analyse", retry_after=timedelta(minutes=30)), True),
        (NotSent(service="llm", operation="analyse"), True),
        (OutcomeUnknown(service="llm", operation="analyse"), False),
        (BadAnswer(service="llm", operation="analyse"), False),
    ],
)
async def test_what_was_certainly_not_asked_is_given_back(error: ProviderError, *, given_back: bool) -> None:
    """The error goes through untouched; a call that may have been billed stays paid."""
    book = Book()
    with pytest.raises(type(error)) as caught:
        await reached(Model([error]), book)
    assert caught.value is error
    assert (("given_back", 1) in book.said) is given_back
    assert not book.outcomes


async def test_calls_from_before_a_crash_count() -> None:
    """A second life has the tries that are left, and none if there are none."""
    model, book = Model([BAD]), Book()
    await reached(model, book, made=2)
    assert [number for what, number in book.said if what == "before"] == [3]
    again = Model([GOOD])
    assert await reached(again, book, made=3) == Reached(None, "", "tries_used_up")
    assert not again.asked


async def test_a_message_that_nobody_called_for_is_not_kept() -> None:
    """Unchecked words never leave: an opt-out comes without the message that the model wrote all the same."""
    book = Book()
    result = await reached(Model([STOP]), book)
    assert result.verdict is not None
    assert result.verdict.asked_to_stop
    assert result.verdict.suggestion is None
    (kept,) = book.results
    assert isinstance(kept, Analysed)
    assert kept.verdict.suggestion is None
