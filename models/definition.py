"""What every part of a journey file's model shares.

Rules between two fields stand at the later one as field validators, not at the model: so a fault in one field does not
hide the faults of the others, and each is reported where its author has to change something.
"""

from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

INVALID: Final = object()
"""What `ValidationInfo.data` lacks: an earlier field that was given, but wrongly."""


class Strict(BaseModel):
    """A part of a definition: no unknown keys, never changed, outer blanks of texts taken off."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _plain(amount: Decimal) -> Decimal:
    """Without trailing zeros, so that 5 and 5.00 are the same definition."""
    return Decimal(format(amount.normalize(), "f"))


Amount = Annotated[Decimal, Field(max_digits=12, decimal_places=3), AfterValidator(_plain)]
"""Major units as written; three decimals because no ISO 4217 currency in use has more."""
