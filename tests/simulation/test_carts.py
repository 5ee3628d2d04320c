"""Carts simulated from a file, each with the end that its own line gives it. Nothing of ours is imported."""

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
OPENING = datetime(2030, 5, 14, 9, tzinfo=ZONE)
"""The Tuesday of 2030 that is nearest to the day."""
LATE = timedelta(minutes=5, seconds=10)
"""A watch looks every twelfth of the hour at most."""
JOURNEY = """\
name: cart-left-behind
kind: abandoned_cart
cart: {after: 1h, minimum: 20}
stages:
  - after: 0m
    message: {template: winback_note, language: en, variables: {"1": "Your cart: {checkout.items} {checkout.url}"}}
  - after: 23h
    message: {template: winback_note, language: en, variables: {"1": "It comes to {checkout.total}"}}
sending: {hours: "00:00-24:00", smart_sending_days: 0}
attribution_days: 2
watch_days: 2
"""


def cart(token: str, at: datetime, *, total: str = "59.90", **more: Any) -> dict[str, Any]:
    """A line of the file."""
    items = [{"title": "Helmet", "quantity": 2}, {"title": "Lock", "quantity": 1}]
    phone = f"+4477009006{token:0>2}"
    return {
        "checkout": f"k{token}",
        "phone": phone,
        "name": "Ana",
        "at": at.isoformat(),
        "items": items,
        "total": total,
        "currency": "EUR",
    } | more


def test_carts_end_as_their_lines_say(tmp_path: Path) -> None:
    """Left carts get their messages on time, completed ones end with the order, and every other has its reason."""
    noon = datetime.combine(TUESDAY, datetime.min.time(), ZONE).replace(hour=12, minute=3)
    later = {hours: (noon + timedelta(hours=hours)).isoformat() for hours in (0, 5, 30)}
    lines = [
        cart("1", noon - timedelta(hours=20)),
        cart("2", noon),
        cart("3", noon, completed_at=(noon + timedelta(minutes=30)).isoformat()),
        cart("4", noon, total="41.00", completed_at=later[5]),
        cart("5", noon, consent="never_subscribed"),
        cart("6", noon, consent="unsubscribed"),
        cart("7", noon, total="19.99"),
        cart("8", noon - timedelta(hours=20), completed_at=(noon - timedelta(hours=19)).isoformat()),
        cart("9", noon, total="80.50", completed_at=later[30]),
    ]
    (tmp_path / "journey.yaml").write_text(JOURNEY, encoding="utf-8")
    (tmp_path / "carts.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "starter.py", "simulate", str(tmp_path / "journey.yaml"), "--json"]
    command += ["--conversations", str(tmp_path / "carts.jsonl"), "--as-of", TUESDAY.isoformat()]
    command += ["--customers", "none", "--record", str(tmp_path / "record")]
    env = plain_environment()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)

    assert answer["audience"]["considered"] == 7
    assert answer["audience"]["entered"] == 4
    skipped = {reason: count for reason, count in answer["audience"]["skipped"].items() if count}
    assert skipped == {"no_consent": 1, "unsubscribed": 1, "filter:cart_total": 1}
    assert {reason: n for reason, n in answer["exits"].items() if n} == {"completed": 2, "purchased": 2}
    assert answer["orders"] == {"attributed": 2, "revenue": {"EUR": "121.50"}}
    assert answer["provider"] == {"received": 7, "duplicates": 0, "outside_hours": 0, "after_exit": 0}

    first = OPENING.replace(hour=13, minute=3)
    due = {"01": [OPENING, OPENING + timedelta(hours=23)], "02": [first, first + timedelta(hours=23)]}
    due |= {"04": [first], "09": list(due["02"])}
    sent = [
        line
        for line in map(json.loads, (tmp_path / "record" / "whatsapp.jsonl").read_text("utf-8").splitlines())
        if line["method"] == "POST" and line["path"].endswith("/messages") and line["status"] == 200
    ]
    assert Counter(line["body"]["to"][-2:] for line in sent) == {person: len(times) for person, times in due.items()}
    for line in sent:
        wanted = due[line["body"]["to"][-2:]].pop(0)
        assert wanted <= datetime.fromisoformat(line["at"]) <= wanted + 2 * LATE
    texts = [line["body"]["template"]["components"][0]["parameters"][0]["text"] for line in sent]
    assert texts[0].startswith("Your cart: 2 x Helmet, Lock https://")
    assert "It comes to 59.90 EUR" in texts
