"""What staff decide about templates and countries: unblock, substitute, allow."""

import json
from typing import Any

import pytest
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, HoldReason, TemplateStatus
from models.tables import Enrollment, Number, SignalIntent, Template, TemplateSubstitution
from storage.enrollments import enrollment_facts
from storage.senders import block_country, pause_sender
from storage.template_states import block_message
from tests.around.names import SALT
from tests.cli.conftest import WABA, Scene
from tests.cli.recorded import NOW, START, check
from tests.worlds import World


@pytest.fixture
async def scene_with_templates(scene: Scene) -> Scene:
    """A store with a dead template, one that could stand for it, one that takes other variables, and a block."""
    scene.clock = NOW
    world = World(scene.database, scene.cipher, now=START)
    await world.add_store(salt=SALT, waba_id=WABA)
    enrollment = await world.enroll(await world.customer("+447700900001", external_id="1"))
    async with scene.database.write() as session:
        for name, status, variables in (
            ("winback_dead", TemplateStatus.DISABLED, ["1"]),
            ("winback_hello", TemplateStatus.APPROVED, ["1"]),
            ("winback_pending", TemplateStatus.PENDING, ["1"]),
            ("winback_two", TemplateStatus.APPROVED, ["1", "2"]),
        ):
            session.add(
                Template(
                    waba_id=WABA,
                    name=name,
                    language="en",
                    status=status,
                    category="MARKETING",
                    variables=variables,
                    body="Hi {{1}}!",
                    synced_at=START,
                )
            )
        await session.flush()
        facts = await enrollment_facts(session, enrollment)
        message = facts.definition.stages[0].message
        await block_message(session, WABA, "winback_hello", "en", message, 132000, journey=facts.journey.name, at=START)
    return scene


async def test_a_blocked_message_is_named_and_let_go(scene_with_templates: Scene) -> None:
    """The list and `doctor` say what Meta refuses and what to do; `unblock` releases whoever waits, once."""
    scene = scene_with_templates
    shown = await scene.run("templates")
    assert "132000" in shown.out
    assert "templates unblock winback_hello" in shown.out
    assert "templates substitute OLD NEW" in shown.out
    assert "132000" in (await scene.run("doctor")).out
    check("templates-unblock", await scene.run("templates", "unblock", "winback_hello", "--json"))
    async with scene.database.read() as session:
        (intent,) = [one for one in (await _all(session, SignalIntent)) if one.broadcast_key is not None]
    assert intent.broadcast_key.startswith(f"template:{WABA}:winback_hello:en#")
    assert "nothing of winback_hello is blocked" in (await scene.run("templates", "unblock", "winback_hello")).out
    assert (await scene.run("templates", "unblock", "nothing")).code == 3


async def _all(session: AsyncSession, table: type[SQLModel]) -> list[Any]:
    return list((await session.exec(select(table))).all())


async def test_a_template_stands_for_a_dead_one_until_that_ends(scene_with_templates: Scene) -> None:
    """The decision is recorded and listed; ending it keeps the row."""
    scene = scene_with_templates
    answer = await scene.run("templates", "substitute", "winback_dead", "winback_hello", "--json")
    check("templates-substitute", answer)
    listed = json.loads((await scene.run("templates", "--json")).out)
    assert [(one["old"], one["new"], one["journey"]) for one in listed["substitutions"]] == [
        ("winback_dead", "winback_hello", None)
    ]
    named = ["winback_dead", "winback_hello", "--journey", "lapsed-60-days"]
    assert "in lapsed-60-days" in (await scene.run("templates", "substitute", *named)).out
    assert (await scene.run("templates", "substitute", "winback_dead", "--end")).code == 0
    assert json.loads((await scene.run("templates", "--json")).out)["substitutions"] == []
    assert (await scene.run("templates", "substitute", "winback_dead", "--end")).code == 3
    async with scene.database.read() as session:
        rows = await _all(session, TemplateSubstitution)
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["winback_hello", "winback_two"], 1, "only a template that is gone"),
        (["winback_dead", "winback_pending"], 1, "not approved"),
        (["winback_dead", "winback_two"], 1, "takes the variables 1, 2"),
        (["winback_dead", "nothing"], 1, "has no template nothing"),
        (["nothing", "winback_hello"], 3, "has never had"),
        (["winback_dead"], 2, "name OLD and NEW"),
        (["winback_dead", "winback_hello", "--end"], 2, "name OLD and NEW"),
        (["winback_dead", "winback_hello", "--journey", "nothing"], 3, "nothing"),
    ],
)
async def test_a_substitution_that_would_say_another_thing_is_refused(
    scene_with_templates: Scene, words: list[str], code: int, said: str
) -> None:
    """The old one must be gone, and the new one approved with the same variables; all reasons are listed."""
    answer = await scene_with_templates.run("templates", "substitute", *words)
    assert answer.code == code, answer.err
    assert said in answer.err
    async with scene_with_templates.database.read() as session:
        assert await _all(session, TemplateSubstitution) == []


async def test_a_country_is_left_out_until_staff_allow_it(scene_with_templates: Scene) -> None:
    """`doctor` names it, and how to lift it."""
    scene = scene_with_templates
    async with scene.database.write() as session:
        await block_country(session, WABA, "IN", 130497, number_id=1, now=START)
    shown = (await scene.run("doctor")).out
    assert "nobody in IN is written to" in shown
    assert "store allow-country" in shown
    check("store-allow-country", await scene.run("store", "allow-country", "in", "--json"))
    assert "was not left out" in (await scene.run("store", "allow-country", "IN")).out


async def test_status_says_why_the_number_does_not_send(scene_with_templates: Scene) -> None:
    """In the words of the code that paused it, with what to do."""
    scene = scene_with_templates
    async with scene.database.write() as session:
        await pause_sender(session, 1, 131048, now=NOW)
        row = await session.get(Enrollment, "enr-1")
        number = await session.get(Number, 1)
        assert row is not None
        assert number is not None
        row.state, row.hold_reason = EnrollmentState.HOLDING, HoldReason.SENDER_PAUSED
        row.hold_key, row.due_at = f"number:{number.phone_number_id}", number.paused_until
    shown = (await scene.run("status", "+447700900001")).out
    assert "131048" in shown
    assert "reported the number as spam" in shown
