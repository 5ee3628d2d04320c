"""What a person sees when something is wrong: plain lines, an honest exit code, and nothing half-done."""

import asyncio
import io
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from models.enums import (
    AttemptStatus,
    EnrollmentState,
    ExitReason,
    HoldReason,
    LeftOut,
    ReviewOutcome,
    SendState,
    SkipReason,
)
from reports.wording import (
    ATTEMPTS,
    EXITS,
    HOLDS,
    OUTCOMES,
    REVIEWS,
    SENDS,
    SKIPS,
    STATES,
)
from storage.stores import all_stores
from tests.cli.conftest import ROOT, Scene

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"


async def test_a_wrong_journey_file_lists_every_problem(scene: Scene, tmp_path: Path) -> None:
    """Line, column and field of each, on stderr; stdout stays empty and the exit code is 1."""
    file = tmp_path / "bad.yaml"
    file.write_text("name: X\nkind: win_back\naudience: {inactive_days: -1, colour: red}\nstages: []\n")
    answer = await scene.spawn("validate", str(file))
    assert (answer.code, answer.out) == (1, "")
    for place in (":1:7: name:", ":3:27: audience.inactive_days:", ":3:31: audience.colour:", ":4:1: stages:"):
        assert f"{file}{place}" in answer.err
    assert "Traceback" not in answer.err


async def test_a_yaml_bomb_is_refused_at_once(scene: Scene, tmp_path: Path) -> None:
    """Aliases are problems of the file, not something to expand."""
    file = tmp_path / "bomb.yaml"
    file.write_text(BOMB)
    answer = await asyncio.wait_for(scene.run("validate", str(file)), 5)
    assert answer.code == 1
    assert "repeats a value from elsewhere" in answer.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["validate", "no-such-file.yaml"], 2),
        (["validate", "."], 1),
        (["status"], 2),
        (["status", "--bogus"], 2),
        (["no-such-command"], 2),
        (["store"], 2),
        (["status", "nobody"], 2),
        (["status", "12"], 2),
        (["status", "+447700900001"], 3),
        (["status", "--workflow-id", "enr-x"], 3),
        (["why-not", "nothing", "+447700900001"], 3),
        (["stop", "nothing", "--yes"], 3),
        (["journeys", "--store", "other"], 3),
        (["store", "add", "x"], 2),
        (["launch", "examples/win_back.yaml"], 2),
        (["launch", "no-such-file.yaml", "--yes"], 2),
        (["launch", "examples/win_back.yaml", "--limit", "0"], 2),
        (["customers", "import", "no-such-file.csv"], 2),
    ],
)
async def test_exit_codes(scene: Scene, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int) -> None:
    """Refused is 1, wrong usage 2, nothing found 3; each with a line on stderr and none on stdout."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    await scene.add_store()
    answer = await scene.run(*words)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.strip()
    assert "Traceback" not in answer.err


async def test_a_number_that_is_not_found_is_masked(scene: Scene) -> None:
    """The error does not repeat the number that was typed."""
    await scene.add_store()
    answer = await scene.run("status", "07700 900123")
    assert "700900123" not in answer.err.replace(" ", "")
    assert "+44" in answer.err


async def test_temporal_that_is_away_is_told_with_its_place(scene: Scene, journey_file: Path) -> None:
    """Where it was looked for and how to start it; nothing is stored."""
    await scene.add_store()
    answer = await scene.run("launch", str(journey_file), "--yes", "--json")
    assert answer.code == 1
    assert "Temporal cannot be reached at 127.0.0.1:9" in answer.err
    assert "starter.py up" in answer.err
    assert json.loads(answer.out)["problems"] == answer.err.strip().splitlines()


async def test_a_database_that_is_away_is_told_without_its_password(scene: Scene) -> None:
    """The address is there, the password is not."""
    scene.environment["REKINDLE_DATABASE_URL"] = "postgresql+asyncpg://me:hunter2@127.0.0.1:9/x"
    answer = await scene.spawn("journeys", "--debug")
    assert answer.code == 1
    assert "127.0.0.1:9" in answer.err
    assert "hunter2" not in answer.err
    assert "Traceback" in answer.err


async def test_settings_that_cannot_be_used_are_all_listed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each, with its variable."""
    monkeypatch.setenv("REKINDLE_SECRET_KEYS", "x")
    monkeypatch.setenv("REKINDLE_GATEWAY_PORT", "99999")
    answer = await scene.run("journeys")
    assert answer.code == 1
    assert "REKINDLE_SECRET_KEYS" in answer.err
    assert "REKINDLE_GATEWAY_PORT" in answer.err


async def test_a_store_that_is_wrong_is_not_added(scene: Scene, tmp_path: Path) -> None:
    """Every wrong value is listed, no secret among them, and nothing is stored."""
    file = tmp_path / "store.json"
    facts = {
        "name": "Bad Name",
        "time_zone": "Mars/Olympus",
        "currency": "EURO",
        "languages": ["english"],
        "region": "XX",
        "phone_number_id": "12",
        "waba_id": "800000000000001",
        "shop_domain": "shop.example.com",
        "whatsapp_token": "tópsecret",
        "whatsapp_app_secret": "b",
        "whatsapp_verify_token": "c",
        "shop_token": "d",
        "shop_webhook_secret": " ",
    }
    file.write_text(json.dumps(facts))
    answer = await scene.run("store", "add", "--from", str(file))
    assert answer.code == 1
    for word in ("Bad Name", "Mars/Olympus", "EURO", "english", "XX", "phone_number_id", "myshopify", "shop_webhook"):
        assert word in answer.err
    assert "tópsecret" not in answer.err
    async with scene.database.read() as session:
        assert await all_stores(session) == []


async def test_two_first_commands_at_once_make_one_database(scene: Scene, tmp_path: Path) -> None:
    """Both find a database with the whole schema, and one key."""
    scene.environment["REKINDLE_DATABASE_URL"] = f"sqlite+aiosqlite:///{tmp_path}/new/fresh.db"
    answers = await asyncio.gather(*(scene.spawn("store", "list", "--json") for _ in range(2)))
    assert [answer.code for answer in answers] == [0, 0], [answer.err for answer in answers]
    assert all(json.loads(answer.out) == {"stores": []} for answer in answers)


async def test_ctrl_c_at_the_question_is_told_as_interrupted(scene: Scene) -> None:
    """On a real terminal: exit code 130, and nothing was changed."""
    world_id = await scene.add_store()
    assert world_id
    from tests.worlds import World  # noqa: PLC0415 - its constants are not this module's

    world = World(scene.database, scene.cipher, store_id=world_id)
    await world.enroll(await world.customer())
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "starter.py"),
        "stop",
        "lapsed-60-days",
        env={**os.environ, **scene.environment},
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=os.setsid,
    )
    os.close(theirs)
    assert process.stderr is not None
    asked = b""
    while b"[y/N]" not in asked:
        asked += await asyncio.wait_for(process.stderr.read(100), 20)
    process.send_signal(2)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    os.close(ours)
    assert (process.returncode, out) == (130, b"")
    assert b"interrupted; nothing was changed" in err
    assert await world.intents() == []


@pytest.mark.parametrize(
    ("said", "vocabulary"),
    [
        (HOLDS, HoldReason),
        (SKIPS, SkipReason),
        (STATES, EnrollmentState),
        (SENDS, SendState),
        (ATTEMPTS, AttemptStatus),
        (EXITS, {*ExitReason, "purchased_elsewhere"}),
        (OUTCOMES, {*LeftOut, "entered", "control"}),
        (REVIEWS, ReviewOutcome),
    ],
)
def test_every_word_has_its_sentence(said: dict[str, str], vocabulary: set[str]) -> None:
    """Nobody is told a bare code."""
    assert set(said) == set(vocabulary)


@pytest.mark.parametrize("word", ["--help", "-h"])
async def test_help_lists_every_command_without_loading_it(scene: Scene, word: str) -> None:
    """All commands are named."""
    answer = await scene.run(word)
    assert answer.code == 0
    for command in ("up", "demo", "simulate", "launch", "status", "why-not", "customers", "doctor"):
        assert f"\n  {command} " in answer.out
