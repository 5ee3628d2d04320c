"""Asks the model about each labelled conversation, several at a time, and counts what that used."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from activities.verdicts import MOST_SUGGESTED, LanguageModel, Reached, reach_verdict, verdict_rules
from models.labelled_conversations import LabelledConversation
from providers.errors import CredentialRefused, ProviderError, Rejected, Throttled
from providers.llm.analysis_prompts import AnalysisBrief
from providers.llm.results import TokenUsage
from providers.llm.turns import Turn
from providers.llm.verdicts import AnalysisResult

_PATIENCE: Final = 5
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE: Final = timedelta(minutes=2)
_SHOP: Final = "the shop"


@dataclass(slots=True)
class Asked:
    """One conversation and what asking about it came to; it keeps the books of its calls.

    Attributes:
        conversation: with its label.
        calls: answers that were paid for.
        usages: what each used, where the server said so.
        reached: the verdict or why there is none; None as long as nobody knows.
    """

    conversation: LabelledConversation
    calls: int = 0
    usages: list[TokenUsage | None] = field(default_factory=list)
    reached: Reached | None = None

    async def before(self, number: int) -> bool:
        """Whoever evaluates has decided to pay."""
        del number
        return True

    async def after(self, number: int, result: AnalysisResult, outcome: str) -> None:
        """Count the call."""
        del outcome
        self.calls = number
        self.usages.append(result.usage)

    async def given_back(self, number: int) -> None:
        """Nothing was counted yet."""


class EvaluationStoppedError(Exception):
    """The model can answer none of them: its account or its configuration is wrong.

    Attributes:
        cause: what it said.
        asked: all conversations, those among them that were answered before.
    """

    def __init__(self, cause: ProviderError, asked: Sequence[Asked]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.asked = asked


async def ask_all(
    llm: LanguageModel,
    conversations: Sequence[LabelledConversation],
    *,
    parallel: int,
    instructions: str | None,
    tell: Callable[[], None],
) -> list[Asked]:
    """Ask about every conversation.

    Args:
        llm: the model.
        conversations: which.
        parallel: how many at a time.
        instructions: what a marketer would have the model keep in mind.
        tell: called after each.

    Raises:
        EvaluationStoppedError: it makes no sense to go on.
    """
    asked = [Asked(one) for one in conversations]
    left = iter(asked)

    async def work() -> None:
        for one in left:
            one.reached = await _ask(llm, one, instructions)
            tell()

    workers = [asyncio.create_task(work()) for _ in range(min(parallel, len(asked)))]
    try:
        await asyncio.gather(*workers)
    except ProviderError as error:
        raise EvaluationStoppedError(error, asked) from None
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return asked


async def _ask(llm: LanguageModel, one: Asked, instructions: str | None) -> Reached:
    """One conversation; a model that is busy or away is waited for a while.

    Raises:
        ProviderError: waiting does not help.
    """
    brief = _brief(one.conversation, instructions)
    rules = verdict_rules(brief, as_variable=True)
    pause = _FIRST_PAUSE_S
    for attempt in range(1, _PATIENCE + 1):
        try:
            return await reach_verdict(llm, brief, rules, one, made=one.calls)
        except ProviderError as error:
            if _is_hopeless(error):
                raise
            if attempt == _PATIENCE:
                return Reached(None, "", error.name)
            await asyncio.sleep(error.retry_after.total_seconds() if isinstance(error, Throttled) else pause)
            pause *= 2
    raise AssertionError("the last attempt returns")


def _is_hopeless(error: ProviderError) -> bool:
    match error:
        case CredentialRefused():
            return True
        case Throttled():
            return error.retry_after > _LONGEST_PAUSE
        case Rejected():
            return not error.transient
        case _:
            return False


def _brief(conversation: LabelledConversation, instructions: str | None) -> AnalysisBrief:
    return AnalysisBrief(
        store_name=_SHOP,
        instructions=instructions,
        max_chars=MOST_SUGGESTED,
        conversation=[
            Turn(one.sender, one.text, timedelta(hours=one.hours_ago) if one.hours_ago is not None else None)
            for one in conversation.messages
        ],
    )
