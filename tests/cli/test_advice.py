"""Tests of cli.advice and of how `validate` shows a journey of each kind."""

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
