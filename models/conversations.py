"""Which conversations a follow-up watches, and the short way to write its equal stages."""

from typing import Any, Final

from pydantic import Field, ValidationError, field_validator

from models.audience import ConsentRule
from models.definition import Strict
from models.span import Span

MAX_REPEATS: Final = 10
"""Most messages that `repeat` stands for."""

LONGEST_COLUMN: Final = 80
"""Longest name of a board's column, in characters (`models.tables.Conversation.board_column`)."""

_ANY_LENGTH: Final = "1h"
"""Stands in for a delay that cannot be read, so that the message beside it is checked all the same."""


class Conversations(Strict):
    """Whose silence a follow-up answers."""

    column: str | None = Field(default=None, min_length=1, max_length=LONGEST_COLUMN)
    include_closed: bool = False
    consent: ConsentRule = ConsentRule.NOT_UNSUBSCRIBED
    control_percent: int = Field(default=0, ge=0, le=90)


class Repeat(Strict):
    """The same message `times` times, each after `every` of silence."""

    every: Span
    times: int = Field(ge=1, le=MAX_REPEATS)

    @field_validator("every")
    @classmethod
    def _check_every(cls, value: Span) -> Span:
        if value.amount == 0:
            raise ValueError(f"{value} is no silence; a follow-up waits for at least 1m")
        return value


def written_out(journey: dict[str, Any]) -> dict[str, Any]:
    """A follow-up's plain data with `repeat` and `message` turned into the stages that they stand for.

    What cannot be turned stays where it is, for the model to refuse it there, beside a stage that holds the message:
    so faults of both are found in one go. Without a message the model decides what to say.
    """
    if "stages" in journey or not {"repeat", "message"} & journey.keys():
        return journey
    after, times = _ANY_LENGTH, 1
    left = set()
    try:
        repeat = Repeat.model_validate(journey.get("repeat"))
        after, times = str(repeat.every), repeat.times
    except ValidationError:
        left = {"repeat", "message"} if "repeat" not in journey else {"repeat"}
    message = journey.get("message", {"ai": {"mode": "smart"}})
    rest = {key: value for key, value in journey.items() if key in left or key not in {"repeat", "message"}}
    return {**rest, "stages": [{"after": after, "message": message} for _ in range(times)]}
