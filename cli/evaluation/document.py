"""The document of `evaluate --json`."""

from pydantic import Field

from models.enums import BuyingIntent, SaleStanding
from reports.documents import Amount, Document
from reports.scoring import Score


class ScoreView(Document):
    """A yes-or-no question: `expected` by the labels, `found` by the model, `right` by both; no share of nothing."""

    expected: int
    found: int
    right: int
    precision: float | None = Field(ge=0, le=1)
    recall: float | None = Field(ge=0, le=1)

    @classmethod
    def of(cls, score: Score) -> "ScoreView":
        """The score with its shares, to four places."""
        return cls(
            expected=score.expected,
            found=score.found,
            right=score.right,
            precision=round(score.precision, 4) if score.precision is not None else None,
            recall=round(score.recall, 4) if score.recall is not None else None,
        )


class TokenCounts(Document):
    """All calls together; null where the server did not say. `cached_input` is part of `input`."""

    input: int | None
    cached_input: int | None
    output: int | None


class ModelResult(Document):
    """One prompt version with one model.

    `followed_up` asks, per sensitivity, who would be followed up: that intent or above, sale open, not asked to stop.
    `intent` and `sale` ask for exactly that word. `unusable` counts conversations without a verdict by the reason.
    """

    prompt_version: str
    model: str
    conversations: int
    calls: int
    unusable: dict[str, int]
    followed_up: dict[str, ScoreView]
    intent: dict[BuyingIntent, ScoreView]
    sale: dict[SaleStanding, ScoreView]
    asked_to_stop: ScoreView
    tokens: TokenCounts
    cost: Amount | None


class JudgementView(Document):
    """What a conversation shows."""

    intent: BuyingIntent
    sale: SaleStanding
    asked_to_stop: bool


class CaseView(Document):
    """One conversation of the file; `got` is null where no verdict was reached, and `why` says what was wrong."""

    id: str
    language: str
    expected: JudgementView
    got: JudgementView | None
    why: str | None
    calls: int


class EvaluateDocument(Document):
    """`evaluate`. `stand_in` says that the sandbox's model answered, whose score says nothing about quality."""

    file: str
    conversations: int
    stand_in: bool
    results: list[ModelResult]
    cases: list[CaseView]
