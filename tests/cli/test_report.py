"""`report` and `rates` as their users type them: the file, what is said of it, and the mail."""

import asyncio
import csv
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from tests.around.names import SALT
from tests.cli.conftest import ROOT, WABA, Scene
from tests.cli.recorded import check
from tests.mailbox import Mailbox, mailbox
from tests.reporting import DAY, FORMULA, JOURNEY, Reporting
from tests.worlds import NOON, World

ALERTS = ("owner@example.com", "staff@example.com")


@pytest.fixture(autouse=True)
def _no_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REKINDLE_SMTP_URL", "REKINDLE_MAIL_FROM", "REKINDLE_MAIL_ATTACHMENT_MB"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def told(scene: Scene) -> Reporting:
    """A store whose journey has a row of every kind."""
    scene.clock = NOON + 21 * DAY
    world = World(scene.database, scene.cipher, now=NOON)
    await world.add_store(salt=SALT, waba_id=WABA, alert_emails=ALERTS)
    reporting = Reporting(world)
    await reporting.tell()
    return reporting


def rows_of(path: Path) -> list[dict[str, str]]:
    """The file as a program reads it."""
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def names_in(folder: Path) -> list[str]:
    """Every file there, hidden ones too."""
    return sorted(one.name for one in folder.iterdir())


async def test_a_report_and_what_is_said_of_it(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """The document counts what the file holds; a person reads the same with the reasons in words."""
    assert told.people
    await scene.run("rates", "set", "EUR", "1.10", "--on", "2026-11-23")
    out = tmp_path / "report.csv"
    found = check("report", await scene.run("report", JOURNEY, "--out", str(out), "--json"))
    rows = rows_of(out)
    assert found["totals"]["rows"]["total"] == len(rows)
    assert found["file_bytes"] == out.stat().st_size
    assert [row["order_amount"] for row in rows if row["attributed"] == "yes"] == ["49.90", "1200", "15.00"]
    assert out.stat().st_mode & 0o077 == 0
    assert [name for name in names_in(tmp_path) if "report" in name] == ["report.csv"]
    text = (await scene.run("report", JOURNEY, "--out", str(out), "--yes")).out
    assert "26 rows written" in text
    assert "3 belong to lapsed-60-days: 2 by a message's window, 1 by the coupon" in text
    assert "54.89" in text
    assert "no rate" in text
    assert "the customer wrote" in text
    assert "+4477" not in text


def linked_in(folder: Path) -> tuple[Path, Path]:
    """A file elsewhere and a symbolic link to it."""
    place, link = folder / "elsewhere" / "kept.csv", folder / "linked.csv"
    place.parent.mkdir()
    place.write_text("old")
    link.symlink_to(place)
    return place, link


async def test_a_link_to_a_file_stays_one(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """The file that it points to gets the report, where its owner looks for it."""
    assert told.people
    place, link = linked_in(tmp_path)
    assert (await scene.run("report", JOURNEY, "--out", str(link), "--yes")).code == 0
    assert (link.is_symlink(), len(rows_of(place))) == (True, 26)


async def test_days_are_the_stores(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """The first day is in, the day after the last one is not, and each row goes by its own moment."""
    assert told.people
    out = tmp_path / "report.csv"
    days = ("--from", "2026-11-22", "--to", "2026-11-23")
    found = json.loads((await scene.run("report", JOURNEY, *days, "--out", str(out), "--json")).out)
    assert (found["from"], found["to"], found["time_zone"]) == ("2026-11-22", "2026-11-23", "Europe/London")
    assert {moment_of(row)[:10] for row in rows_of(out)} <= {"2026-11-22"}
    assert found["totals"]["orders_attributed"]["total"] == 0
    later = ("--from", "2026-11-23")
    rest = json.loads((await scene.run("report", JOURNEY, *later, "--out", str(out), "--yes", "--json")).out)
    before = ("--to", "2026-11-22")
    first = json.loads((await scene.run("report", JOURNEY, *before, "--out", str(out), "--yes", "--json")).out)
    assert sum(one["totals"]["rows"]["total"] for one in (first, found, rest)) == 26
    assert (await scene.run("report", JOURNEY, "--from", "2026-11-23", "--to", "2026-11-23", "--out", "x")).code == 2


def moment_of(row: dict[str, str]) -> str:
    """What a row's day is told by."""
    return row["order_date"] or row["sent_at"] or row["decided_at"]


async def test_a_spreadsheet_and_a_program_open_it(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """UTF-8 with its mark and CRLF; no cell is a formula; another library reads the same from CSV and from parquet."""
    assert told.people
    out, packed = tmp_path / "report.csv", tmp_path / "report.parquet"
    assert (await scene.run("report", JOURNEY, "--out", str(out))).code == 0
    raw = out.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfkind,contact,")
    assert raw.count(b"\n") == raw.count(b"\r\n") == 27
    cells = [cell for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert f"'{FORMULA}" in cells
    options = pyarrow.csv.ConvertOptions(column_types={"contact": "string", "customer_id": "string"})
    table = pyarrow.csv.read_csv(out, convert_options=options).to_pylist()
    assert table[0]["contact"] == "'+447700900000"
    found = json.loads((await scene.run("report", JOURNEY, "--out", str(packed), "--json")).out)
    assert found["format"] == "parquet"
    rows = pyarrow.parquet.read_table(packed).to_pylist()
    assert [row["contact"] for row in rows] == [row["contact"].removeprefix("'") for row in table]
    assert [row["order_date"] for row in rows if row["order_id"]] == [
        row["order_date"] for row in table if row["order_date"] is not None
    ]
    assert rows[0]["first_name"] == FORMULA


async def test_what_is_refused_before_any_work(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """A file that is there, a folder that is not, a journey nobody has, addresses without --email, a mail server."""
    assert told.people
    out = tmp_path / "report.csv"
    out.write_text("mine")
    there = await scene.run("report", JOURNEY, "--out", str(out))
    assert (there.code, out.read_text()) == (2, "mine")
    assert (await scene.run("report", JOURNEY, "--out", str(tmp_path / "no" / "x.csv"))).code == 2
    assert (await scene.run("report", JOURNEY, "--out", str(tmp_path))).code == 2
    assert (await scene.run("report", "nobody", "--out", str(out), "--yes")).code == 3
    assert (await scene.run("report", JOURNEY, "a@example.com", "--out", str(tmp_path / "x.csv"))).code == 2
    unmailed = await scene.run("report", JOURNEY, "--out", str(tmp_path / "y.csv"), "--email")
    assert unmailed.code == 1
    assert "REKINDLE_SMTP_URL" in unmailed.err
    assert not (tmp_path / "y.csv").exists()
    assert out.read_text() == "mine"


@pytest.fixture
async def inbox(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A mail server, which the installation is told of."""
    async with mailbox() as box:
        monkeypatch.setenv("REKINDLE_SMTP_URL", box.url)
        monkeypatch.setenv("REKINDLE_MAIL_FROM", "rekindle@example.com")
        yield box


async def test_a_report_is_mailed(scene: Scene, told: Reporting, inbox: Mailbox, tmp_path: Path) -> None:
    """To the alert addresses, or to those that are named, with the very file; who was refused is told."""
    assert told.people
    out = tmp_path / "report.csv"
    answer = await scene.run("report", JOURNEY, "--out", str(out), "--email", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["emailed_to"] == list(ALERTS)
    (recipients, message) = inbox.received[0]
    assert recipients == list(ALERTS)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "report.csv"
    assert attached.get_content_type() == "text/csv"
    assert attached.get_payload(decode=True) == out.read_bytes()
    body = message.get_body()
    assert body is not None
    assert "Orders that belong to it: 3" in body.get_content()
    assert "+4477" not in body.get_content()
    inbox.unknown = frozenset({"gone@example.com"})
    words = ("report", JOURNEY, "a@example.com", "gone@example.com", "--email", "--out", str(out), "--yes", "--json")
    named = json.loads((await scene.run(*words)).out)
    assert (named["emailed_to"], named["email_refused"]) == (["a@example.com", "gone@example.com"], 1)
    assert inbox.received[1][0] == ["a@example.com"]


async def test_a_mail_that_does_not_go_leaves_the_file(
    scene: Scene, told: Reporting, inbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's no, a file that is too large, an address that is none: each is told, and what is written stays."""
    assert told.people
    out = tmp_path / "report.csv"
    inbox.answer = "552 too much"
    refused = await scene.run("report", JOURNEY, "--out", str(out), "--email")
    assert refused.code == 1
    assert "refused (552)" in refused.err
    assert out.exists()
    monkeypatch.setattr("cli.report_mail._MEGABYTE", 50)
    large = await scene.run("report", JOURNEY, "--out", str(out), "--email", "--yes")
    assert large.code == 1
    assert "too large to be mailed" in large.err
    assert out.exists()
    assert (await scene.run("report", JOURNEY, "no-address", "--out", str(out), "--email", "--yes")).code == 2
    assert inbox.received == []


async def test_an_interrupted_report_leaves_no_half_file(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """Ctrl-C in the middle: what stood there before stands there still, and nothing beside it."""
    assert told.people
    out = tmp_path / "reports" / "report.csv"
    out.parent.mkdir()
    out.write_text("mine")
    code = (
        "import asyncio, sys\n"
        "from reports.export import stream\n"
        "real = stream.people_page\n"
        "async def slow(*words, **options):\n"
        "    page = await real(*words, **options | {'limit': 1})\n"
        "    if options['after']:\n"
        "        print('half', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "    return page\n"
        "stream.people_page = slow\n"
        "from cli.app import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *("report", JOURNEY, "--out", str(out), "--yes"),
        cwd=ROOT,
        env={**os.environ, **scene.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"half\n"
    assert len(names_in(out.parent)) == 2
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130, err
    assert names_in(out.parent) == ["report.csv"]
    assert out.read_text() == "mine"


async def test_rates_from_the_first_to_the_last(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """Set, imported, listed and removed; an order goes by the newest rate on or before its day in the store."""
    assert told.people
    assert "no rates" in (await scene.run("rates", "list")).out
    await scene.run("rates", "set", "eur", "1.0842", "--on", "2026-11-01")
    file = tmp_path / "rates.csv"
    file.write_text(
        "currency,on,usd_per_unit\r\nEUR,2026-11-23,1.10\r\nJPY,2026-11-24,0.0066\r\nEUR,2026-11-01,1.08\r\n"
    )
    found = check("rates", await scene.run("rates", "import", str(file), "--json"))
    assert (found["added"], found["changed"]) == (2, 1)
    out = tmp_path / "report.csv"
    totals = json.loads((await scene.run("report", JOURNEY, "--out", str(out), "--json")).out)["totals"]
    assert {one["currency"]: one["usd"] for one in totals["revenue"]} == {"EUR": "54.89", "JPY": "7.92", "USD": "15.00"}
    assert totals["usd"] == "77.81"
    assert "orders in GBP have no amount" in (await scene.run("rates", "list", "gbp")).out
    assert "a US dollar is one" in (await scene.run("rates", "list", "USD")).out
    assert (await scene.run("rates", "remove", "EUR", "--on", "2026-11-23")).code == 0
    before = json.loads((await scene.run("report", JOURNEY, "--out", str(out), "--yes", "--json")).out)["totals"]
    assert {one["currency"]: one["usd"] for one in before["revenue"]}["EUR"] == "53.89"
    assert (await scene.run("rates", "remove", "EUR", "--on", "2026-11-23")).code == 3


async def test_rates_that_are_none(scene: Scene, told: Reporting, tmp_path: Path) -> None:
    """A wrong line is told with its number and nothing of the file is taken."""
    assert told.people
    for words in (("EUR", "0"), ("EUR", "-1"), ("EUR", "1,08"), ("USD", "1"), ("EURO", "1.08"), ("EUR", "1e3")):
        refused = await scene.run("rates", "set", "--on", "2026-11-01", "--", *words)
        assert refused.code == 2, words
    file = tmp_path / "rates.csv"
    file.write_text(
        "currency,on,usd_per_unit\nEUR,2026-11-23,1.10\nEUR,yesterday,1.10\nGBP,2026-11-23,x\nEUR,2026-11-23,1.2\n"
    )
    answer = await scene.run("rates", "import", str(file))
    assert answer.code == 1
    assert [line.split(":")[1] for line in answer.err.splitlines()[:3]] == ["3", "4", "5"]
    assert json.loads((await scene.run("rates", "list", "--json")).out)["rates"] == []
    file.write_text("a,b\n1,2\n")
    assert (await scene.run("rates", "import", str(file))).code == 1
