"""The client against a server that this project did not write: aimock, an OpenAI-compatible mock.

It runs where it is installed (`make aimock`, or `REKINDLE_TEST_AIMOCK` names its program), and is skipped elsewhere.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from activities.verdicts import USED, reach_verdict, verdict_rules
from models.enums import BuyingIntent
from providers.errors import ProviderError, Rejected, Throttled
from providers.llm.analysis_prompts import AnalysisBrief, build_analysis_messages
from providers.llm.client import LlmClient
from providers.llm.results import TokenUsage, Unusable, UnusableReason
from providers.llm.turns import Turn
from providers.llm.verdicts import Analysed, AnalysisRequest
from tests.activities.test_verdicts import Book

INSTALLED = Path(__file__).parents[3] / ".cache" / "aimock" / "node_modules" / ".bin" / "llmock"
GOOD = {
    "quote": "how much is the lamp",
    "asked_to_stop": False,
    "sale": "open",
    "intent": "medium",
    "product": "lamp",
    "objection": None,
    "language": "en",
    "message": "Shall we keep the lamp for you?",
}
LIMITED = {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
UNPAID = {"message": "no credit", "type": "insufficient_quota", "code": "insufficient_quota"}
ANSWERS: dict[str, dict[str, Any]] = {
    # What the second try is told; the first fixture that matches is taken.
    "copy it letter by letter": {"content": GOOD},
    "a good answer": {"content": GOOD, "usage": {"prompt_tokens": 812, "completion_tokens": 64, "total_tokens": 876}},
    "a bad quote": {"content": GOOD | {"quote": "I want it now"}},
    "cut off": {"content": json.dumps(GOOD)[:30], "finishReason": "length"},
    "filtered": {"content": "", "finishReason": "content_filter"},
    "rubbish": {"content": "Sure! I would say that they want it."},
    "too many": {"error": LIMITED, "status": 429},
    "unpaid": {"error": UNPAID, "status": 429},
    "broken": {"error": {"message": "x", "type": "server_error"}, "status": 500},
}


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The mock's address."""
    program = os.environ.get("REKINDLE_TEST_AIMOCK") or (str(INSTALLED) if INSTALLED.exists() else None)
    if program is None or shutil.which("node") is None:
        pytest.skip("aimock is not installed: `make aimock` installs it")
    folder = tmp_path_factory.mktemp("fixtures")
    fixtures = [{"match": {"userMessage": word}, "response": answer} for word, answer in ANSWERS.items()]
    (folder / "answers.json").write_text(json.dumps({"fixtures": fixtures}))
    words = [program, "-p", "0", "-f", str(folder), "--strict"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "listening on " not in said:
            said = process.stdout.readline()
            assert said, "aimock ended before it listened"
        yield said.strip().rpartition(" ")[2]
        process.terminate()


def brief_of(text: str) -> AnalysisBrief:
    """A conversation that the mock knows by its words."""
    said = (Turn("customer", f"Hello, how much is the lamp? ({text})"), Turn("agent", "It is 49.90 EUR"))
    return AnalysisBrief(store_name="Sol", max_chars=500, conversation=said)


def client_of(http: httpx2.AsyncClient, address: str) -> LlmClient:
    """A client of the mock."""
    return LlmClient(http, base_url=f"{address}/v1", api_key=SecretStr("sk-mock"), model="gpt-mock", timeout=10)


async def ask(address: str, text: str) -> Any:
    """What comes of one request."""
    async with httpx2.AsyncClient() as http:
        return await client_of(http, address).analyse(AnalysisRequest(build_analysis_messages(brief_of(text))))


async def test_a_verdict_is_read(aimock: str) -> None:
    """The strict schema is taken, and verdict, usage and model are understood."""
    result = await ask(aimock, "a good answer")
    assert isinstance(result, Analysed)
    assert (result.verdict.intent, result.verdict.suggestion) == (BuyingIntent.MEDIUM, GOOD["message"])
    assert (result.usage, result.model) == (TokenUsage(812, 64), "gpt-mock")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cut off", UnusableReason.LENGTH),
        ("filtered", UnusableReason.CONTENT_FILTER),
        ("rubbish", UnusableReason.INVALID_JSON),
    ],
)
async def test_an_answer_without_a_verdict_is_told_apart(aimock: str, text: str, reason: UnusableReason) -> None:
    """Truncation, a filter and plain words each have their reason, and their usage is kept."""
    result = await ask(aimock, text)
    assert isinstance(result, Unusable)
    assert result.reason is reason
    assert result.usage is not None


@pytest.mark.parametrize(
    ("text", "expected", "attributes"),
    [
        ("too many", Throttled, {"retry_after": timedelta(seconds=1)}),
        ("unpaid", Rejected, {"code": "insufficient_quota", "transient": False}),
        ("broken", Rejected, {"status": 500, "transient": True}),
    ],
)
async def test_trouble_is_told_apart(
    aimock: str, text: str, expected: type[ProviderError], attributes: dict[str, Any]
) -> None:
    """A limit with its Retry-After, an unpaid bill that looks like one, and a fault of the server's."""
    with pytest.raises(expected) as caught:
        await ask(aimock, text)
    assert {name: getattr(caught.value, name) for name in attributes} == attributes


async def test_a_second_try_is_told_what_was_wrong(aimock: str) -> None:
    """The whole loop: an invented quote is refused, and the answer to the complaint counts."""
    brief, book = brief_of("a bad quote"), Book()
    async with httpx2.AsyncClient() as http:
        result = await reach_verdict(client_of(http, aimock), brief, verdict_rules(brief, as_variable=True), book)
    assert result.verdict is not None
    assert result.verdict.quote == GOOD["quote"]
    assert book.outcomes == ["quote_not_found", USED]
