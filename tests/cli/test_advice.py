"""Tests of cli.advice and of how `validate` shows a journey of each kind."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.advice import advice
from models.journey_file import read_journey
from tests.cli.conftest import Scene

FOLLOW_UP = """\
name: silent
kind: follow_up
conversations: {column: quoted}
repeat: {every: 30m, times: 1}
message: {text: Hi}
"""

CART = """\
name: cart
kind: abandoned_cart
stages:
  - after: 0m
    message: {template: winback_note, language: en, variables: {"1": "{checkout.url}"}}
  - after: 1d
    message: {text: "{checkout.url}"}
"""

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_one_patient_follow_up_of_one_column_needs_no_advice() -> None:
    """Half an hour, once, in one column is what the advice asks for."""
    assert advice(read_journey(FOLLOW_UP)) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("30m", "29m", "after 29m is pushy"),
        ("times: 1", "times: 3", "up to 3 follow-ups; start with 1"),
        ("column: quoted", "include_closed: false", "every conversation of the store"),
        ("column: quoted", "column: quoted, include_closed: true", "after their conversation was closed"),
    ],
)
def test_each_risk_of_a_follow_up_is_named(old: str, new: str, words: str) -> None:
    """Each of the four is one warning."""
    (found,) = advice(read_journey(FOLLOW_UP.replace(old, new)))
    assert words in found


@pytest.mark.parametrize("every", ["1h", "1d", "1mo"])
def test_a_longer_silence_is_not_pushy(every: str) -> None:
    """Hours, days and months are compared by their length, not by their number."""
    assert advice(read_journey(FOLLOW_UP.replace("30m", every))) == []


def test_a_later_hasty_stage_is_named_too() -> None:
    """The shortest of all delays counts."""
    stages = "stages:\n  - after: 2h\n    message: {text: Hi}\n  - after: 5m\n    message: {text: Ho}\n"
    found = advice(read_journey(FOLLOW_UP[: FOLLOW_UP.index("repeat")] + stages))
    assert any("after 5m is pushy" in one for one in found)


def test_a_message_to_a_cart_should_have_a_template() -> None:
    """The stage without one is named, the other is not."""
    (found,) = advice(read_journey(CART))
    assert found.startswith("stages[1] has no template")


def test_a_win_back_is_not_advised() -> None:
    """Its rules are errors."""
    assert advice(read_journey((EXAMPLES / "win_back.yaml").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (FOLLOW_UP, "conversations in the column quoted (open ones only) after a silence of 30m, 0% held out"),
        (FOLLOW_UP.replace("{column: quoted}", "{include_closed: true}"), "every conversation (closed ones too) after"),
        (
            CART + "cart: {minimum: 20, control_percent: 5}\n",
            "checkouts worth at least 20 left open for 1h, 5% held out",
        ),
    ],
)
async def test_validate_says_who_enters(scene: Scene, tmp_path: Path, text: str, shown: str) -> None:
    """A person reads who is meant; advice stands on stderr and refuses nothing."""
    file = tmp_path / "journey.yaml"
    file.write_text(text)
    answer = await scene.run("validate", str(file))
    assert answer.code == 0
    assert shown in answer.out
    assert ("warning: " in answer.err) is bool(advice(read_journey(text)))


TRACKING = """\
name: daily-review
kind: tracking
template: {name: tracking_note, language: es, variables: {"1": "{ai.text}"}}
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", None),
        ("wait_days: 2", None),
        ("run_at: 23:00", None),
        ("auto_send: true\nrun_at: 07:59", "run_at 07:59 on mon, tue, wed, thu, fri, sat, sun lies outside"),
        ("auto_send: true\nrun_at: 08:00", None),
        (
            "auto_send: true\nsending: {hours: business}",
            "run_at 09:00 on sat, sun lies outside sending.hours (business",
        ),
        ('auto_send: true\nrun_at: 01:00\nsending: {hours: "20:00-02:00", weekdays: [sun]}\nweekdays: [mon]', None),
        ("auto_send: true\nsending: {approval: required}", "messages wait for approval all the same"),
        ("act: event", "act: event sends no message, so template means nothing"),
        ("act: event\nwait_days: 3\nauto_send: true", "so auto_send, template, wait_days mean nothing"),
    ],
)
def test_a_review_is_advised(line: str, words: str | None) -> None:
    """What works is left alone; what contradicts itself, or waits where it was to go at once, is said."""
    found = advice(read_journey(f"{TRACKING}{line}\n"))
    assert (found == []) if words is None else (words in found[0] and len(found) == 1)


def test_a_review_without_a_template_is_advised_of_the_window() -> None:
    """After `wait_days` nothing could be sent any more; else it depends on the hour."""
    short = TRACKING.rsplit("template", 1)[0]
    assert "passed over (window_closed)" in advice(read_journey(short))[0]
    assert "wait_days is 2 and there is no template" in advice(read_journey(f"{short}wait_days: 2\n"))[0]


async def test_validate_tells_of_a_review_by_the_stores_clock(scene: Scene, tmp_path: Path) -> None:
    """The next three runs, what follows, and the days of the year on which the clocks change over its time."""
    await scene.add_store()  # of London
    scene.clock = datetime(2026, 10, 23, 12, tzinfo=UTC)
    path = tmp_path / "tracking.yaml"
    path.write_text(f"{TRACKING}run_at: 01:30\n")
    answer = await scene.run("validate", str(path))
    assert answer.code == 0
    assert "Sat 2026-10-24 01:30, Sun 2026-10-25 01:30, Mon 2026-10-26 01:30 (Europe/London)" in answer.out
    assert "once somebody has approved it" in answer.out
    assert "on Sun 2026-10-25 the clocks change and 01:30 comes twice; that day's run begins at 01:30 BST" in answer.err
    assert "on Sun 2027-03-28 the clocks change and 01:30 is jumped over; that day's run begins at 02:00" in answer.err
