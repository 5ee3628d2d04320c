"""Verdicts over real HTTP: the client's other question, with the same machinery."""

import json
from datetime import timedelta
from typing import Any

import pytest

from models.enums import BuyingIntent, SaleStanding
from providers.errors import BadAnswer, ProviderError, Rejected, Throttled
from providers.llm.prompts import build_messages
from providers.llm.results import Unusable, UnusableReason, WritingRequest, Written
from providers.llm.verdicts import Analysed, Verdict
from sandbox.llm.app import MODEL
from sandbox.llm.faults import (
    Fault,
    QuotaExhausted,
    RateLimited,
    ServerFailure,
)
from tests.asking import ANALYSIS, answering, client_of, completion, sandbox
from tests.asking import BRIEF as LETTER

SAID = {
    "quote": "how much is it",
    "asked_to_stop": False,
    "sale": "open",
    "intent": "medium",
    "product": "scarf",
    "objection": None,
    "language": "en",
    "message": "Shall we keep it for you?",
}
VERDICT = Verdict(
    intent=BuyingIntent.MEDIUM, sale=SaleStanding.OPEN, asked_to_stop=False, language="en", product="scarf",
    objection=None, suggestion="Shall we keep it for you?", quote="how much is it",
)  # fmt: skip


async def test_a_verdict_comes_with_its_price_and_model() -> None:
    """A good answer is the verdict, what it used and who gave it."""
    async with client_of(sandbox()) as client:
        result = await client.analyse(ANALYSIS)
    assert isinstance(result, Analysed)
    verdict = result.verdict
    assert (verdict.intent, verdict.sale, verdict.asked_to_stop) == (BuyingIntent.MEDIUM, SaleStanding.OPEN, False)
    assert (verdict.product, verdict.objection, verdict.language) == ("blue scarf", "price", "en")
    assert verdict.suggestion
    assert result.model == MODEL
    assert result.usage is not None
    assert result.usage.input_tokens > result.usage.output_tokens > 10


@pytest.mark.parametrize(
    ("fault", "expected", "attributes"),
    [
        (RateLimited("1800"), Throttled, {"retry_after": timedelta(minutes=30)}),
        (QuotaExhausted(), Rejected, {"transient": False, "code": "insufficient_quota"}),
        (ServerFailure(), Rejected, {"transient": True}),
    ],
)
async def test_trouble_names_the_question_that_met_it(
    fault: Fault, expected: type[ProviderError], attributes: dict[str, Any]
) -> None:
    """The same kinds of trouble as for messages, after one request, under the name of this call."""
    server = sandbox()
    server.faults.add(fault, times=5)
    async with client_of(server) as client:
        with pytest.raises(expected) as caught:
            await client.analyse(ANALYSIS)
    assert {name: getattr(caught.value, name) for name in attributes} == attributes
    assert (caught.value.operation, server.requests) == ("analyse", 1)


async def test_a_page_is_no_verdict() -> None:
    """A portal's page with status 200 is a bad answer."""
    app, _ = answering("<html>hello</html>")
    async with client_of(app) as client:
        with pytest.raises(BadAnswer):
            await client.analyse(ANALYSIS)


async def test_a_server_without_json_schema_is_found_out_once_for_both_questions() -> None:
    """After one refusal of the format every request asks for plain JSON."""
    server = sandbox(knows_json_schema=False)
    async with client_of(server) as client:
        assert isinstance(await client.analyse(ANALYSIS), Analysed)
        assert isinstance(await client.write(WritingRequest(build_messages(LETTER))), Written)
    assert server.requests == 3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"intent": " Medium", "sale": "OPEN", "confidence": 0.9},
        {"objection": ""},
        {"objection": "null", "message": " Shall we keep it for you? "},
        {"objection": ...},
    ],
)
async def test_servers_that_do_not_enforce_the_schema_are_understood(changes: dict[str, Any]) -> None:
    """Capitals, blanks, a word for null, a missing null or a key too many are no reason to pay twice."""
    said = {name: value for name, value in (SAID | changes).items() if value is not ...}
    app, _ = answering(completion(json.dumps(said)))
    async with client_of(app) as client:
        assert await client.analyse(ANALYSIS) == Analysed(verdict=VERDICT, usage=None, model=MODEL)


@pytest.mark.parametrize(
    "changes",
    [
        {"intent": "hot"},
        {"sale": "lost"},
        {"asked_to_stop": None},
        {"asked_to_stop": "perhaps"},
        {"language": " "},
        {"quote": ["x"]},
        {"intent": ...},
        {"sale": ...},
        {"asked_to_stop": ...},
    ],
)
async def test_what_is_no_verdict_is_never_taken_for_one(changes: dict[str, Any]) -> None:
    """Words that do not exist and missing judgements are not guessed."""
    said = {name: value for name, value in (SAID | changes).items() if value is not ...}
    app, _ = answering(completion(json.dumps(said)))
    async with client_of(app) as client:
        assert await client.analyse(ANALYSIS) == Unusable(reason=UnusableReason.SCHEMA, usage=None, model=MODEL)
