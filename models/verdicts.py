"""What a guard answers when a stage is due: go on, pass the stage over, wait, or end the enrollment.

A closed union with one tag, so that a workflow can `match` on it with `assert_never` and so that it survives JSON:
a skip and an exit may carry the same word (`hold_expired`), and only the tag tells them apart.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from models.enums import ExitReason, HoldReason, SkipReason


@dataclass(frozen=True, slots=True)
class Proceed:
    """Nothing stands in the way."""

    kind: Literal["proceed"] = field(default="proceed", kw_only=True)


@dataclass(frozen=True, slots=True)
class SkipStage:
    """This stage is passed over; the enrollment goes on with the next."""

    reason: SkipReason
    kind: Literal["skip_stage"] = field(default="skip_stage", kw_only=True)


@dataclass(frozen=True, slots=True)
class Hold:
    """The stage waits.

    Attributes:
        reason: what it waits for.
        until: the aware moment at which to look again; None when only an event can release it.
    """

    reason: HoldReason
    until: datetime | None = None
    kind: Literal["hold"] = field(default="hold", kw_only=True)

    def __post_init__(self) -> None:
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("a hold ends at an aware moment, not at a naive one")


@dataclass(frozen=True, slots=True)
class Exit:
    """The enrollment ends here."""

    reason: ExitReason
    kind: Literal["exit"] = field(default="exit", kw_only=True)


Verdict = Annotated[Proceed | SkipStage | Hold | Exit, Field(discriminator="kind")]
"""Any of the four; as a pydantic type it is read back from JSON by its `kind`."""
