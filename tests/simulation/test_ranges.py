"""Rates as people write them, the points at which they are tried, and how often."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cli.failures import Failure
from cli.simulation import several
from cli.simulation.collected import assumed_in
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.ranges import Point, Rate, are_alternatives, points
from cli.simulation.several import Plan, Progress, Trial, run_all
from cli.simulation.several_document import Between
from models.journey import JourneyDefinition, Tracking, WinBack
from sandbox.habits import Habits

DAILY = Tracking.model_validate({"name": "daily", "kind": "tracking"})
LAPSED = WinBack.model_validate(
    {
        "name": "lapsed",
        "kind": "win_back",
        "audience": {"inactive_days": 60},
        "stages": [{"after": "0d", "message": {"template": "hello", "language": "en"}}],
    }
)
GOLDEN = Path(__file__).parents[1] / "cli" / "golden" / "simulate.json"
BROKEN = 13
OPTIONS = Options(definitions=(LAPSED,), orders=(), as_of=date(2026, 3, 27))


@pytest.mark.parametrize(("text", "low", "high"), [("0.06", 0.06, 0.06), ("0.05-0.15", 0.05, 0.15), ("0 - 1", 0, 1)])
def test_a_rate_is_a_share_or_a_range_of_shares(text: str, low: float, high: float) -> None:
    """The middle of a range is exactly half way, without the noise of binary fractions."""
    rate = Rate.parse(text)
    assert (float(rate.low), float(rate.high)) == (low, high)
    assert rate.is_range is (low != high)
    assert float(rate.middle) == pytest.approx((low + high) / 2)
    assert float(Rate.parse("0.05-0.15").middle) == 0.1


def test_a_very_small_rate_is_shown_as_it_was_given() -> None:
    """Python writes it with an exponent, whose minus is not that of a range."""
    assumed = assumed_in(replace(OPTIONS, habits=Habits(replies=0.00001, orders=0.0)))
    assert assumed.replies == Between(low=0.00001, high=0.00001)
    assert assumed.order_rate == Between(low=0, high=0)


@pytest.mark.parametrize("text", ["", "x", "0.2-0.1", "1.5", "0.1-0.2-0.3", "-0.1", "nan", "0.1-inf"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """Neither a typing error nor a range the wrong way round is taken for a rate."""
    with pytest.raises(ValueError, match=r"share|between"):
        Rate.parse(text)


def test_the_ends_of_both_ranges_are_combined_and_the_middle_comes_first() -> None:
    """Whoever replies does not order any more, so that the lowest revenue is where many reply and few order."""
    assert points(Rate.parse("0.1-0.3"), Rate.parse("0.2-0.4")) == (
        Point(0.2, 0.3), Point(0.1, 0.2), Point(0.1, 0.4), Point(0.3, 0.2), Point(0.3, 0.4),
    )  # fmt: skip
    assert points(Rate.parse("0.1"), Rate.parse("0.2-0.4")) == (Point(0.1, 0.3), Point(0.1, 0.2), Point(0.1, 0.4))
    assert points(Rate.parse("0.1"), Rate.parse("0.2")) == (Point(0.1, 0.2),)


@pytest.mark.parametrize(("run_s", "seeds"), [(0.5, 5), (10, 4), (30, 1), (900, 1)])
def test_there_are_as_many_seeds_as_there_is_time_for(run_s: float, seeds: int) -> None:
    """Two at a time within two minutes, though never more than five of them and never none."""
    at = points(Rate.parse("0.1-0.3"), Rate.parse("0.2-0.4"))
    assert Plan(files=[OPTIONS], points=at, seed=7, seeds=None).seeds_in_time(run_s) == seeds


def test_each_run_has_its_rates_and_seed_and_both_files_have_the_same() -> None:
    """Two files are compared pair by pair; more seeds come after the runs that fewer would have made."""
    plan = Plan(files=[OPTIONS, OPTIONS], points=[Point(0.1, 0.2), Point(0.3, 0.2)], seed=7, seeds=2)
    trials = list(plan.trials(2))
    assert trials[:3] == [Trial(0, Point(0.1, 0.2), 7), Trial(1, Point(0.1, 0.2), 7), Trial(0, Point(0.3, 0.2), 7)]
    assert trials[:4] == list(plan.trials(1))
    assert [one.seed for one in trials] == [7, 7, 7, 7, 8, 8, 8, 8]
    asked = plan.options(trials[-1])
    assert asked.habits is not None
    assert (asked.seed, asked.habits.replies, asked.habits.orders) == (8, 0.3, 0.2)
    nobody = Plan(files=[OPTIONS], points=(), seed=7, seeds=1)
    assert nobody.options(next(nobody.trials(1))).habits is None


class QuickLane:
    """Stands for the process that simulates: it answers at once, and notes how many are at work at the same time."""

    at_work, most = 0, 0

    async def simulate(self, options: Options, passed: Callable[[int], None]) -> Outcome:
        """The golden outcome, whatever is asked."""
        QuickLane.at_work += 1
        QuickLane.most = max(QuickLane.most, QuickLane.at_work)
        passed(1)
        await asyncio.sleep(0)
        QuickLane.at_work -= 1
        if options.seed == BROKEN:
            raise Failure("the simulated world has come apart")
        return Outcome.model_validate_json(GOLDEN.read_text("utf-8"))


@asynccontextmanager
async def quick_lane() -> AsyncIterator[QuickLane]:
    """A lane without a process."""
    yield QuickLane()


async def test_every_run_is_made_two_at_a_time_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody's word about how often, quick runs are made with five seeds; they come back in the plan's order."""
    monkeypatch.setattr(several, "lane", quick_lane)
    at = points(Rate.parse("0.1"), Rate.parse("0.2-0.4"))
    plan, told = Plan(files=[OPTIONS], points=at, seed=7, seeds=None), list[Progress]()
    found = await run_all(plan, told.append)
    assert list(found) == list(plan.trials(5))
    assert QuickLane.most == 2
    assert told[-1] == Progress(over=15, planned=15, day=0)
    assert Progress(over=0, planned=3, day=1) in told


async def test_a_run_that_fails_ends_them_all_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shown of runs that are not all there."""
    monkeypatch.setattr(several, "lane", quick_lane)
    with pytest.raises(Failure, match="come apart"):
        await run_all(Plan(files=[OPTIONS], points=[Point(0.1, 0.2)], seed=BROKEN - 1, seeds=3), lambda _: None)


@pytest.mark.parametrize(
    ("definitions", "expected"),
    [((LAPSED, LAPSED), True), ((LAPSED, DAILY), False), ((LAPSED,), False), ((LAPSED, LAPSED, LAPSED), False)],
)
def test_two_of_a_kind_are_alternatives(definitions: tuple[JourneyDefinition, ...], *, expected: bool) -> None:
    """They would want the same people; journeys of different kinds live in one store together."""
    assert are_alternatives(definitions) is expected
