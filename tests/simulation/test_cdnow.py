"""An independent check of `simulate`: real orders, counted again by a program that knows nothing of ours.

Nothing of Rekindle is imported here: the command is run as anybody would, the CSV is read with the standard library,
and every number of the output is computed from the dates in it.
"""

import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.processes import plain_environment

ROOT = Path(__file__).parents[2]
HISTORY = ROOT.parent / "shared" / "data" / "cdnow_orders.csv"
ZONE = ZoneInfo("Europe/Berlin")
ONE_IN = 15
"""Of so many customers one is taken, or reading the history would be most of the work."""
MESSAGES_AT = (0, 60, 60 + 7 * 24)
"""Hours after the start at which the three messages of the journey are sent."""
END = MESSAGES_AT[-1] + 5 * 24
ATTRIBUTION = 5 * 24

pytestmark = pytest.mark.skipif(not HISTORY.exists(), reason="the order history is not here")


@dataclass(frozen=True)
class Case:
    """One audience."""

    as_of: date
    silent: tuple[int, int]
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(10**6)
    limit: int | None = None

    def file(self, directory: Path) -> Path:
        """The journey as its author would write it."""
        variables = 'variables: {"1": "{customer.first_name|friend}"}'
        message = f"{{template: winback_hello, language: en, {variables}}}"
        stages = "".join(f"  - after: {after}\n    message: {message}\n" for after in ("0d", "60h", "7d"))
        path = directory / "journey.yaml"
        path.write_text(
            "name: counted-again\nkind: win_back\n"
            f"audience:\n  inactive_days: {self.silent[0]}\n  inactive_days_max: {self.silent[1]}\n"
            f"  last_order_total: {{min: {self.low}, max: {self.high}}}\n"
            f"stages:\n{stages}attribution_days: 5\nwatch_days: 5\n",
            encoding="utf-8",
        )
        return path


@dataclass
class Expected:
    """What must come out."""

    entered: int = 0
    wrong_total: int = 0
    beyond_limit: int = 0
    by_stage: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    attributed: int = 0
    revenue: Decimal = Decimal(0)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The orders of some of the history's customers, as they stand in it."""
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    header, *rows = HISTORY.read_text("utf-8").splitlines()
    taken = [row for row in rows if int(row.split(",")[1]) % ONE_IN == 0]
    path.write_text("\n".join([header, *taken]) + "\n", encoding="utf-8")
    return path


@cache
def _read(path: Path) -> dict[str, list[tuple[date, str, Decimal]]]:
    """Each customer's orders by date, then id."""
    found: dict[str, list[tuple[date, str, Decimal]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["ordered_on"])
            found[row["customer_id"]].append((day, row["order_id"], Decimal(row["total"])))
    return {customer: sorted(orders) for customer, orders in found.items()}


def _expected(case: Case, orders: Path) -> Expected:
    found = Expected()
    for _, all_orders in sorted(_read(orders).items()):
        past = [order for order in all_orders if order[0] <= case.as_of]
        if not past or not case.silent[0] <= (case.as_of - past[-1][0]).days <= case.silent[1]:
            continue
        if not case.low <= past[-1][2] <= case.high:
            found.wrong_total += 1
        elif case.limit is not None and found.entered >= case.limit:
            found.beyond_limit += 1
        else:
            _live(found, [((day - case.as_of).days * 24, total) for day, _, total in all_orders if day > case.as_of])
    return found


def _live(found: Expected, future: list[tuple[int, Decimal]]) -> None:
    """One customer's journey: orders are (hours after the start, total)."""
    found.entered += 1
    bought_at = next((hours for hours, _ in future if hours < END), None)
    sent = [at for at in MESSAGES_AT if bought_at is None or at < bought_at]
    found.by_stage.update(str(stage) for stage in range(1, len(sent) + 1))
    belongs = [any(at <= hours <= at + ATTRIBUTION for at in sent) for hours, _ in future]
    found.attributed += sum(belongs)
    found.revenue += sum((total for (_, total), ours in zip(future, belongs, strict=True) if ours), Decimal(0))
    if bought_at is None:
        found.exits["completed"] += 1
    else:
        found.exits["purchased" if belongs[0] else "purchased_elsewhere"] += 1


def _simulate(case: Case, orders: Path, directory: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "starter.py", "simulate", str(case.file(directory)), "--orders", str(orders)]
    command += ["--as-of", case.as_of.isoformat(), "--customers", "none", "--json", *options]
    if case.limit is not None:
        command += ["--limit", str(case.limit)]
    env = plain_environment()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer.pop("wall_seconds") > 0
    return answer


def _check(answer: dict[str, Any], expected: Expected) -> None:
    audience = answer["audience"]
    assert audience["entered"] == expected.entered > 0
    assert audience["skipped"]["filter:last_order_total"] == expected.wrong_total
    assert audience["skipped"]["limit"] == expected.beyond_limit
    others = audience["control"] + audience["paced"] + sum(audience["skipped"].values())
    assert audience["considered"] == audience["entered"] + others
    assert answer["messages"]["by_stage"] == dict(expected.by_stage)
    assert answer["messages"]["sent"] == expected.by_stage.total()
    assert {reason: count for reason, count in answer["exits"].items() if count} == dict(expected.exits)
    assert answer["orders"]["attributed"] == expected.attributed
    assert {key: Decimal(text) for key, text in answer["orders"]["revenue"].items()} == (
        {"USD": expected.revenue} if expected.attributed else {}
    )
    provider = {"received": expected.by_stage.total(), "duplicates": 0, "outside_hours": 0, "after_exit": 0}
    assert answer["provider"] == provider


def test_a_simulation_comes_out_as_the_orders_say(orders: Path, tmp_path: Path) -> None:
    """Audience, messages by stage, exits, attributed orders and revenue are those that the dates give."""
    case = Case(date(1997, 11, 5), (20, 34))
    _check(_simulate(case, orders, tmp_path), _expected(case, orders))


def test_a_cut_audience_comes_out_as_the_orders_say_and_the_record_says_the_same(orders: Path, tmp_path: Path) -> None:
    """Only so many, and only with such orders; the record says what the provider counted."""
    case = Case(date(1997, 6, 16), (60, 90), low=Decimal(12), high=Decimal(40), limit=15)
    answer = _simulate(case, orders, tmp_path, "--record", str(tmp_path / "record"))
    _check(answer, _expected(case, orders))
    lines = (tmp_path / "record" / "whatsapp.jsonl").read_text("utf-8").splitlines()
    sent = [
        line
        for line in map(json.loads, lines)
        if line["method"] == "POST" and line["path"].endswith("/messages") and line["status"] == 200
    ]
    occurrences = [(line["body"]["to"], line["body"]["biz_opaque_callback_data"].rsplit(":", 1)[0]) for line in sent]
    local = [datetime.fromisoformat(line["at"]).astimezone(ZONE) for line in sent]
    assert answer["provider"] == {
        "received": len(sent),
        "duplicates": len(occurrences) - len(set(occurrences)),
        "outside_hours": sum(not 8 <= at.hour < 22 for at in local),
        "after_exit": 0,
    }
    assert Counter(one.rsplit(":", 2)[1] for _, one in occurrences) == Counter(answer["messages"]["by_stage"])
    assert Counter(str(at.hour) for at in local) == Counter(answer["messages"]["by_local_hour"])
    ids = [line["response"]["messages"][0]["id"] for line in sent]
    assert len(set(ids)) == len(ids)
