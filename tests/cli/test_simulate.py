"""`simulate` as its users run it: a subprocess, one document, honest exit codes."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.conftest import Scene

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "simulate.json"
JOURNEY, OTHER = "examples/win_back_minimal.yaml", "examples/win_back.yaml"
FOLLOW_UP, CART, CHATS = "examples/follow_up.yaml", "examples/abandoned_cart.yaml", "examples/conversations.jsonl"
OF_CHATS = GOLDEN.parent / "simulate-conversations.json"


def starter(*arguments: str, timeout: float = 110) -> subprocess.CompletedProcess[str]:
    """Run the command line from the project's root."""
    return subprocess.run(
        [sys.executable, "starter.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def without_wall_time(document: str) -> dict[str, Any]:
    """The document without the one figure that differs from run to run."""
    read: dict[str, Any] = json.loads(document)
    read.pop("wall_seconds")
    return read


def test_the_document_is_the_golden_one_for_the_seed() -> None:
    """The same seed gives the same output on every machine; the document fits its schema and stands alone on stdout."""
    done = starter("simulate", JOURNEY, "--limit", "12", "--seed", "7", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    jsonschema.validate(
        json.loads(done.stdout), json.loads((ROOT / "docs" / "schemas" / "simulate.json").read_text("utf-8"))
    )
    assert without_wall_time(done.stdout) == without_wall_time(GOLDEN.read_text("utf-8"))


def test_the_document_of_follow_ups_and_carts_is_the_golden_one() -> None:
    """The example's conversations and carts come out the same on every machine, with nothing that should not be."""
    done = starter("simulate", FOLLOW_UP, CART, "--conversations", CHATS, "--days", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    if os.environ.get("REKINDLE_WRITE_GOLDEN"):
        OF_CHATS.write_text(done.stdout, encoding="utf-8")
    jsonschema.validate(
        json.loads(done.stdout), json.loads((ROOT / "docs" / "schemas" / "simulate.json").read_text("utf-8"))
    )
    assert without_wall_time(done.stdout) == without_wall_time(OF_CHATS.read_text("utf-8"))
    provider = json.loads(done.stdout)["provider"]
    assert provider == {"received": provider["received"], "duplicates": 0, "outside_hours": 0, "after_exit": 0}


@pytest.mark.parametrize("golden", [GOLDEN, OF_CHATS], ids=lambda path: str(path.stem))
def test_everybody_considered_is_accounted_for(golden: Path) -> None:
    """`considered` is the sum of the entered, the control group, the paced and the skipped."""
    audience = json.loads(golden.read_text("utf-8"))["audience"]
    counted = audience["entered"] + audience["control"] + audience["paced"] + sum(audience["skipped"].values())
    assert audience["considered"] == counted


@pytest.mark.parametrize("golden", [GOLDEN, OF_CHATS], ids=lambda path: str(path.stem))
def test_the_days_add_up_to_the_whole(golden: Path) -> None:
    """Every day from the opening's on has its row, and what came on them is what came."""
    document = json.loads(golden.read_text("utf-8"))
    days = document["days"]
    assert [day["day"] for day in days] == list(range(1, document["virtual_days"] + 2))
    assert days[0]["date"] == document["opened_at"][:10]
    assert sum(day["sent"] for day in days) == document["messages"]["sent"] > 0
    assert sum(day["orders"] for day in days) == document["orders"]["attributed"]
    assert sum(day["credits"] for day in days) == document["credits"]["spent"] >= document["messages"]["sent"]
    for currency, amount in document["orders"]["revenue"].items():
        assert sum(Decimal(day["revenue"][currency]) for day in days) == Decimal(amount)


def test_two_files_of_a_kind_are_set_side_by_side_in_a_document_and_on_a_page(tmp_path: Path) -> None:
    """Each has a world of its own with the same people, and the outcome that it has alone; the page says the same."""
    page = tmp_path / "page.html"
    asked = ["--limit", "5", "--days", "1", "--seed", "7", "--json"]
    done = starter("simulate", JOURNEY, OTHER, *asked, "--price-message", "3", "--html", str(page))
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((ROOT / "docs" / "schemas" / "simulate.json").read_text("utf-8")))
    assert [one["file"] for one in document["files"]] == [JOURNEY, OTHER]
    (first,), (second,) = (one["runs"] for one in document["files"])
    assert first["outcome"]["messages"]["sent"] == second["outcome"]["messages"]["sent"] == 5
    considered = [one["outcome"]["audience"]["considered"] for one in (first, second)]
    assert document["difference"]["figures"]["considered"]["middle"] == considered[1] - considered[0] < 0
    assert first["outcome"]["credits"]["spent"] == 15
    for shown in (JOURNEY, OTHER, "hello-again", str(considered[0]), str(considered[1])):
        assert shown in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["simulate", "no-such-file.yaml"], 1, "no-such-file.yaml: cannot be read"),
        (["simulate"], 2, "Missing argument"),
        (["simulate", JOURNEY, JOURNEY, "--together"], 1, "two of the files are journeys named"),
        (["simulate", JOURNEY, "--compare"], 2, "--compare sets two files side by side"),
        (["simulate", JOURNEY, "--replies", "0.2-0.1"], 2, "lower end first"),
        (["simulate", JOURNEY, "--order-rate", "often"], 2, "neither a share such as 0.05 nor a range"),
        (["simulate", JOURNEY, "--replies", "0.1-0.2", "--customers", "none"], 2, "they need --customers demo"),
        (["simulate", JOURNEY, "--runs", "2", "--record", "somewhere"], 2, "--record writes down one run"),
        (["simulate", JOURNEY, "--html", "no-such-directory/page.html"], 1, "a directory that exists"),
        (["simulate", JOURNEY, "--orders", "README.md"], 1, "README.md"),
        (["simulate", JOURNEY, "--days", "0"], 2, "--days"),
        (["simulate", FOLLOW_UP], 1, "silent-after-quote waits for conversations or carts: say --conversations"),
        (["simulate", FOLLOW_UP, "--conversations", "README.md"], 1, "line 1: the line is no JSON"),
        (["simulate", FOLLOW_UP, "--conversations", CHATS, "--limit", "3"], 1, "sending.max_per_day"),
    ],
)
async def test_wrong_input_is_told_in_a_line_and_with_its_exit_code(
    scene: Scene, arguments: list[str], code: int, said: str
) -> None:
    """Nothing is simulated, no traceback is shown, and the exit code says what kind of mistake it was."""
    done = await scene.run(*arguments)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.parametrize(("days", "code"), [("1", 1), ("0", 2)])
def test_the_process_ends_with_the_exit_code_before_anything_is_loaded(days: str, code: int) -> None:
    """A script sees the same code, and whoever has mistyped does not wait for Temporal's libraries or the sandbox."""
    command = [sys.executable, "-X", "importtime", "starter.py", "simulate", "no-such-file.yaml", "--days", days]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "cli.simulation.files" in loaded
    assert not {name for name in loaded if name in {"temporalio", "openai", "cli.simulation.parts", "sandbox.shopify"}}


async def test_good_rows_are_used_alone_only_when_asked(scene: Scene, tmp_path: Path) -> None:
    """A half-broken file names its bad rows and is refused; with --skip-bad-rows the good ones are used."""
    orders = tmp_path / "orders.csv"
    orders.write_text(
        "order_id,customer_id,ordered_on,total,currency\nA1,C1,2026-08-01,20.00,EUR\nA2,C2,not-a-day,10.00,EUR\n",
        "utf-8",
    )
    refused = await scene.run("simulate", JOURNEY, "--orders", str(orders))
    assert refused.code == 1
    assert "3" in refused.err
    used = starter(
        "simulate",
        JOURNEY,
        "--orders",
        str(orders),
        "--as-of",
        "2026-11-02",
        "--skip-bad-rows",
        "--days",
        "1",
        "--json",
    )
    assert used.returncode == 0, used.stderr
    assert json.loads(used.stdout)["audience"]["considered"] == 1


async def test_a_recording_needs_a_directory_of_its_own(scene: Scene, tmp_path: Path) -> None:
    """A recording is never mixed with an earlier one."""
    (tmp_path / "whatsapp.jsonl").write_text("", "utf-8")
    done = await scene.run("simulate", JOURNEY, "--record", str(tmp_path))
    assert done.code == 1
    assert "is not empty" in done.err
