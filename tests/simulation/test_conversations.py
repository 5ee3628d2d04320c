"""A follow-up simulated on a file of conversations, recomputed from the file and from what the sandbox wrote down.

Nothing of ours is imported: the rules are stated again below, for one journey whose column is `quoted`, two hours of
silence, two messages, business hours of the store. A watch may find a silence up to ten minutes late (a twelfth of the
delay, ten minutes at most); everything that follows is reckoned from the message that was really sent. So that no
event of the file falls into such a moment, each kind of event has minutes of the hour of its own.
"""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.processes import plain_environment

ROOT = Path(__file__).parents[2]
ZONE = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 23)
EVERY, TIMES = timedelta(hours=2), 2
WATCH = timedelta(hours=24)
LATE, SLACK = timedelta(minutes=10), timedelta(seconds=10)
JOURNEY = """\
name: silent-after-quote
kind: follow_up
conversations: {column: quoted}
repeat: {every: 2h, times: 2}
message:
  text: Are you still there?
  template: {name: follow_up_note, language: en, variables: {"1": "Are you still there?"}}
sending: {hours: business, time_zone: store, smart_sending_days: 0}
attribution_days: 1
watch_days: 1
"""


# --- the file --------------------------------------------------------------------------------------------------------


class Script:
    """Makes up one conversation: customers act at minutes 12-19, answers come at 30-39, words by hand at 55-59."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.line: dict[str, Any] = {
            "conversation": f"c-{number}",
            "phone": f"+447700900{number:03d}",
            "column": "new",
            "messages": [],
            "moves": [],
            "closes": [],
            "reopens": [],
        }
        self._chance = chance
        day = MONDAY + timedelta(days=chance.choice([0, 0, 1, 1, 2, 3, 4, 4, 7, 8]))
        self._at = datetime.combine(day, time(chance.randint(8, 15)), ZONE)

    def later(self, low: int, high: int) -> "Script":
        """Some hours later."""
        self._at += timedelta(hours=self._chance.randint(low, high))
        return self

    def in_business(self) -> "Script":
        """The next hour from 9 to 16 of a working day."""
        while self._at.weekday() > 4 or not 9 <= self._at.hour <= 16:
            self._at += timedelta(hours=1)
        return self

    def _moment(self, low: int, high: int) -> str:
        at = self._at.replace(minute=self._chance.randint(low, high), second=self._chance.randint(0, 59))
        return at.isoformat()

    def asks(self, text: str = "How much is it?") -> "Script":
        """The customer writes."""
        self.line["messages"].append(
            {"id": f"m{len(self.line['messages'])}", "direction": "in", "at": self._moment(12, 19), "text": text}
        )
        return self

    def answers(self, low: int = 30, high: int = 39) -> "Script":
        """Our side writes: an agent, or the bot."""
        author = {"author": self._chance.choice(["agent", "bot"])} if self._chance.random() < 0.4 else {}
        number = len(self.line["messages"])
        message = {"id": f"m{number}", "direction": "out", "at": self._moment(low, high), "text": "49.90"}
        self.line["messages"].append(message | author)
        return self

    def by_hand(self) -> "Script":
        """An agent writes once more, at a time at which nothing else happens."""
        if self._at.hour == 15:
            self._at -= timedelta(hours=1)
        return self.answers(55, 59)

    def moves(self, column: str) -> "Script":
        """The card is put into a column."""
        self.line["moves"].append({"at": self._moment(12, 19), "column": column})
        return self

    def closes(self) -> "Script":
        """The conversation is closed."""
        self.line["closes"].append({"at": self._moment(12, 19)})
        return self

    def reopens(self) -> "Script":
        """It is opened again."""
        self.line["reopens"].append({"at": self._moment(12, 19)})
        return self


def conversations(seed: int, count: int) -> list[dict[str, Any]]:
    """So many conversations, of every course that one can take."""
    chance = random.Random(seed)  # noqa: S311 - play data, no secret
    lines = []
    for number in range(count):
        one = Script(number, chance).in_business().asks()
        one.moves("quoted" if number % 12 else "won").answers()
        match number % 12:
            case 1 | 2:
                one.later(1, 40).asks().in_business().answers()
            case 3:
                one.later(1, 8).asks().in_business().answers().later(20, 60).asks().in_business().answers()
            case 4:
                one.later(1, 1).in_business().by_hand()
            case 5:
                one.later(3, 4).in_business().by_hand()
            case 6:
                one.later(1, 30).moves("waiting_documents")
            case 7:
                one.later(1, 30).closes()
            case 8:
                one.later(1, 1).closes().later(20, 30).in_business().reopens()
            case 9:
                one.later(1, 20).asks("STOP").in_business().later(1, 1).in_business().answers()
            case 10:
                one.later(5, 9).asks()
            case _:
                pass
        lines.append(one.line)
    return lines


# --- what must come of it --------------------------------------------------------------------------------------------


def opening_of(as_of: date) -> datetime:
    """09:00 on the day of 2030 nearest to the date that has its weekday."""
    near = (date(2030, as_of.month, as_of.day) + timedelta(days=days) for days in range(-3, 4))
    return datetime.combine(next(day for day in near if day.weekday() == as_of.weekday()), time(9), ZONE)


def next_open(at: datetime) -> datetime:
    """The same moment in business hours, else their next beginning."""
    local = at.astimezone(ZONE)
    if local.weekday() < 5 and 8 <= local.hour < 18:
        return local
    day = local.date() if local.hour < 8 else local.date() + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return datetime.combine(day, time(8), ZONE)


def since(earlier: datetime, span: timedelta) -> datetime:
    """So much time later, as it passes and not as clocks show it."""
    return (earlier.astimezone(ZoneInfo("UTC")) + span).astimezone(ZONE)


@dataclass
class Expected:
    """What the run must come to."""

    entered: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    by_stage: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)


@dataclass
class Life:
    """One conversation, lived again beside the messages that were really sent to it."""

    opening: datetime
    sent: list[datetime]
    expected: Expected
    column: str = "new"
    is_open: bool = True
    stopped: bool = False
    quiet_since: datetime | None = None
    asked: bool = False
    in_a_row: int = 0
    stage: int | None = None
    due: datetime | None = None
    anchor: datetime | None = None
    entered: bool = False
    left_out: str | None = None

    def next_timer(self) -> datetime | None:
        """When something happens by itself, at the earliest."""
        if self.stage is not None:
            return self.due
        ready = self.column == "quoted" and self.is_open and self.quiet_since is not None and not self.asked
        if not ready or self.quiet_since is None:
            return None
        return next_open(max(since(self.quiet_since, EVERY), self.opening, self.anchor or self.opening))

    def timer(self, at: datetime) -> None:
        """What happens then."""
        if self.stage is None:
            self.asked = True
            if self.stopped or self.in_a_row >= TIMES:
                self.left_out = "unsubscribed" if self.stopped else "re_entry"
                return
            self.entered, self.stage = True, 0
            self._send(at, late=LATE)
        elif self.stage == TIMES:
            self._exit("completed")
        elif self.quiet_since is not None and self.anchor is not None and self.quiet_since > self.anchor:
            self.anchor = self.quiet_since
            self.due = next_open(since(self.quiet_since, EVERY))
        else:
            self._send(at, late=timedelta(0))

    def _send(self, at: datetime, *, late: timedelta) -> None:
        assert self.stage is not None
        assert self.sent, f"a message is missing that was due at {at}"
        real = self.sent.pop(0)
        early = timedelta(0) if late else SLACK  # the anchor is the sandbox's own time of the message before
        assert at - early <= real <= at + late + SLACK, f"due {at}, sent {real}"
        self.stage += 1
        self.in_a_row += 1
        self.expected.by_stage[str(self.stage)] += 1
        self.anchor = real
        self.due = since(real, WATCH) if self.stage == TIMES else next_open(since(real, EVERY))

    def _exit(self, reason: str) -> None:
        if self.stage is not None:
            self.expected.exits[reason] += 1
        self.stage = self.due = self.anchor = None

    def event(self, at: datetime, what: str, value: str) -> None:
        """What the file says."""
        match what:
            case "in":
                self.stopped = self.stopped or value == "STOP"
                self._exit("unsubscribed" if value == "STOP" else "customer_replied")
                self.quiet_since, self.in_a_row = None, 0
            case "out":
                self.quiet_since, self.asked = at, False
                self.anchor = None if self.stage is None else self.anchor
            case "move":
                self.column = value
                if value != "quoted":
                    self._exit("moved_column")
            case "close":
                self.is_open = False
                self._exit("conversation_closed")
            case "reopen":
                self.is_open, self.anchor = True, at


def events_of(line: dict[str, Any], as_of: date, opening: datetime) -> Iterator[tuple[datetime, str, str]]:
    """The file's events on the virtual calendar, in order of time."""
    told = [(one["at"], one["direction"], one["text"]) for one in line["messages"]]
    told += [(one["at"], "move", one["column"]) for one in line["moves"]]
    told += [(one["at"], "close", "") for one in line["closes"]] + [
        (one["at"], "reopen", "") for one in line["reopens"]
    ]
    for text, what, value in sorted(told, key=lambda one: datetime.fromisoformat(one[0])):
        local = datetime.fromisoformat(text).astimezone(ZONE)
        day = opening.date() + (local.date() - as_of)
        yield datetime.combine(day, local.time(), ZONE), what, value


def live_again(lines: list[dict[str, Any]], as_of: date, sent: dict[str, list[datetime]]) -> Expected:
    """Every conversation of the file beside what was sent to it."""
    expected, opening = Expected(), opening_of(as_of)
    for line in lines:
        life = Life(opening, sent.get(line["phone"], []), expected)
        for at, what, value in events_of(line, as_of, opening):
            while (due := life.next_timer()) is not None and due < at and at > opening:
                life.timer(due)
            life.event(at, what, value)
        while (due := life.next_timer()) is not None:
            life.timer(due)
        assert not life.sent, f"{line['conversation']} got a message that nothing asked for at {life.sent}"
        expected.entered += life.entered
        if not life.entered and life.left_out is not None:
            expected.skipped[life.left_out] += 1
    return expected


def sent_in(record: Path) -> dict[str, list[datetime]]:
    """The moments at which each number got a message."""
    found: dict[str, list[datetime]] = {}
    for line in (record / "whatsapp.jsonl").read_text("utf-8").splitlines():
        one = json.loads(line)
        if one["method"] == "POST" and one["path"].endswith("/messages") and one["status"] == 200:
            found.setdefault(one["body"]["to"], []).append(datetime.fromisoformat(one["at"]).astimezone(ZONE))
    return found


def simulate(directory: Path, lines: list[dict[str, Any]], *options: str) -> dict[str, Any]:
    """Run the command line on the file."""
    directory.mkdir(exist_ok=True)
    (directory / "journey.yaml").write_text(JOURNEY, encoding="utf-8")
    (directory / "chats.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "starter.py", "simulate", str(directory / "journey.yaml"), "--json"]
    command += ["--conversations", str(directory / "chats.jsonl"), "--customers", "none", *options]
    env = plain_environment()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer.pop("wall_seconds") > 0
    return answer


@pytest.mark.parametrize(
    ("as_of", "endings"),
    [
        pytest.param(MONDAY, 5, id="from-the-beginning"),
        pytest.param(MONDAY + timedelta(days=3), 3, id="with-a-past"),
    ],
)
def test_a_follow_up_comes_out_as_the_conversations_say(as_of: date, endings: int, tmp_path: Path) -> None:
    """Who enters, when each message goes, and how it ends are what the file's own times give."""
    lines = conversations(seed=as_of.day, count=24)
    answer = simulate(tmp_path / "run", lines, "--as-of", as_of.isoformat(), "--record", str(tmp_path / "record"))
    sent = sent_in(tmp_path / "record")
    expected = live_again(lines, as_of, {phone: list(moments) for phone, moments in sent.items()})
    audience = answer["audience"]
    assert audience["entered"] == expected.entered > 12
    assert {reason: count for reason, count in audience["skipped"].items() if count} == dict(expected.skipped)
    assert audience["considered"] == expected.entered + expected.skipped.total()
    assert answer["messages"]["by_stage"] == dict(expected.by_stage)
    assert {reason: count for reason, count in answer["exits"].items() if count} == dict(expected.exits)
    assert len(expected.exits) == endings
    provider = {"received": expected.by_stage.total(), "duplicates": 0, "outside_hours": 0, "after_exit": 0}
    assert answer["provider"] == provider
    assert answer["unfinished"] == {}
