"""How well a model's verdicts agree with people's: precision and recall, counted one way for everybody.

A verdict that could not be reached counts as nothing found: it lowers recall and leaves precision alone, as it does in
a review, which writes to nobody without a verdict.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from models.enums import BuyingIntent, SaleStanding


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a conversation shows, in somebody's opinion."""

    intent: BuyingIntent
    sale: SaleStanding
    asked_to_stop: bool

    def follows_up(self, sensitivity: BuyingIntent) -> bool:
        """Whether a review of this sensitivity takes it up: that level or above, sale open, not asked to stop."""
        order = list(BuyingIntent)
        strong = order.index(self.intent) >= order.index(sensitivity)
        return strong and self.sale is SaleStanding.OPEN and not self.asked_to_stop


@dataclass(frozen=True, slots=True)
class Pair:
    """One conversation: the person's judgement, and the model's if there is one."""

    expected: Judgement
    got: Judgement | None


@dataclass(frozen=True, slots=True)
class Score:
    """One yes-or-no question, asked of every conversation.

    Attributes:
        expected: how often a person says yes.
        found: how often the model does.
        right: how often both do.
    """

    expected: int
    found: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of the model's yes that is right; None if it never says yes."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of the person's yes that the model finds; None if there is none."""
        return self.right / self.expected if self.expected else None


def score(pairs: Iterable[Pair], question: Callable[[Judgement], bool]) -> Score:
    """Ask one question of all."""
    expected = found = right = 0
    for pair in pairs:
        yes = question(pair.expected)
        said = pair.got is not None and question(pair.got)
        expected, found, right = expected + yes, found + said, right + (yes and said)
    return Score(expected, found, right)
