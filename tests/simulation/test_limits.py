"""A portfolio's limit in a simulation, counted from what the sandbox received. Nothing of ours is imported."""

import json
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.processes import plain_environment

ROOT = Path(__file__).parents[2]
ZONE = ZoneInfo("Europe/Berlin")
TUESDAY = date(2026, 5, 12)
TIER, OLD_CUSTOMERS, CARTS = 10, 20, 4
DAY = timedelta(hours=24)
SAYS = '{template: winback_hello, language: en, variables: {"1": "you"}}'
WIN_BACK = f"""\
name: lapsed
kind: win_back
audience: {{inactive_days: 60}}
stages:
  - after: 0d
    message: {SAYS}
sending: {{smart_sending_days: 0}}
attribution_days: 1
watch_days: 1
"""
CART = f"""\
name: cart-left-behind
kind: abandoned_cart
cart: {{after: 1h}}
stages:
  - after: 0m
    message: {SAYS}
sending: {{smart_sending_days: 0}}
attribution_days: 1
watch_days: 1
"""


def cart(number: int, at: datetime) -> dict[str, Any]:
    """A cart that is left for good."""
    items = [{"title": "Helmet", "quantity": 1}]
    phone = f"+4477009006{number:0>2}"
    told = {"checkout": f"k{number}", "phone": phone, "name": "Ana", "at": at.isoformat()}
    return {**told, "items": items, "total": "59.90", "currency": "EUR"}


def test_no_more_people_than_the_tier_and_a_fifth_of_it_for_carts(tmp_path: Path) -> None:
    """Win-backs fill eight places and wait; two carts go at once, two before any win-back; nothing is refused."""
    for name, text in (("win_back.yaml", WIN_BACK), ("cart.yaml", CART)):
        (tmp_path / name).write_text(text, "utf-8")
    orders = ["order_id,customer_id,ordered_on,total,currency"]
    orders += [f"{number},{number},2026-01-05,50.00,EUR" for number in range(1, OLD_CUSTOMERS + 1)]
    (tmp_path / "orders.csv").write_text("\n".join(orders), "utf-8")
    noon = datetime.combine(TUESDAY, datetime.min.time(), ZONE).replace(hour=12)
    carts = [json.dumps(cart(number, noon)) for number in range(CARTS)]
    (tmp_path / "carts.jsonl").write_text("\n".join(carts), "utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "starter.py",
            "simulate",
            *(str(tmp_path / name) for name in ("win_back.yaml", "cart.yaml")),
            *("--orders", str(tmp_path / "orders.csv"), "--conversations", str(tmp_path / "carts.jsonl")),
            *("--as-of", TUESDAY.isoformat(), "--customers", "none", "--tier", str(TIER)),
            *("--record", str(tmp_path / "rec"), "--json"),
        ],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sent = [
        (datetime.fromisoformat(line["at"]).astimezone(ZONE), line["body"]["to"], line["status"])
        for line in map(json.loads, (tmp_path / "rec" / "whatsapp.jsonl").read_text("utf-8").splitlines())
        if line["method"] == "POST"
    ]
    assert {status for _, _, status in sent} == {200}
    for at, _, _ in sent:
        assert len({to for when, to, _ in sent if at - DAY < when <= at}) <= TIER
    first = sent[0][0].date()
    by_day = Counter((to.startswith("+4477009006"), (at.date() - first).days) for at, to, _ in sent)
    assert by_day == {(False, 0): 8, (True, 0): 2, (False, 1): 6, (True, 1): 2, (False, 2): 6}
    days = json.loads(done.stdout)["days"]
    assert [day["sent"] for day in days[:3]] == [10, 8, 6]
    assert [(day["capped"]["portfolio_limit"], day["holds"]["portfolio_limit"]) for day in days[:3]] == [
        (14, 14), (0, 0), (0, 0),
    ]  # fmt: skip
