"""The stand-in's verdicts: plausible, always the same, and ones that the checks take."""

import json
from typing import Any

import httpx2
import jsonschema
import pytest

from activities.verdicts import verdict_rules
from models.enums import BuyingIntent, SaleStanding
from providers.llm.analysis_prompts import AnalysisBrief, build_analysis_messages
from providers.llm.turns import Turn
from providers.llm.verdicts import Verdict
from providers.llm.wire import VERDICT_FORMAT, JsonObjectFormat
from sandbox.llm.app import MODEL, LlmSandbox
from sandbox.llm.faults import Obey, UnfilledPlaceholder, WrongCoupon, WrongLanguage
from tests.sandbox.llm.test_app import post, sandbox

HIGH, MEDIUM, LOW, NONE = BuyingIntent.HIGH, BuyingIntent.MEDIUM, BuyingIntent.LOW, BuyingIntent.NONE
OPEN, COMPLETED, ELSEWHERE = SaleStanding.OPEN, SaleStanding.COMPLETED, SaleStanding.ELSEWHERE
SAID = [
    ("en", ["I'll take the blue one. How can I pay?"], HIGH, OPEN, False),
    ("en", ["Hello, how much is the walnut table?", "Is it in stock?"], MEDIUM, OPEN, False),
    ("en", ["Hi! I am just looking, what do you sell?"], LOW, OPEN, False),
    ("en", ["Good morning, thank you!"], NONE, OPEN, False),
    ("en", ["I want to buy it", "I've just paid"], HIGH, COMPLETED, False),
    ("en", ["How much is the lamp?", "Never mind, I got one from another shop"], MEDIUM, ELSEWHERE, False),
    ("en", ["How much is the lamp?", "Changed my mind, thank you"], NONE, OPEN, False),
    ("en", ["Please don't message me again"], NONE, OPEN, True),
    ("en", ["My order has not arrived, I want to return it"], NONE, OPEN, False),
    ("es", ["Perfecto, me la llevo. ¿Puedo pagar con tarjeta?"], HIGH, OPEN, False),
    ("es", ["Hola, ¿cuánto cuesta la mesa de pino?"], MEDIUM, OPEN, False),
    ("es", ["Hola, solo estoy mirando el catálogo, gracias"], LOW, OPEN, False),
    ("es", ["Ya pagué por transferencia, gracias"], NONE, COMPLETED, False),
    ("es", ["¿Cuánto vale?", "La compré en otra tienda, gracias"], MEDIUM, ELSEWHERE, False),
    ("es", ["Dejen de escribirme por favor"], NONE, OPEN, True),
    ("pt", ["Oi, quero comprar dois, qual o pix?"], HIGH, OPEN, False),
    ("pt", ["Oi, quanto custa a mesa?", "Achei um pouco caro, vou pensar"], MEDIUM, OPEN, False),
    ("pt", ["Oi, o que vocês vendem? Estou só olhando"], LOW, OPEN, False),
    ("pt", ["Já paguei o boleto, obrigada"], NONE, COMPLETED, False),
    ("pt", ["Não me mandem mais nada"], NONE, OPEN, True),
]


def brief_of(texts: list[str], **more: Any) -> AnalysisBrief:
    """The customer's messages with an answer of the shop's between them."""
    turns = [turn for text in texts for turn in (Turn("customer", text), Turn("agent", "\U0001f642"))]
    return AnalysisBrief(store_name="Sol", max_chars=500, conversation=turns, **more)


async def verdict_of(server: LlmSandbox, brief: AnalysisBrief, *, plain: bool = False) -> Verdict:
    """What the stand-in answers, checked against the schema."""
    form = JsonObjectFormat() if plain else VERDICT_FORMAT
    answer = await post(
        server,
        {
            "model": MODEL,
            "messages": [message.model_dump() for message in build_analysis_messages(brief)],
            "response_format": form.model_dump(by_alias=True, exclude_none=True),
        },
    )
    assert answer.status_code == httpx2.codes.OK, answer.text
    said = json.loads(answer.json()["choices"][0]["message"]["content"])
    jsonschema.validate(said, VERDICT_FORMAT.json_schema.schema_)
    return Verdict(
        intent=BuyingIntent(said["intent"]), sale=SaleStanding(said["sale"]), asked_to_stop=said["asked_to_stop"],
        language=said["language"], product=said["product"], objection=said["objection"],
        suggestion=said["message"], quote=said["quote"],
    )  # fmt: skip


@pytest.mark.parametrize(("code", "texts", "intent", "sale", "stop"), SAID)
async def test_it_judges_by_the_words_of_three_languages(
    code: str, texts: list[str], intent: BuyingIntent, sale: SaleStanding, *, stop: bool
) -> None:
    """Each kind of verdict can be acted, with evidence and a message that the checks take."""
    brief = brief_of(texts)
    verdict = await verdict_of(sandbox(), brief)
    assert (verdict.intent, verdict.sale, verdict.asked_to_stop) == (intent, sale, stop)
    assert verdict.language == code
    assert not verdict_rules(brief, as_variable=True).problems(verdict)
    assert (verdict.suggestion is not None) is (intent is not NONE and sale is OPEN and not stop)


async def test_the_same_conversation_is_judged_the_same() -> None:
    """Nothing but seed and prompt decides, with a schema or without one."""
    brief = brief_of(["Hola, ¿cuánto cuesta la mesa de pino?"])
    first = await verdict_of(sandbox(), brief)
    assert first == await verdict_of(sandbox(), brief)
    assert first == await verdict_of(sandbox(), brief, plain=True)
    assert first.product == "mesa de pino"
    others = {(await verdict_of(sandbox(seed=seed), brief)).suggestion for seed in range(6)}
    assert len(others) > 1


async def test_the_message_is_in_the_language_asked_for() -> None:
    """A template's language goes before the customer's."""
    verdict = await verdict_of(sandbox(), brief_of(["Hello, how much is the table?"], reply_language="pt_BR"))
    assert verdict.language == "pt_BR"
    assert verdict.suggestion is not None
    assert " the " not in verdict.suggestion


async def test_ordered_mistakes_are_ones_that_the_checks_find() -> None:
    """A wrong code, a wrong language, an unfilled placeholder and an obeyed wish are caught by the rules."""
    brief = brief_of(["Hola, ¿cuánto cuesta la mesa de pino? La quiero para el sábado, gracias"])
    for fault, expected in (
        (WrongCoupon(), "unknown_code"),
        (WrongLanguage("en"), "wrong_language"),
        (UnfilledPlaceholder(), "unfilled"),
        (Obey({"message": "Te la llevas con un 90%"}), "invented_offer"),
    ):
        server = sandbox()
        server.faults.add(fault)
        verdict = await verdict_of(server, brief)
        assert [problem.code for problem in verdict_rules(brief, as_variable=True).problems(verdict)] == [expected]


async def test_a_customer_cannot_make_a_message_a_request_for_a_verdict() -> None:
    """Only the instructions and the schema say what is asked for."""
    answer = await post(
        sandbox(),
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hello"}, {"role": "user", "content": '"asked_to_stop"'}],
        },
    )
    assert not answer.json()["choices"][0]["message"]["content"].startswith("{")
