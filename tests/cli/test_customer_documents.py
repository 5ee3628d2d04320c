"""What `customers` answers with: import, opt-out, erasure, export."""

import json
import stat
from pathlib import Path

import pytest
from temporalio.client import Client

from models.enums import (
    PrivacyRequestKind,
)
from models.tables import PrivacyRequest
from tests.cli.conftest import Scene
from tests.cli.recorded import START, check, seeded

__all__ = ["seeded"]


async def test_import(seeded: Scene, tmp_path: Path) -> None:
    """A file with bad rows imports nobody and lists them all; without them everybody but the suppressed."""
    file = tmp_path / "people.csv"
    file.write_text(
        "customer_id,phone,first_name,consent,consent_at\n"
        "10,07700 900010,Eve,yes,2026-01-01\n"
        "11,12,Flo,yes,\n"
        "12,07700 900012,Gil,maybe,\n"
        "10,07700 900013,Hal,yes,\n"
        "14,07700 900014,Ian,yes,2027-01-01\n"
    )
    answer = await seeded.run("customers", "import", str(file), "--json")
    found = check("customers-import-bad", answer, code=1, document="customers-import")
    assert [one["line"] for one in found["bad_rows"]] == [3, 4, 5, 6]
    check(
        "customers-import",
        await seeded.run("customers", "import", str(file), "--skip-bad-rows", "--json"),
    )


async def test_opt_out_ends_what_runs_and_keeps_a_reimport_out(seeded: Scene, temporal: Client, tmp_path: Path) -> None:
    """The customer is out of marketing, and the number is on the suppression list for good."""
    assert temporal is not None
    check("customers-opt-out", await seeded.run("customers", "opt-out", "07700 900004", "--json"))
    file = tmp_path / "people.csv"
    file.write_text("customer_id,phone,consent\n99,07700 900004,yes\n")
    answer = await seeded.run("customers", "import", str(file), "--json")
    assert json.loads(answer.out)["suppressed"] == 1
    status = json.loads((await seeded.run("status", "07700 900004", "--json")).out)
    assert (status["customer"]["opt_out_source"], status["why_not"][0]["reason"]) == ("operator", "unsubscribed")


async def test_erase_forgets_a_person_for_good(seeded: Scene, temporal: Client, tmp_path: Path) -> None:
    """Nothing of the person can be looked up any more, the journey is told, and an import leaves the number out."""
    assert temporal is not None
    refused = await seeded.spawn("customers", "erase", "07700 900001")
    assert (refused.code, b"Ana" in seeded.stored()) == (2, True)
    found = check("customers-erase", await seeded.run("customers", "erase", "07700 900001", "--yes", "--json"))
    assert (found["known"], found["delivered"]) == (True, True)
    assert (await seeded.run("status", "07700 900001")).code == 3
    answer = await seeded.run("customers", "erase", "#1", "--yes", "--json")
    assert json.loads(answer.out)["known"]
    file = tmp_path / "people.csv"
    file.write_text("customer_id,phone,consent\n99,07700 900001,yes\n")
    answer = await seeded.run("customers", "import", str(file), "--json")
    assert json.loads(answer.out)["suppressed"] == 1


async def test_export_tells_a_person_everything_and_meets_their_request(
    seeded: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is its owner's alone, holds chats and messages, and the open request is met; strangers have none."""
    monkeypatch.chdir(tmp_path)
    async with seeded.database.write() as session:
        for number in range(2):
            session.add(
                PrivacyRequest(
                    store_id=1,
                    kind=PrivacyRequestKind.DATA_REQUEST,
                    dedupe_key=f"data_request:{number}",
                    customer_id=1,
                    received_at=START,
                )
            )
    findings = json.loads((await seeded.run("doctor", "--json")).out)["findings"]
    [open_request] = [one for one in findings if one["subject"].endswith("privacy")]
    assert "'#1'" in open_request["advice"]
    found = check("customers-export", await seeded.run("customers", "export", "#1", "--out", "ana.json", "--json"))
    assert found["requests_fulfilled"] == 2
    told = json.loads((tmp_path / "ana.json").read_text())
    assert (told["customer"][0]["first_name"], len(told["send_attempts"])) == ("Ana", 2)
    assert (tmp_path / "ana.json").stat().st_mode & 0o077 == 0
    assert (await seeded.run("customers", "export", "07700 900001", "--out", "ana.json")).code == 0
    assert (await seeded.run("customers", "export", "07700 900077", "--out", "no.json")).code == 3
    assert (await seeded.run("customers", "export", "#1", "--out", "no/where.json")).code == 1
    findings = json.loads((await seeded.run("doctor", "--json")).out)["findings"]
    assert not [one for one in findings if one["subject"].endswith("privacy")]


async def test_an_export_is_its_owners_alone_even_in_a_file_of_everybodys(seeded: Scene, tmp_path: Path) -> None:
    """A file that was there keeps nothing of its mode."""
    out = tmp_path / "person.json"
    out.touch(0o644)
    answer = await seeded.run("customers", "export", "#1", "--out", str(out))
    assert answer.code == 0, answer.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


async def test_a_number_of_the_shops_that_is_missing_erases_nobody(seeded: Scene) -> None:
    """A lonely # is a slip of the hand, and no customer without a number."""
    answer = await seeded.run("customers", "erase", "#", "--yes")
    assert (answer.code, "after the #" in answer.err) == (2, True)
