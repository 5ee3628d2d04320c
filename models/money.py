"""Money as the database keeps it: whole minor units of one ISO 4217 currency, Decimal at the edges only."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

# ISO 4217: currencies whose minor unit is not a hundredth. Everything else has two digits.
_DIGITS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
    "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money.

    Attributes:
        minor: whole minor units (cents for USD, yen for JPY); may be negative for a correction.
        currency: ISO 4217 code, upper case.
    """

    minor: int
    currency: str

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        """The amount in major units, rounded half up to the currency's minor unit.

        Raises:
            ValueError: the amount is not finite.
        """
        if not amount.is_finite():
            msg = f"{amount} is no amount of money"
            raise ValueError(msg)
        scaled = amount.scaleb(digits(currency)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return cls(int(scaled), currency)

    @property
    def amount(self) -> Decimal:
        """Major units with the currency's own number of decimals."""
        return Decimal(self.minor).scaleb(-digits(self.currency))

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def digits(currency: str) -> int:
    """How many decimals the currency's major unit has (ISO 4217)."""
    return _DIGITS.get(currency, 2)
