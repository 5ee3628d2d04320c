"""Scripts can rely on what `--json` prints: its schema in `docs/`, and each document to the byte."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from cli.documents import DOCUMENTS
from cli.schemas import FOLDER, schemas
from cli.validate import read_definition
from composition import system_clock
from models.enums import (
    ConsentState,
    ExitReason,
    JourneyState,
)
from models.tables import Customer
from storage.publishing import publish
from tests.cli.conftest import Scene, edit
from tests.cli.recorded import GOLDEN, NOW, START, check, seeded, templates
from tests.silences import cart_journey, follow_up, leave_cart, speak
from tests.worlds import DEFINITION

__all__ = ["seeded"]


def test_the_schemas_in_docs_are_current() -> None:
    """`python -m cli.schemas` would change nothing."""
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert written == schemas()


def test_every_document_has_a_golden() -> None:
    """No document is left without a recorded example."""
    recorded = {path.stem for path in GOLDEN.glob("*.json")}
    assert {name for name in DOCUMENTS if not any(one.startswith(name) for one in recorded)} == set()


async def test_status_of_a_customer_whose_message_is_held(seeded: Scene) -> None:
    """Attempts with the error explained, the text as shown, and what it waits for."""
    found = check("status-held", await seeded.run("status", "07700 900001", "--json"), document="status")
    assert found["enrollments"][0]["hold"]["reason"] == "template_held"
    assert [one["status"] for one in found["enrollments"][0]["messages"][0]["attempts"]] == ["failed", "delivered"]


async def test_status_of_a_customer_who_bought_elsewhere(seeded: Scene) -> None:
    """An order that attribution gives to nobody is not the journey's success."""
    answer = await seeded.run("status", "--workflow-id", "enr-bought", "--json")
    found = check("status-bought", answer, document="status")
    assert found["enrollments"][0]["exit"]["reason"] == "purchased_elsewhere"


async def test_status_of_a_customer_held_out(seeded: Scene) -> None:
    """The control group's customer is told as such, with the end of it."""
    check("status-control", await seeded.run("status", "+44 7700 900003", "--json"), document="status")


async def test_status_of_a_customer_who_never_entered(seeded: Scene) -> None:
    """The decision on record and every rule of every active journey, now."""
    found = check("status-outside", await seeded.run("status", "447700900004", "--json"), document="status")
    assert found["why_not"][0]["reason"] == "no_consent"


async def test_status_for_a_person_cannot_steer_the_terminal(seeded: Scene) -> None:
    """A customer's name with an escape sequence in it is shown without."""
    answer = await seeded.run("status", "07700 900004")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert "Di\ufffd[31m" in answer.out
    assert "never entered" in answer.out
    assert "447700900004" not in answer.out


async def test_status_for_a_person_tells_the_story(seeded: Scene) -> None:
    """Stage, hold and the explained error stand in the text."""
    answer = await seeded.run("status", "07700 900001")
    assert "template_held: the template cannot be sent at present" in answer.out
    assert "code 131016" in answer.out
    assert "Hi you, it has been a while!" in answer.out


async def test_why_not_without_the_shop(seeded: Scene) -> None:
    """The rules are evaluated on what is known, and stderr says that the shop was not asked."""
    answer = await seeded.run("why-not", "lapsed-60-days", "07700900004", "--json")
    found = check("why-not", answer)
    assert found["refreshed"] is False
    assert "the shop was not asked" in answer.err


async def test_why_not_of_a_follow_up_and_a_cart_journey(seeded: Scene) -> None:
    """Silence and cart stand among the rules, each with its value and what is asked."""
    for definition in (follow_up(column="quoted", times=3), cart_journey(cart={"minimum": "30"})):
        async with seeded.database.write() as session:
            await publish(session, 1, definition, now=START)
    await speak(seeded.database, 4, number_id=1, at=START, board_column="new")
    await leave_cart(seeded.database, 4, store_id=1, at=NOW - timedelta(minutes=20))
    for kind, name in (("follow-up", "silent"), ("cart", "cart")):
        answer = await seeded.run("why-not", name, "07700900004", "--json")
        found = check(f"why-not-{kind}", answer, document="why-not")
        assert found["verdict"]["reason"] == {"silent": "filter:column", "cart": "no_consent"}[name]


async def test_journeys(seeded: Scene) -> None:
    """Every state and every exit has its count, purchases split."""
    found = check("journeys", await seeded.run("journeys", "--json"))
    (line,) = found["journeys"]
    assert (line["exits"]["purchased"], line["exits"]["purchased_elsewhere"]) == (0, 1)
    assert set(line["exits"]) == {*ExitReason, "purchased_elsewhere"}
    assert "lapsed-60-days" in (await seeded.run("journeys")).out


async def test_templates(seeded: Scene) -> None:
    """The mirror as it is."""
    check("templates", await seeded.run("templates", "--json"))
    assert "APPROVED" in (await seeded.run("templates")).out


async def test_store_list(seeded: Scene) -> None:
    """No secret is among it."""
    answer = await seeded.run("store", "list", "--json")
    check("store-list", answer)
    assert "token" not in answer.out


async def test_validate(scene: Scene) -> None:
    """A good file's summary, and a bad file's problems."""
    check("validate", await scene.run("validate", "examples/win_back.yaml", "--json"))
    for kind in ("follow_up", "abandoned_cart"):
        answer = await scene.run("validate", f"examples/{kind}.yaml", "--json")
        check(f"validate-{kind.replace('_', '-')}", answer, document="validate")
    bad = Path(scene.environment["REKINDLE_DATABASE_URL"].partition("///")[2]).with_name("bad.yaml")
    bad.write_text("name: x\nname: y\nkind: win_back\naudience: {inactive_days: &a 0}\n")
    answer = await scene.run("validate", str(bad), "--json")
    check("validate-bad", answer, code=1, document="validate")
    assert f"{bad}:2:1: name: this key stands twice" in answer.err


async def test_a_failure_is_a_document_too(seeded: Scene) -> None:
    """What stands on stderr stands in it."""
    answer = await seeded.run("status", "+447700900099", "--json")
    found = check("failure", answer, code=3)
    assert answer.err.splitlines() == found["problems"]


async def test_stop_of_a_journey_whose_workflows_are_gone(seeded: Scene, temporal: Client) -> None:
    """One is told, and once only; control is left alone."""
    assert temporal is not None
    found = check("stop", await seeded.run("stop", DEFINITION.name, "--yes", "--json"))
    assert found["told"] == 1
    again = json.loads((await seeded.run("stop", DEFINITION.name, "--yes", "--json")).out)
    assert again["told"] == 0


async def test_doctor_without_anything_running(seeded: Scene) -> None:
    """Every fault has its line and its advice, and none stops the others."""
    found = check("doctor", await seeded.run("doctor", "--json"), code=1)
    faults = " ".join(one["subject"] for one in found["findings"] if one["state"] == "fault")
    assert all(word in faults for word in ("whatsapp", "shopify", "gateway", "temporal"))


@pytest.mark.usefixtures("worker")
async def test_launch_and_history(world: Scene, journey_file: Path, tmp_path: Path) -> None:
    """A launch's account, with its days by their place."""
    world.customer(1)
    world.customer(2, consent=ConsentState.NEVER_SUBSCRIBED)
    answer = await world.run("launch", str(journey_file), "--yes", "--json")
    days = sorted(set(re.findall(r"\d{4}-\d\d-\d\d", answer.out)))
    for position, day in enumerate(days):
        answer.out = answer.out.replace(day, f"2030-01-0{position + 1}")
    check("launch", answer)
    saved = await world.run("history", "aud-1-1", "--out", str(tmp_path / "history.json"), "--json")
    saved.out = re.sub(r'"events": \d+', '"events": 1', saved.out)
    check("history", saved)


@pytest.mark.usefixtures("worker")
async def test_launch_of_a_follow_up(world: Scene, tmp_path: Path) -> None:
    """Its account is a win-back's, with what it watches instead of a launch."""
    path = tmp_path / "follow_up.yaml"
    path.write_text(
        "name: silent\nkind: follow_up\nrepeat: {every: 2h, times: 1}\n"
        "message: {template: winback_hello, language: en, variables: {'1': friend}}\n"
        "sending: {hours: '00:00-24:00', time_zone: store}\n"
    )
    now = system_clock()
    async with world.database.write() as session:
        for number in (1, 2, 3):
            session.add(Customer(store_id=1, external_id=str(number), phone=f"+447700900{number:03}"))
    for number in (1, 2, 3):
        ago = timedelta(hours=3) if number < 3 else timedelta(minutes=5)
        await speak(world.database, number, number_id=1, at=now - ago, now=now)
    answer = await world.run("launch", str(path), "--yes", "--json")
    day = min(re.findall(r"\d{4}-\d\d-\d\d", answer.out))
    answer.out = answer.out.replace(day, "2030-01-01")
    check("launch-follow-up", answer, document="launch")


async def test_publish_golden(world: Scene, journey_file: Path) -> None:
    """A new version of a journey that nobody is in, field by field."""
    world.clock = NOW
    await templates(world)
    async with world.database.write() as session:
        journey, _ = await publish(session, 1, read_definition(journey_file), now=START)
        journey.state = JourneyState.ACTIVE
    edit(journey_file, ("after: 3d", "after: 2d"))
    check("publish", await world.run("publish", str(journey_file), "--yes", "--json"))


async def test_tracking_goldens(world: Scene, worker: None) -> None:
    """A daily review is read, launched and run at once; its runs are told by the store's clock."""
    del worker
    world.clock = NOW
    await templates(world)
    file = Path(__file__).parents[2] / "examples" / "smart_tracking.yaml"
    found = check("validate-tracking", await world.run("validate", str(file), "--json"), document="validate")
    told = check("launch-tracking", await world.run("launch", str(file), "--yes", "--json"), document="launch")
    assert found["next_runs"] == told["tracking"]["next_runs"]
    answer = await world.run("run-now", "daily-review", "--json")
    # Activities know the time from Temporal alone.
    answer.out = re.sub(r'("(?:started_at|finished_at|since)": )"[^"]*"', rf'\1"{NOW:%Y-%m-%dT%H:%M:%SZ}"', answer.out)
    begun = check("run-now", answer)
    assert begun["run"]["state"] == "done"
