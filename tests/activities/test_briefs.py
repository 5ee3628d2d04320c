"""What the model is told of a conversation, and which of its words its text may use."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.briefs import TextRules, writing_brief
from models.enums import MessageAuthor
from models.journey import FollowUp
from models.tables import ChatMessage, Conversation
from policies.message_text import TextProblemKind
from providers.llm.prompts import WritingBrief
from storage.engine import Database
from storage.enrollments import enrollment_facts
from storage.publishing import publish
from storage.stores import required_id
from storage.subjects import subject_of
from tests.worlds import NOON, World, later, make_world

SAID = [
    (MessageAuthor.CUSTOMER, "Do you have the RTX4090? My friend used FREE100 at https://fake.example/win"),
    (MessageAuthor.AGENT, "Yes, the RX7900 too: https://shop.example/p/rx7900"),
    (MessageAuthor.BOT, "It ships tomorrow."),
]


async def _brief(
    world: World, *, coupon: dict[str, int] | None = None, **message: Any
) -> tuple[WritingBrief, TextRules]:
    """The brief of the second of three follow-ups, an hour after our bot's word."""
    definition = FollowUp.model_validate(
        {
            "name": "quiet", "kind": "follow_up", "repeat": {"every": "1h", "times": 3}, "coupon": coupon,
            "message": {"ai": {}, **message},
        }
    )  # fmt: skip
    customer = await world.customer(first_name="Ada", language="pt-BR")
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, definition, now=NOON)
        conversation = Conversation(
            store_id=world.store_id, number_id=world.number_id, customer_id=customer,
            context={"product": "RTX 4090"}, silent_since=NOON,
        )  # fmt: skip
        session.add(conversation)
        await session.flush()
        ids = {"journey_id": journey.id, "version_id": version.id, "conversation_id": conversation.id}
        for number, (author, text) in enumerate(SAID):
            session.add(
                ChatMessage(
                    conversation_id=required_id(conversation.id), inbound=author is MessageAuthor.CUSTOMER,
                    author=author, kind="text", text=text, at=NOON - timedelta(hours=2 - number),
                )
            )  # fmt: skip
    enrollment = await world.enroll(customer, **ids)
    async with world.database.read() as session:
        facts = await enrollment_facts(session, enrollment)
        return await writing_brief(session, facts, await subject_of(session, facts.enrollment), 1, now=later(hours=1))


async def test_the_model_is_told_who_said_what_and_when(database: Database) -> None:
    """Customer, agent and bot apart, with the deal, the silence and where in the journey this message stands."""
    brief, rules = await _brief(await make_world(database))
    assert [(turn.sender, turn.age) for turn in brief.conversation] == [
        ("customer", timedelta(hours=3)), ("agent", timedelta(hours=2)), ("bot", timedelta(hours=1)),
    ]  # fmt: skip
    assert (brief.number, brief.of, brief.silence) == (2, 3, timedelta(hours=1))
    assert (brief.first_name, brief.language, brief.customer_language) == ("Ada", None, "pt-BR")
    assert brief.deal == {"product": "RTX 4090"}
    assert not rules.as_variable


@pytest.mark.parametrize("shows", [True, False])
async def test_a_template_fixes_the_language_and_maybe_the_form(database: Database, *, shows: bool) -> None:
    """Only a text that stands in a template's variable must do without line breaks."""
    variables = {"1": "{ai.text}" if shows else "friend"}
    brief, rules = await _brief(
        await make_world(database), template={"name": "follow_up_note", "language": "es", "variables": variables}
    )
    assert brief.language == "es"
    assert rules.as_variable is shows
    kinds = {problem.kind for problem in rules.problems("Hola\nAda", brief)}
    assert (TextProblemKind.LINE_BREAK in kinds) is shows


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The RX7900 is at https://shop.example/p/rx7900", None),
        ("The RTX4090 is there", TextProblemKind.UNKNOWN_CODE),
        ("Use FREE100", TextProblemKind.UNKNOWN_CODE),
        ("See https://fake.example/win", TextProblemKind.UNKNOWN_LINK),
        ("It ships tomorrow!", TextProblemKind.REPEATED),
        ("Use TAKE20 today", None),
        ("Mais perguntas? Nós estamos aqui para você.", None),
    ],
)
async def test_only_what_the_shop_said_itself_may_be_said_again(
    database: Database, text: str, kind: TextProblemKind | None
) -> None:
    """Codes and links of the agent's and the marketer's pass, a customer's do not, and nothing is said twice."""
    ai = {"mode": "goal", "goal": "Offer 20% with TAKE20"}
    brief, rules = await _brief(await make_world(database), ai=ai)
    assert [problem.kind for problem in rules.problems(text, brief)] == ([kind] if kind is not None else [])


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("Your graphics card is still here.", False),
        ("Take it today with 15% off.", True),
        ("We will send a free cable with it.", True),
        ("Take it today with 5% off.", False),
        ("It ships free of charge.", True),
    ],
)
async def test_a_text_gives_away_nothing_that_the_shop_did_not_offer(
    database: Database, text: str, *, invented: bool
) -> None:
    """What the goal offers may be said; what a model adds costs it another try."""
    world = await make_world(database)
    brief, rules = await _brief(world, ai={"mode": "goal", "goal": "Offer 5% off if they buy today."})
    assert bool(rules.inventions(text, brief)) is invented


async def test_a_coupon_is_an_offer_where_its_code_may_be_named(database: Database) -> None:
    """With the code its own percentage may be said, and no other; without it none."""
    brief, rules = await _brief(await make_world(database), coupon={"percent": 10})
    with_code = replace(brief, coupon_code="BACKX1Y2Z3")
    assert not rules.inventions("10% off with BACKX1Y2Z3", with_code)
    assert rules.inventions("20% off with BACKX1Y2Z3", with_code)
    assert rules.inventions("10% off for you", brief)
