"""A daily review simulated on a file of conversations, recomputed from the files and from what the sandbox wrote down.

Nothing of ours is imported: the rules are stated again below, for one journey that reviews at 13:30 of every day, with
people who approve at once. What the model said is read from the recording; each conversation's texts name it, so that a
prompt tells whose it is. Runs, and what follows from them, have an hour for themselves; the clocks go forward in the
night of the second day, so two runs are 23 hours apart.
"""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.processes import plain_environment

ROOT = Path(__file__).parents[2]
ZONE = ZoneInfo("Europe/Berlin")
FRIDAY, OPENING_DAY = date(2026, 3, 27), date(2030, 3, 29)
RUN_AT, OPENS_AT = time(13, 30), time(9)
DAY, HALF_AN_HOUR = timedelta(hours=24), timedelta(minutes=30)
MOST = 2
JOURNEY = f"""\
name: counted-again
kind: tracking
run_at: "13:30"
max_attempts: {MOST}
template: {{name: tracking_note, language: en, variables: {{"1": "{{ai.text}}"}}}}
sending: {{hours: "08:00-22:00", time_zone: store, smart_sending_days: 0}}
watch_days: 1
attribution_days: 1
"""
PRICE = "How much is it?"

Told = tuple[int, str, str]
"""Something of a file: on which day after the first, at what local time, and what was said; `<` is our side."""


def course(number: int) -> list[Told]:
    """What happens in a conversation; minutes of an hour are an event's own kind, so that none falls upon another."""
    first = (number // 12) % 2
    match number % 12:
        case 0:
            return [(first, "16:12", PRICE), (first, "16:40", "<It is 49.90.")]
        case 1:
            return [(first, "16:12", "I'll take it, how can I pay?")]
        case 2:
            # On the second day a quarter of an hour too early to be read only once: the next run looks further back.
            return [(first, "12:45" if first else "17:12", "Just looking, thank you")]
        case 3:
            return [(first, "17:12", PRICE), (first, "19:14", "I bought it from another shop, sorry")]
        case 4:
            return [(first, "18:12", PRICE), (first, "20:12", "Please do not write to me any more")]
        case 5:
            return [(first, "18:12", PRICE), (first + 1, "20:15", "STOP")]
        case 6:  # after the message somebody of the shop writes, which ends nothing, or they do
            author = "<" if first else ""
            return [(first, "19:12", PRICE), (first + 1, "14:45", f"{author}I will look it up and tell you.")]
        case 7:  # answers each message, and asks again
            return [(day, "17:13", f"{PRICE} {day}") for day in range(first, first + 4)]
        case 8:
            return [(first, "20:12", PRICE), (first + 1, "18:12", "Thank you, I will come back to you later")]
        case 9:  # analysed on the day before the clocks go forward, and writes again
            return [(0, "21:12", PRICE), (1, "16:12", "And in blue, how much is it?"), (1, "16:41", "<The same.")]
        case 10:
            return [(first, "21:12", PRICE)]
        case _:
            return [(first, "07:12", PRICE), (first + 1, "07:12", "Is it still available?")]


def orders_of(number: int) -> list[int]:
    """On which days after the first they order, at 9 o'clock by the clock of the first day."""
    first = (number // 12) % 2
    return {10: [first + 2], 1: [first + 1] if number > 12 else [], 2: [first + 3]}.get(number % 12, [])


def phone_of(number: int) -> str:
    """Numbers that nobody has."""
    return f"+4477009003{number:02d}"


def write_files(directory: Path, count: int) -> None:
    """The journey, the conversations, and the orders of those who order."""
    (directory / "journey.yaml").write_text(JOURNEY, encoding="utf-8")
    lines, orders = [], ["order_id,customer_id,ordered_on,total,currency,phone"]
    for number in range(count):
        messages = []
        for place, (day, clock, said) in enumerate(course(number)):
            at = datetime.combine(FRIDAY + timedelta(days=day), time.fromisoformat(clock), ZONE)
            direction, text = ("out", said[1:]) if said.startswith("<") else ("in", said)
            text = text if text == "STOP" else f"{text} c{number}c"
            messages.append({"id": f"m{place}", "direction": direction, "at": at.isoformat(), "text": text})
        lines.append({"conversation": f"c-{number}", "phone": phone_of(number), "language": "en", "messages": messages})
        bought = orders_of(number)
        if bought:
            days = [date(2025, 6, 2), *(FRIDAY + timedelta(days=day) for day in bought)]
            orders += [f"{number}0{n},{number + 1},{day},20.00,EUR,{phone_of(number)}" for n, day in enumerate(days)]
    (directory / "chats.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")
    (directory / "orders.csv").write_text("\n".join(orders), encoding="utf-8")


# --- what was written down -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A verdict of the recording."""

    at: datetime
    intent: str
    sale: str
    stop: bool


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a recording."""
    return map(json.loads, path.read_text("utf-8").splitlines())


def verdicts_in(record: Path) -> dict[int, list[Said]]:
    """What the model said about each conversation, in order of time."""
    found: dict[int, list[Said]] = defaultdict(list)
    for one in recorded(record / "llm.jsonl"):
        assert one["status"] == 200
        numbers = set(re.findall(r"\bc(\d+)c\b", " ".join(part["content"] for part in one["body"]["messages"])))
        assert len(numbers) == 1, "a prompt is about one conversation"
        says = json.loads(one["response"]["choices"][0]["message"]["content"])
        at = datetime.fromisoformat(one["at"]).astimezone(ZONE)
        found[int(numbers.pop())].append(Said(at, says["intent"], says["sale"], says["asked_to_stop"]))
    return found


def sent_in(record: Path) -> dict[int, list[tuple[datetime, str]]]:
    """When each of them got a message, and of what kind."""
    found: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for one in recorded(record / "whatsapp.jsonl"):
        if one["method"] == "POST" and one["path"].endswith("/messages") and one["status"] == 200:
            number = int(one["body"]["to"][-2:])
            found[number].append((datetime.fromisoformat(one["at"]).astimezone(ZONE), one["body"]["type"]))
    return found


# --- what must come of it --------------------------------------------------------------------------------------------


def moment(day: int, clock: time) -> datetime:
    """A local time of a day of the simulation."""
    return datetime.combine(OPENING_DAY + timedelta(days=day), clock, ZONE)


def since(earlier: datetime, span: timedelta) -> datetime:
    """So much time later, as it passes and not as clocks show it."""
    return (earlier.astimezone(UTC) + span).astimezone(ZONE)


@dataclass
class Expected:
    """What the whole run must come to."""

    last_word: dict[int, str] = field(default_factory=dict)
    entered: set[int] = field(default_factory=set)
    considered: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    detected: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    analysed: int = 0
    reached: int = 0
    answered: int = 0
    bought: int = 0
    last_considered_on: int = 0


@dataclass
class Life:
    """One conversation, lived again beside what the model said of it and what was sent to it."""

    number: int
    said: list[Said]
    sent: list[tuple[datetime, str]]
    expected: Expected
    wrote: list[datetime] = field(default_factory=list)
    spoken: int = 0
    stopped: bool = False
    analysed_upto: int | None = None
    analysed_on: datetime | None = None
    late: bool = False
    contacts: int = 0
    over_at: datetime | None = None
    ends: str = "completed"

    def __post_init__(self) -> None:
        self.inbound = [
            moment(day, time.fromisoformat(clock))
            for day, clock, said in course(self.number)
            if not said.startswith("<")
        ]
        self.ordered = [since(moment(0, OPENS_AT), day * DAY) for day in orders_of(self.number)]

    def event(self, at: datetime, said: str) -> None:
        """Somebody says something."""
        self.spoken += 1
        if not said.startswith("<"):
            self.wrote.append(at)
            self.stopped = self.stopped or said == "STOP"

    def run(self, day: int) -> None:
        """The day's run looks at the conversation, if it is one of its own."""
        at, before = moment(day, RUN_AT), moment(day - 1, RUN_AT)
        start = min(since(at, -DAY), before) if day else since(at, -DAY)
        if not self.wrote or not (self.wrote[-1] >= start or self.late):
            return
        self.expected.considered += 1
        self.expected.last_considered_on = max(day, self.expected.last_considered_on)
        self.late = False
        reason = self._left_out(at)
        if reason is None:
            self._analyse(at)
            return
        self.expected.left_out[reason] += 1
        self.expected.outcomes["left_out"] += 1
        if reason in {"analysed", "analysed_lately"}:
            self.late = reason == "analysed_lately"
            self.expected.last_word.setdefault(self.number, reason)
        else:
            self.expected.last_word[self.number] = reason

    def _left_out(self, at: datetime) -> str | None:
        bought = any(since(self.wrote[-1], -DAY) <= ordered < at for ordered in self.ordered)
        rules = {
            "unsubscribed": self.stopped,
            "analysed": self.spoken == self.analysed_upto,
            "analysed_lately": self.analysed_on is not None and at < since(self.analysed_on, DAY - HALF_AN_HOUR),
            "already_bought": bought,
            "max_attempts": self.contacts >= MOST,
            "in_other_journey": self.over_at is not None and at < self.over_at,
        }
        return next((reason for reason, keeps_out in rules.items() if keeps_out), None)

    def _analyse(self, at: datetime) -> None:
        assert self.said, f"c-{self.number} was not read at {at}"
        verdict = self.said.pop(0)
        assert at <= verdict.at < since(at, HALF_AN_HOUR / 3), f"c-{self.number} was read at {verdict.at}"
        self.analysed_upto, self.analysed_on = self.spoken, at
        expected = self.expected
        expected.analysed += 1
        if verdict.stop:
            self.stopped, outcome = True, "opted_out"
        elif verdict.sale == "open" and verdict.intent in {"medium", "high"}:
            outcome = "enrolled"
            expected.detected[verdict.intent] += 1
        else:
            outcome = "not_detected"
        expected.outcomes[outcome] += 1
        expected.last_word[self.number] = outcome
        if outcome == "enrolled":
            self._enrolled(at)

    def _enrolled(self, at: datetime) -> None:
        """A journey, whose message goes at once."""
        expected, due = self.expected, at
        expected.entered.add(self.number)
        between = [(moment(day, time.fromisoformat(clock)), said) for day, clock, said in course(self.number)]
        assert self.sent, f"c-{self.number} got no message at {due}"
        sent, kind = self.sent.pop(0)
        assert due <= sent < since(due, HALF_AN_HOUR / 3), f"c-{self.number}: due {due}, sent {sent}"
        assert kind == ("text" if sent < since(self.wrote[-1], DAY) else "template")
        expected.kinds[kind] += 1
        expected.reached += 1
        self.contacts += 1
        until = since(sent, DAY)
        reply = min((one for one in self.inbound if sent < one < until), default=None)
        order = min((one for one in self.ordered if sent < one < until), default=None)
        expected.answered += reply is not None
        expected.bought += order is not None
        self.over_at = min(one for one in (reply, order, until) if one is not None)
        if self.over_at == order:
            expected.exits["purchased"] += 1
        elif self.over_at == reply:
            said = next(said for when, said in between if when == reply)
            expected.exits["unsubscribed" if said == "STOP" else "customer_replied"] += 1
        else:
            expected.exits["completed"] += 1


def live_again(count: int, days: int, record: Path) -> Expected:
    """Every conversation of the file, through every run of so many days."""
    expected = Expected()
    said, sent = verdicts_in(record), sent_in(record)
    for number in range(count):
        life = Life(number, said[number], sent[number], expected)
        happens = sorted((moment(day, time.fromisoformat(clock)), words) for day, clock, words in course(number))
        for day in range(days):
            at = moment(day, RUN_AT)
            while happens and happens[0][0] < at:
                life.event(*happens.pop(0))
            life.run(day)
        assert not happens, "the simulation ended before its file"
        assert (life.said, life.sent) == ([], []), f"c-{number} was read or written to once more"
    return expected


def not_zero(counts: dict[str, int]) -> dict[str, int]:
    """Without the words that stand for nothing."""
    return {word: count for word, count in counts.items() if count}


def simulate(directory: Path, *options: str) -> dict[str, Any]:
    """Run the command line on the files."""
    command = [sys.executable, "starter.py", "simulate", str(directory / "journey.yaml"), "--json"]
    command += ["--conversations", str(directory / "chats.jsonl"), "--orders", str(directory / "orders.csv")]
    command += ["--as-of", FRIDAY.isoformat(), "--customers", "none", *options]
    env = plain_environment()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_daily_review_comes_out_as_the_conversations_say(tmp_path: Path) -> None:
    """Who is read, what follows from a verdict, when a message goes and how it ends is what the files give."""
    count, record = 24, tmp_path / "record"
    write_files(tmp_path, count)
    answer = simulate(tmp_path, "--record", str(record))
    expected = live_again(count, answer["virtual_days"], record)
    reviews, audience = answer["reviews"], answer["audience"]
    assert (reviews["runs"], reviews["stopped"]) == (answer["virtual_days"], 0)
    assert answer["virtual_days"] == expected.last_considered_on + 2, "the run that finds nobody is the last"
    assert reviews["considered"] == expected.considered
    assert not_zero(reviews["left_out"]) == dict(expected.left_out)
    assert {*expected.left_out} >= {"unsubscribed", "analysed", "analysed_lately", "already_bought", "max_attempts"}
    assert not_zero(reviews["outcomes"]) == dict(expected.outcomes)
    assert not_zero(reviews["detected"]) == dict(expected.detected)
    assert not_zero(reviews["not_reached"]) == {}
    calls = list(recorded(record / "llm.jsonl"))
    assert (reviews["cost"]["calls"], reviews["cost"]["credits"], reviews["analysed"]) == (
        len(calls),
        len(calls),
        expected.analysed,
    )
    assert reviews["cost"]["prompt_tokens"] == sum(one["response"]["usage"]["prompt_tokens"] for one in calls)
    assert (reviews["verified"], reviews["bought_before"]) == (expected.outcomes["enrolled"], 0)
    counted = (expected.reached, expected.answered, expected.bought, 0)
    assert tuple(reviews[word] for word in ("reached", "answered", "bought", "undecided")) == counted
    skipped = Counter(word for number, word in expected.last_word.items() if number not in expected.entered)
    assert (audience["considered"], audience["entered"]) == (count, len(expected.entered))
    assert not_zero(audience["skipped"]) == dict(skipped)
    assert answer["messages"]["by_stage"] == {"1": expected.reached}
    assert answer["messages"]["by_local_hour"] == {"13": expected.reached}
    assert not_zero(answer["exits"]) == dict(expected.exits)
    assert {*expected.exits} == {"completed", "purchased", "customer_replied", "unsubscribed"}
    purchases = expected.exits["purchased"]
    assert answer["orders"] == {"attributed": purchases, "revenue": {"EUR": f"{20 * purchases}.00"}}
    provider = {"received": expected.reached, "duplicates": 0, "outside_hours": 0, "after_exit": 0}
    assert answer["provider"] == provider
    assert answer["unfinished"] == {}


@pytest.mark.parametrize("number", range(24))
def test_the_hour_of_runs_and_messages_is_theirs_alone(number: int) -> None:
    """Nobody of the file writes between 13:00 and 14:00."""
    for _, clock, _ in course(number):
        assert not time(13) <= time.fromisoformat(clock) < time(14)
