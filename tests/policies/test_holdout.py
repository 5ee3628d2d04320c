"""The control group's draw."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.holdout import in_control

SALT = b"a store's salt"


def draw(customer: str, percent: int, *, journey: str = "lapsed", salt: bytes = SALT) -> bool:
    """One customer's arm."""
    return in_control(salt=salt, journey=journey, customer=customer, control_percent=percent)


@given(st.text(), st.text(), st.integers(0, 100), st.integers(0, 100))
def test_raising_the_percentage_only_adds_people(journey: str, customer: str, one: int, other: int) -> None:
    """Whoever is in control at a percentage is in control at every higher one."""
    low, high = sorted((one, other))
    assert not draw(customer, low, journey=journey) or draw(customer, high, journey=journey)


@given(st.text())
def test_nobody_at_zero_and_everybody_at_a_hundred(customer: str) -> None:
    """The ends of the scale hold without exception."""
    assert not draw(customer, 0)
    assert draw(customer, 100)


def test_the_share_is_the_percentage() -> None:
    """Of ten thousand customers a tenth is held out, within what chance allows."""
    assert 880 <= sum(draw(str(number), 10) for number in range(10_000)) <= 1120


def test_every_process_draws_alike() -> None:
    """Two programs, whose hashes of texts differ, hold the same people out: nothing of a process is in the draw."""
    program = (
        "from policies.holdout import in_control\n"
        f"salt = {SALT!r}\n"
        "for one in range(300):\n"
        "    print(in_control(salt=salt, journey='lapsed', customer=str(one), control_percent=10))\n"
    )
    drawn = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    here = "".join(f"{draw(str(one), 10)}\n" for one in range(300))
    assert drawn == [here, here]
    assert "True" in here


def test_the_draw_is_the_same_in_every_release() -> None:
    """Whoever is held out today is held out by every later release: these were drawn once and for all."""
    held = [one for one in range(100) if draw(str(one), 10)]
    assert held == [6, 10, 13, 30, 35, 41, 44, 50, 80, 82, 96, 97, 99]


def test_journeys_and_stores_draw_apart() -> None:
    """Being held out of one journey says nothing about another, nor about another store's."""
    people = [str(number) for number in range(4000)]
    here = {person for person in people if draw(person, 50)}
    for other in (
        {person for person in people if draw(person, 50, journey="other")},
        {person for person in people if draw(person, 50, salt=b"another salt")},
    ):
        assert 850 <= len(here & other) <= 1150


def test_names_that_join_to_the_same_text_draw_apart() -> None:
    """Journey `a1` with customer `1` is not journey `a` with customer `11`."""
    pairs = [(f"a{'1' * n}", "1" * (64 - n)) for n in range(64)]
    assert len({draw(customer, 50, journey=journey) for journey, customer in pairs}) == 2


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentage_out_of_range_is_an_error(percent: int) -> None:
    """Only 0 to 100 mean something."""
    with pytest.raises(ValueError, match="0 to 100"):
        draw("1", percent)


def test_an_empty_salt_is_an_error() -> None:
    """Without the secret the draw could be foretold."""
    with pytest.raises(ValueError, match="salt"):
        draw("1", 10, salt=b"")
