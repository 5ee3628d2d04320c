"""`evaluate`: figures from the configured model, with nothing paid for a file that is wrong."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.llm.app import LlmSandbox
from sandbox.llm.faults import Fault, QuotaExhausted, RateLimited, Refuse, ServerFailure
from tests.cli.conftest import Answer, Scene
from tests.cli.recorded import check
from tests.serving import serve

KEY = "sk-evaluated"
SAID: Sequence[tuple[str, str, str, str, bool]] = (
    ("buys", "I want to buy the walnut table, how can I pay?", "high", "open", False),
    ("asks", "Hello, how much is the walnut table?", "medium", "open", False),
    ("looks", "I am just looking around", "low", "open", False),
    ("talks", "Good morning to you all", "none", "open", False),
    ("paid", "I want to buy it. I've just paid!", "high", "completed", False),
    ("stops", "Please don't message me again", "none", "open", True),
    ("missed", "Put me down for the pottery course", "high", "open", False),
)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Seven conversations, of which the stand-in gets one wrong."""
    lines = [
        {
            "id": name,
            "language": "en",
            "messages": [{"from": "customer", "text": text}],
            "expected": {"intent": intent, "sale": sale, "asked_to_stop": stop},
        }
        for name, text, intent, sale, stop in SAID
    ]
    path = tmp_path / "labelled.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def configure(monkeypatch: pytest.MonkeyPatch, address: str, model: str) -> None:
    """Use that model."""
    monkeypatch.setenv("REKINDLE_LLM_BASE_URL", f"{address}/v1")
    monkeypatch.setenv("REKINDLE_LLM_API_KEY", KEY)
    monkeypatch.setenv("REKINDLE_LLM_MODEL", model)


async def test_without_a_model_the_stand_in_answers_and_says_so(scene: Scene, labelled: Path) -> None:
    """Every figure, reckoned by hand; and a score that nobody can take for a real model's."""
    answer = await scene.run(
        "evaluate", str(labelled), "--json", "--input-price", "0.25", "--output-price", "2", "--currency", "EUR"
    )
    assert "stand-in" in answer.err
    # What the prompt's length and the phrases decide has tests of its own.
    answer.out = re.sub(r'"(input|output)": \d+', r'"\1": 1', answer.out)
    answer.out = re.sub(r'"amount": "[\d.]+"', '"amount": "0.000001"', answer.out)
    found = check("evaluate", answer)
    assert found["stand_in"]
    (result,) = found["results"]
    assert result["followed_up"]["low"] == {"expected": 4, "found": 3, "right": 3, "precision": 1.0, "recall": 0.75}
    assert result["intent"]["high"] == {"expected": 3, "found": 2, "right": 2, "precision": 1.0, "recall": 0.6667}
    assert result["asked_to_stop"]["recall"] == 1.0


async def test_the_cost_is_the_tokens_times_the_price(scene: Scene, labelled: Path) -> None:
    """A million tokens at the price given, and none without a price."""
    priced = ("--input-price", "0.25", "--output-price", "2")
    found = json.loads((await scene.run("evaluate", str(labelled), "--json", "--limit", "2", *priced)).out)
    (result,) = found["results"]
    assert (found["conversations"], result["calls"], len(found["cases"])) == (2, 2, 2)
    tokens = result["tokens"]
    assert result["cost"]["currency"] == "USD"
    assert float(result["cost"]["amount"]) == pytest.approx(
        (tokens["input"] * 0.25 + tokens["output"] * 2) / 1e6, abs=1e-6
    )
    found = json.loads((await scene.run("evaluate", str(labelled), "--json", "--limit", "1")).out)
    assert found["results"][0]["cost"] is None


async def test_the_configured_model_is_asked_and_named(
    scene: Scene, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures stand under its own name and prompt version, and a refusal counts as no verdict."""
    server = LlmSandbox(api_keys=frozenset({KEY}), model="own-model-2")
    server.faults.add(Refuse(), containing="pottery")
    server.faults.add(RateLimited("1"))
    async with serve(server) as address:
        configure(monkeypatch, address, "own-model-2")
        answer = await scene.run("evaluate", str(labelled), "--parallel", "3")
    assert answer.code == 0, answer.err
    assert "own-model-2, prompt version 1: 7 conversations, 7 answers, 1 without a verdict" in answer.out
    assert "without a verdict: 1 x refusal" in answer.out
    assert "missed" in answer.out
    assert "stand-in" not in answer.err
    assert server.requests == 8


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (QuotaExhausted(), "insufficient_quota"),
        (RateLimited("600"), "busy"),
        (ServerFailure(401), "REKINDLE_LLM_API_KEY"),
    ],
)
async def test_a_model_that_will_not_answer_ends_it(
    scene: Scene, labelled: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, expected: str
) -> None:
    """An unpaid bill, a refused key and a long wait are told with what was paid for until then."""
    server = LlmSandbox(api_keys=frozenset({KEY}), model="own-model-2")
    server.faults.add(fault, times=100, containing="just looking")
    async with serve(server) as address:
        configure(monkeypatch, address, "own-model-2")
        answer = await scene.run("evaluate", str(labelled), "--parallel", "1")
    assert answer.code == 1
    assert expected in answer.err
    assert "stopped after 2 of 7 conversations and 2 answers" in answer.err
    assert server.requests == 3


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("--input-price", "1"), 2, "both"),
        (("--input-price", "x", "--output-price", "1"), 2, "is no price"),
        (("--input-price", "-1", "--output-price", "1"), 2, "is no price"),
        (("--limit", "0"), 2, "limit"),
    ],
)
async def test_what_cannot_be_reckoned_is_refused_first(
    scene: Scene, labelled: Path, words: tuple[str, ...], code: int, expected: str
) -> None:
    """Impossible prices and limits are usage errors."""
    answer = await scene.run("evaluate", str(labelled), *words)
    assert (answer.code, expected in answer.err) == (code, True), answer.err


async def test_a_bad_file_costs_nothing(scene: Scene, labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bad line is listed before the first conversation is paid for."""
    server = LlmSandbox(api_keys=frozenset({KEY}), model="own-model-2")
    with labelled.open("a") as file:
        file.write("\n{\n[]\n")
    async with serve(server) as address:
        configure(monkeypatch, address, "own-model-2")
        answer: Answer = await scene.run("evaluate", str(labelled), "--json")
    found: dict[str, Any] = json.loads(answer.out)
    assert (answer.code, server.requests) == (1, 0)
    assert "line 8" in found["problems"][1]
    assert "line 9" in found["problems"][2]
