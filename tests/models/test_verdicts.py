"""A guard's answer survives JSON."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from models.enums import ExitReason, HoldReason, SkipReason
from models.verdicts import Exit, Hold, Proceed, SkipStage, Verdict

ADAPTER: TypeAdapter[Verdict] = TypeAdapter(Verdict)


@pytest.mark.parametrize(
    "verdict",
    [
        Proceed(),
        SkipStage(SkipReason.HOLD_EXPIRED),
        Hold(HoldReason.JOURNEY_PAUSED),
        Hold(HoldReason.HOURS, datetime(2026, 7, 1, tzinfo=UTC)),
        Exit(ExitReason.HOLD_EXPIRED),
    ],
)
def test_a_verdict_comes_back_as_what_it_was(verdict: Verdict) -> None:
    """A skip and an exit for the same word stay apart."""
    back = ADAPTER.validate_json(ADAPTER.dump_json(verdict))
    assert back == verdict
    assert type(back) is type(verdict)


def test_a_hold_until_a_naive_moment_is_an_error() -> None:
    """A timer needs a real moment."""
    with pytest.raises(ValueError, match="aware"):
        Hold(HoldReason.HOURS, datetime(2026, 7, 1))  # noqa: DTZ001 - the point of the test
