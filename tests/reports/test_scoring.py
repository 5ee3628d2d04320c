"""Precision and recall, counted by hand."""

import pytest

from models.enums import BuyingIntent, SaleStanding
from reports.scoring import Judgement, Pair, Score, score

NONE, LOW, MEDIUM, HIGH = BuyingIntent
OPEN, COMPLETED = SaleStanding.OPEN, SaleStanding.COMPLETED


def judged(intent: BuyingIntent, sale: SaleStanding = OPEN, *, stop: bool = False) -> Judgement:
    """A judgement."""
    return Judgement(intent, sale, stop)


PAIRS = [
    Pair(judged(HIGH), judged(HIGH)),
    Pair(judged(HIGH), judged(MEDIUM)),
    Pair(judged(MEDIUM), judged(HIGH, COMPLETED)),
    Pair(judged(LOW), judged(MEDIUM)),
    Pair(judged(HIGH), None),
    Pair(judged(NONE), judged(NONE)),
]


def test_a_level_is_asked_for_as_a_review_takes_it() -> None:
    """At medium: four should be followed up, three would be, two rightly; no verdict is nobody found."""
    found = score(PAIRS, lambda one: one.follows_up(MEDIUM))
    assert found == Score(expected=4, found=3, right=2)
    assert (found.precision, found.recall) == (2 / 3, 0.5)


def test_a_word_is_asked_for_exactly() -> None:
    """A high that is taken for medium is a miss, whatever the sale."""
    assert score(PAIRS, lambda one: one.intent is HIGH) == Score(expected=3, found=2, right=1)


@pytest.mark.parametrize(
    "one", [judged(HIGH, COMPLETED), judged(HIGH, SaleStanding.ELSEWHERE), judged(HIGH, stop=True), judged(NONE)]
)
def test_nobody_is_followed_up_without_an_open_sale(one: Judgement) -> None:
    """Bought, gone elsewhere, asked to stop and no interest are no follow-ups at any sensitivity."""
    assert not any(one.follows_up(level) for level in (LOW, MEDIUM, HIGH))


def test_a_share_of_nothing_is_none() -> None:
    """Nothing found has no precision and nothing labelled no recall."""
    empty = score([], lambda one: one.asked_to_stop)
    assert (empty.precision, empty.recall) == (None, None)
