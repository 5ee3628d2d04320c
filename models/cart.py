"""Which checkouts an abandoned-cart journey answers."""

from pydantic import Field, field_validator

from models.audience import ConsentRule
from models.definition import Amount, Strict
from models.span import Span, Unit


class Cart(Strict):
    """When an open checkout counts as left behind, and whose."""

    after: Span = Span(amount=1, unit=Unit.HOURS)
    minimum: Amount | None = Field(default=None, ge=0)
    consent: ConsentRule = ConsentRule.SUBSCRIBED
    control_percent: int = Field(default=0, ge=0, le=90)

    @field_validator("after")
    @classmethod
    def _check_after(cls, value: Span) -> Span:
        if value.amount == 0:
            raise ValueError(f"{value} leaves no time to pay; a cart is left behind after at least 1m")
        return value
