"""Launching, asking about and stopping follow-ups and cart journeys, on a real Temporal server."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import Client, WorkflowExecutionStatus

from composition import system_clock
from models.enums import ConsentState, JourneyState
from models.tables import Customer, Enrollment, Journey, JourneyVersion, Number
from storage.stores import required_id
from storage.watches import watch_workflow_id
from tests.cli.conftest import Scene, edit
from tests.silences import leave_cart, speak

pytestmark = pytest.mark.usefixtures("worker")

HOUR = timedelta(hours=1)


@pytest.fixture
def follow_up_file(tmp_path: Path) -> Path:
    """A follow-up of one message after two hours."""
    path = tmp_path / "follow_up.yaml"
    path.write_text(
        "name: silent\nkind: follow_up\nconversations: {column: quoted}\nrepeat: {every: 2h, times: 1}\n"
        "message: {template: winback_hello, language: en, variables: {'1': friend}}\n"
        "sending: {hours: '00:00-24:00', time_zone: store}\n"
    )
    return path


async def _silent(scene: Scene, number: int, *, ago: timedelta, column: str = "quoted", **changes: Any) -> int:
    """A customer to whom our side wrote so long ago; their id."""
    values = {"consent": ConsentState.NEVER_SUBSCRIBED, "external_id": str(number)} | changes
    async with scene.database.write() as session:
        customer = Customer(store_id=1, phone=f"+447700900{number:03}", **values)
        session.add(customer)
        await session.flush()
        customer_id = required_id(customer.id)
        number_id = required_id((await session.exec(select(Number))).one().id)
    now = system_clock()
    await speak(scene.database, customer_id, number_id=number_id, at=now - ago, now=now, board_column=column)
    return customer_id


async def test_a_launch_says_whom_it_writes_to_and_watches_on(world: Scene, follow_up_file: Path) -> None:
    """Those who have been silent for long enough are in at once, by reason or counted; the others are waited for."""
    for number in range(1, 4):
        await _silent(world, number, ago=number * 3 * HOUR)
    await _silent(world, 4, ago=30 * HOUR, consent=ConsentState.UNSUBSCRIBED)
    await _silent(world, 5, ago=HOUR)
    await _silent(world, 6, ago=30 * HOUR, column="lost")
    answer = await world.run("launch", str(follow_up_file), "--yes", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    audience = told["audience"]
    assert (audience["considered"], audience["entered"], audience["skipped"]["unsubscribed"]) == (4, 3, 1)
    assert (told["launch_id"], told["watch"]) == (None, {"since": None, "not_yet_due": 1})
    assert list(told["entrants_by_day"].values()) == [3]
    assert len(await world.rows(Enrollment)) == 3
    again = json.loads((await world.run("launch", str(follow_up_file), "--yes", "--json")).out)
    assert (again["version"], again["audience"]["considered"], again["audience"]["entered"]) == (1, 1, 0)
    listed = json.loads((await world.run("journeys", "--json")).out)["journeys"]
    assert [(one["name"], one["kind"], one["state"]) for one in listed] == [("silent", "follow_up", "active")]


async def test_a_full_column_is_written_to_over_days(world: Scene, follow_up_file: Path) -> None:
    """The preview, the account and the list of journeys all tell of the days, and nobody enters beyond the first."""
    edit(follow_up_file, ("{hours", "{max_per_day: 2, hours"))
    for number in range(1, 6):
        await _silent(world, number, ago=number * 24 * HOUR)
    told = json.loads((await world.run("launch", str(follow_up_file), "--yes", "--json")).out)
    assert list(told["entrants_by_day"].values()) == [2, 2, 1]
    assert (told["audience"]["entered"], told["audience"]["paced"]) == (2, 3)
    (line,) = json.loads((await world.run("journeys", "--json")).out)["journeys"]
    assert line["paced"] == 3
    (first, second) = await world.rows(Enrollment)
    assert {first.customer_id, second.customer_id} == {4, 5}


async def test_only_new_writes_to_nobody_at_the_launch(world: Scene, follow_up_file: Path) -> None:
    """What was silent before is told by `why-not` to be too old."""
    await _silent(world, 1, ago=5 * HOUR)
    told = json.loads((await world.run("launch", str(follow_up_file), "--yes", "--json", "--only-new")).out)
    assert told["audience"]["considered"] == 0
    assert told["watch"]["since"] is not None
    verdict = json.loads((await world.run("why-not", "silent", "07700 900001", "--json")).out)["verdict"]
    assert (verdict["may_enter"], verdict["reason"]) == (False, "filter:only_new")


async def test_a_declined_launch_changes_nothing(
    world: Scene, follow_up_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a journey nor a version is stored before the answer, which tells of the numbers."""
    await _silent(world, 1, ago=5 * HOUR)
    questions = []
    monkeypatch.setattr("cli.launch.require_terminal", lambda **_: None)
    monkeypatch.setattr("cli.run.Run.confirm", lambda _, question: questions.append(question))
    answer = await world.run("launch", str(follow_up_file))
    assert (answer.code, await world.rows(Journey), await world.rows(JourneyVersion)) == (1, [], [])
    assert questions[0].startswith("It writes to 1 customers on ")


async def test_a_launch_of_a_changed_file_says_what_it_changes(world: Scene, follow_up_file: Path) -> None:
    """As `publish` does: whoever agrees to it sees what those will get who enter from now on."""
    first = await world.run("launch", str(follow_up_file), "--yes")
    edit(follow_up_file, ("every: 2h", "every: 3h"))
    second = await world.run("launch", str(follow_up_file), "--yes")
    third = await world.run("launch", str(follow_up_file), "--yes")
    assert [one.code for one in (first, second, third)] == [0, 0, 0]
    text = "Version 2, for those who enter from now on, differs in:"
    assert [text in one.out for one in (first, second, third)] == [False, True, False]
    assert "stages[1].after" in second.out


async def test_a_column_has_one_follow_up(world: Scene, follow_up_file: Path) -> None:
    """A second one for the same column is refused by the name of the first, until that one is stopped."""
    assert (await world.run("launch", str(follow_up_file), "--yes")).code == 0
    edit(follow_up_file, ("name: silent", "name: other"))
    refused = await world.run("launch", str(follow_up_file), "--yes")
    assert refused.code == 1
    assert "silent" in refused.err
    assert (await world.run("stop", "silent", "--yes")).code == 0
    assert (await world.run("launch", str(follow_up_file), "--yes")).code == 0


async def test_a_stopped_follow_ups_watch_ends(world: Scene, temporal: Client, follow_up_file: Path) -> None:
    """Stop ends the journeys and the watch, and lets nobody in any more."""
    await _silent(world, 1, ago=5 * HOUR)
    assert (await world.run("launch", str(follow_up_file), "--yes")).code == 0
    stopped = json.loads((await world.run("stop", "silent", "--yes", "--json")).out)
    assert stopped["told"] == 1
    handle = temporal.get_workflow_handle(watch_workflow_id(1, 1))
    for _ in range(100):
        if (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED:
            break
        await asyncio.sleep(0.05)
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    (journey,) = await world.rows(Journey)
    assert journey.state is JourneyState.STOPPED


async def test_why_not_tells_every_rule_of_a_silence(world: Scene, follow_up_file: Path) -> None:
    """Column, openness and silence stand beside consent and the other rules, each with its value."""
    await _silent(world, 1, ago=HOUR, column="lost")
    assert (await world.run("launch", str(follow_up_file), "--yes")).code == 0
    answer = await world.run("why-not", "silent", "07700 900001", "--json")
    verdict = json.loads(answer.out)["verdict"]
    rules = {rule["rule"]: rule for rule in verdict["rules"]}
    assert verdict["reason"] == "filter:column"
    assert (rules["filter:column"]["seen"], rules["filter:column"]["threshold"]) == ("in column lost", "column quoted")
    assert rules["filter:closed"]["passed"]
    assert rules["filter:silence"]["seen"] == "we wrote last, 1 h 0 min ago"
    assert not rules["filter:silence"]["passed"]
    assert rules["no_consent"]["threshold"] == "not unsubscribed"


async def test_a_cart_journey_is_launched_the_same_way(world: Scene, tmp_path: Path) -> None:
    """Carts that are open for long enough enter at the launch, and `why-not` tells of the cart."""
    path = tmp_path / "cart.yaml"
    path.write_text(
        "name: cart\nkind: abandoned_cart\ncart: {after: 1h, minimum: 20}\nstages:\n"
        "  - after: 0m\n    message: {template: winback_hello, language: en, variables: {'1': friend}}\n"
        "sending: {hours: '00:00-24:00', time_zone: store}\n"
    )
    rich = await _silent(world, 1, ago=HOUR, consent=ConsentState.SUBSCRIBED)
    poor = await _silent(world, 2, ago=HOUR, consent=ConsentState.SUBSCRIBED)
    at = system_clock() - 2 * HOUR
    await leave_cart(world.database, rich, store_id=1, at=at)
    await leave_cart(world.database, poor, store_id=1, at=at, token="cart-2", total_minor=1999)
    told = json.loads((await world.run("launch", str(path), "--yes", "--json")).out)
    assert (told["audience"]["entered"], told["audience"]["skipped"]["filter:cart_total"]) == (1, 1)
    verdict = json.loads((await world.run("why-not", "cart", "07700 900002", "--json")).out)["verdict"]
    assert (verdict["reason"], verdict["rules"][-3]["rule"]) == ("filter:cart_total", "smart_sending")


async def test_a_name_belongs_to_one_kind(world: Scene, follow_up_file: Path, journey_file: Path) -> None:
    """A file of another kind cannot take a journey's name over; --limit is no word of a follow-up."""
    assert (await world.run("launch", str(follow_up_file), "--yes")).code == 0
    edit(journey_file, ("name: quiet", "name: silent"))
    refused = await world.run("launch", str(journey_file), "--yes")
    assert refused.code == 1
    assert "follow_up" in refused.err
    assert (await world.run("launch", str(follow_up_file), "--yes", "--limit", "3")).code == 2
